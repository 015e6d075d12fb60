"""Task, Episode, Solution: what a method receives, what training and evaluation add to it, what a method returns.

All tensors are batched over tasks. Where tasks of a batch differ in size, the shorter ones are
padded and a mask says which rows are real. A Task holds no query labels; they live in the Episode,
which only the meta-training objective and `evaluate` read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from sibyl.errors import DataError


@dataclass(frozen=True, eq=False)
class Task:
    """A batch of classification tasks: few labelled items, many unlabelled ones.

    Parameters
    ----------
    support_x : float [task, support, dim]
        Features of the labelled items (a Task may also hold images: further axes are allowed).
    support_y : int [task, support]
        Their classes, 0 … n_way − 1.
    query_x : float [task, query, dim]
        Features of the unlabelled items.
    n_way : int
        Number of classes, the same for all tasks of the batch.
    support_mask, query_mask : bool [task, support], bool [task, query]
        False marks padding. Left out, every row is real.

    Raises
    ------
    DataError
        If shapes disagree, or a class index lies outside 0 … n_way − 1.
    """

    support_x: Float[Tensor, "task support *item"]
    support_y: Int[Tensor, "task support"]
    query_x: Float[Tensor, "task query *item"]
    n_way: int
    support_mask: Bool[Tensor, "task support"] = None  # type: ignore[assignment]  # filled in below
    query_mask: Bool[Tensor, "task query"] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.support_mask is None:
            object.__setattr__(self, "support_mask", torch.ones_like(self.support_y, dtype=torch.bool))
        if self.query_mask is None:
            shape = self.query_x.shape[:2]
            object.__setattr__(self, "query_mask", torch.ones(shape, dtype=torch.bool, device=self.query_x.device))
        if self.support_x.shape[2:] != self.query_x.shape[2:] or len(self.support_x) != len(self.query_x):
            raise DataError(
                f"support {list(self.support_x.shape)} and query {list(self.query_x.shape)} must agree in tasks and dimension"
            )
        if self.support_y.numel() and not 0 <= int(self.support_y.min()) <= int(self.support_y.max()) < self.n_way:
            raise DataError(f"support classes must lie in 0 … {self.n_way - 1}, got {self.support_y.unique().tolist()}")

    @property
    def n_tasks(self) -> int:
        """Number of tasks in the batch."""
        return len(self.support_x)

    @property
    def support_one_hot(self) -> Float[Tensor, "task support way"]:
        """One-hot classes of the support; padded rows are zero."""
        return one_hot(self.support_y, self.n_way).to(self.support_x.dtype) * self.support_mask[..., None]

    @property
    def n_shots(self) -> Float[Tensor, "task way"]:
        """Labelled items per class."""
        return self.support_one_hot.sum(1)

    @property
    def query_weight(self) -> Float[Tensor, "task query 1"]:
        """1 for real query rows, 0 for padding; multiply before summing over queries."""
        return self.query_mask[..., None].to(self.query_x.dtype)

    def take(self, rows: slice | Sequence[int] | Tensor) -> Task:
        """Return some tasks of the batch."""
        index = torch.as_tensor(rows) if not isinstance(rows, slice | Tensor) else rows
        changed: dict[str, Any] = {
            field.name: getattr(self, field.name)[index] for field in fields(self) if isinstance(getattr(self, field.name), Tensor)
        }
        return replace(self, **changed)

    def to(self, target: torch.device | torch.dtype | str) -> Task:
        """Move to a device, or convert the features to a float type."""
        if isinstance(target, torch.dtype):
            return replace(self, support_x=self.support_x.to(target), query_x=self.query_x.to(target))
        changed: dict[str, Any] = {
            field.name: getattr(self, field.name).to(target)
            for field in fields(self)
            if isinstance(getattr(self, field.name), Tensor)
        }
        return replace(self, **changed)


@dataclass(frozen=True, eq=False)
class Episode:
    """A Task whose query labels are known; only training objectives and `evaluate` may hold one.

    Parameters
    ----------
    task : Task
        What a method may see.
    query_y : int [task, query]
        Class of each query row; −1 for items of none of the classes (outliers) and for padding.
    """

    task: Task
    query_y: Int[Tensor, "task query"]

    def __post_init__(self) -> None:
        if self.query_y.shape != self.task.query_mask.shape:
            raise DataError(
                f"query_y {list(self.query_y.shape)} must have one label per query row {list(self.task.query_mask.shape)}"
            )

    @property
    def scored(self) -> Bool[Tensor, "task query"]:
        """Query rows that belong to one of the classes: those that accuracy counts."""
        return self.task.query_mask & (self.query_y >= 0)


Classifier = Callable[[Float[Tensor, "task row dim"]], Float[Tensor, "task row way"]]


@dataclass(frozen=True, eq=False)
class Solution:
    """What a method says about a batch of tasks.

    Parameters
    ----------
    logits : float [task, query, n_way]
        Unnormalised log-probabilities; softmax over the last axis gives the method's confidence.
    inductive_logits : float [task, query, n_way], optional
        What the method would say without the other queries, where it has such a starting point.
    classifier : callable, optional
        The adapted classifier: new rows [task, row, dim] → logits [task, row, n_way].
    class_mix : float [task, n_way], optional
        Estimated share of each class among the queries.
    outlier_score : float [task, query], optional
        Higher means more likely none of the classes.
    fell_back : bool [task], optional
        True where the answer is the inductive one because the unlabelled data could not help.
    """

    logits: Float[Tensor, "task query way"]
    inductive_logits: Float[Tensor, "task query way"] | None = None
    classifier: Classifier | None = None
    class_mix: Float[Tensor, "task way"] | None = None
    outlier_score: Float[Tensor, "task query"] | None = None
    fell_back: Bool[Tensor, " task"] | None = None

    @property
    def probabilities(self) -> Float[Tensor, "task query way"]:
        """Softmax of the logits."""
        return self.logits.softmax(-1)

    @property
    def predictions(self) -> Int[Tensor, "task query"]:
        """Most likely class of each query row."""
        return self.logits.argmax(-1)


ClassPrior = str | Float[Tensor, "*#task way"] | None


def class_shares(class_prior: ClassPrior, task: Task) -> Float[Tensor, "#task way"] | None:
    """Turn what the caller knows of the query's class mix into shares.

    Parameters
    ----------
    class_prior : None, "balanced" or shares [task or 1, n_way]
        Nothing known, all classes equally frequent, or the share of each class.
    task : Task
        Gives the number of classes, dtype and device.

    Returns
    -------
    tensor or None
        Shares that sum to one; None where nothing is known.

    Raises
    ------
    DataError
        If shares are negative, do not sum to one, or number other than n_way.
    """
    if class_prior is None:
        return None
    if isinstance(class_prior, str):
        if class_prior != "balanced":
            raise DataError(f"class_prior must be None, 'balanced' or one share per class, got {class_prior!r}")
        return task.query_x.new_full((1, task.n_way), 1 / task.n_way)
    shares = torch.as_tensor(class_prior).to(task.query_x)
    shares = shares[None] if shares.ndim == 1 else shares
    if shares.shape[-1] != task.n_way or shares.shape[0] not in (1, task.n_tasks):
        raise DataError(f"class_prior must hold one share for each of {task.n_way} classes, got shape {list(shares.shape)}")
    if bool((shares < 0).any()) or not torch.allclose(shares.sum(-1), shares.new_ones(()), atol=1e-3):
        raise DataError(f"class_prior must be shares ≥ 0 that sum to 1, got sums {shares.sum(-1).tolist()[:3]}")
    return shares
