"""Classifiers that methods end in: they turn new rows of features into logits, and hold nothing but tensors.

As parameters they are what is saved and exported; as callables they fit `Solution.classifier`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.tasks import Classifier


@dataclass(frozen=True, eq=False)
class CosineClassifier:
    """``scale · (bias + cos(x, weight_c))``, the local model of SIB and of every cosine class-mean method.

    Parameters
    ----------
    weight : float [task, way, dim]
        One vector per class; its length does not matter.
    scale : float [] or [task, 1, 1]
        Inverse temperature.
    bias : float [] or [task, 1, way]
        Added to each cosine.
    """

    weight: Float[Tensor, "task way dim"]
    scale: Tensor
    bias: Tensor

    def __call__(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row way"]:
        """Return the logits of rows of features."""
        return self.scale * (self.bias + normalize(x, dim=-1) @ normalize(self.weight, dim=-1).mT)


@dataclass(frozen=True, eq=False)
class CosineScores:
    """The cosine classifier on rows that stay while its weights move: what depends on the rows alone is computed once.

    ``ŷ_ci = s (b + θ_c · x_i / (‖θ_c‖ ‖x_i‖))``, classes before rows: the products of a few classes with many rows, and their gradients,
    are several times as fast in that order.

    Parameters
    ----------
    x : float [task, row, dim]
        The rows, of any length.
    scale, bias : float [] or [1]
        s and b.
    """

    x: Float[Tensor, "task row dim"]
    scale: Tensor
    bias: Tensor
    length: Float[Tensor, "task 1 row"] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", _length(self.x).mT)

    def logits(self, weight: Float[Tensor, "task way dim"]) -> Float[Tensor, "task way row"]:
        """Return the logits of the rows under one vector per class."""
        cosine: Tensor = weight @ self.x.mT / (_length(weight) * self.length)
        return self.scale * (self.bias + cosine)

    def transposed_jacobian(
        self, weight: Float[Tensor, "task way dim"], gradient: Float[Tensor, "task way row"]
    ) -> Float[Tensor, "task way dim"]:
        """Return ``Σ_i gradient_ci ∂ŷ_ci/∂θ_c``: ``s/‖θ_c‖ Σ_i gradient_ci x_i/‖x_i‖``, less its part along θ_c."""
        length = _length(weight)
        pull = (self.scale * gradient.contiguous() / (length * self.length)) @ self.x
        direction = weight / length
        along = torch.linalg.vecdot(pull, direction)[..., None]
        return torch.addcmul(pull, along, direction, value=-1)  # no temporaries: at this size each costs more than the arithmetic


def _length(rows: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row 1"]:
    length: Tensor = torch.linalg.vector_norm(rows, dim=-1, keepdim=True).clamp_min(1e-12)
    return length


@dataclass(frozen=True, eq=False)
class LinearClassifier:
    """``x · weight_c + bias_c``, optionally on L2-normalised rows.

    Parameters
    ----------
    weight : float [task, way, dim]
    bias : float [task, way]
    normalised : bool
        Divide each row by its length first.
    """

    weight: Float[Tensor, "task way dim"]
    bias: Float[Tensor, "task way"]
    normalised: bool = False

    def __call__(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row way"]:
        """Return the logits of rows of features."""
        rows = normalize(x, dim=-1) if self.normalised else x
        return rows @ self.weight.mT + self.bias[:, None]


@dataclass(frozen=True, eq=False)
class CentroidClassifier:
    """``−scale · ‖x − centre_c‖²``, on rows shifted by `origin` and L2-normalised where `normalised` is set.

    Parameters
    ----------
    centre : float [task, way, dim]
    scale : float []
        Inverse temperature.
    origin : float [task, 1, dim], optional
        Subtracted from each row before anything else.
    normalised : bool
        Divide each (shifted) row by its length.
    """

    centre: Float[Tensor, "task way dim"]
    scale: float
    origin: Float[Tensor, "task 1 dim"] | None = None
    normalised: bool = False

    def __call__(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row way"]:
        """Return the logits of rows of features."""
        rows = x if self.origin is None else x - self.origin
        rows = normalize(rows, dim=-1) if self.normalised else rows
        return -self.scale * squared_distances(rows, self.centre)


@dataclass(frozen=True, eq=False)
class Centred:
    """Another classifier, on rows that something was taken off.

    Parameters
    ----------
    offset : float [1, 1, dim]
        What is taken off each row.
    classifier : callable
        Of the rows that are left.
    """

    offset: Float[Tensor, "1 1 dim"]
    classifier: Classifier

    def __call__(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row way"]:
        """Return the logits of rows of features."""
        return self.classifier(x - self.offset)

    def outlier_score(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row"]:
        """Return how likely each row is none of the classes."""
        return outlier_score(self.classifier, x - self.offset)


def outlier_score(classifier: Classifier, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row"]:
    """Return the classifier's own outlier score of new rows, or one minus the largest probability where it has none."""
    own = getattr(classifier, "outlier_score", None)
    score: Tensor = 1 - classifier(x).softmax(-1).amax(-1) if own is None else own(x)
    return score


def squared_distances(x: Float[Tensor, "task row dim"], centre: Float[Tensor, "task way dim"]) -> Float[Tensor, "task row way"]:
    """Squared Euclidean distance of each row to each centre, as one matrix product."""
    cross = x @ centre.mT
    return (x.square().sum(-1)[..., None] + centre.square().sum(-1)[:, None] - 2 * cross).clamp_min(0)


def class_means(x: Float[Tensor, "task row dim"], weight: Float[Tensor, "task row way"]) -> Float[Tensor, "task way dim"]:
    """Weighted mean of the rows for each class; a class of no weight gets the zero vector."""
    return weight.mT @ x / weight.sum(1).clamp_min(torch.finfo(x.dtype).tiny)[..., None]
