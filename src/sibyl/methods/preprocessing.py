"""What transductive methods do to features first: power transform, unit length, shift to the task's mean, unit length again.

"PEME" of Hu, Pateux & Gripon (2022): P power, E Euclidean normalisation, M mean subtraction, E again. The mean is taken over the
task's own rows, labelled or not, so this is already transductive.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.methods.task_rows import mean_row
from sibyl.tasks import Classifier

SMALL = 1e-6  # the papers' ε inside the power


def power_transform(x: Float[Tensor, "task row dim"], power: float = 0.5) -> Float[Tensor, "task row dim"]:
    """Bring skewed columns closer to a normal distribution: ``(x + ε)^power`` (Hu et al. 2021, equation 2; Tukey's ladder).

    The papers have features after a ReLU. Negative values, which other encoders have, keep their sign: ``−(|x| + ε)^power``.
    """
    size = (x.abs() + SMALL).pow_(power)
    return torch.where(x < 0, -size, size)  # copysign has no counterpart in ONNX


def powered(x: Float[Tensor, "task row dim"], power: float | None, unit_length: bool = True) -> Float[Tensor, "task row dim"]:
    """Power transform, where there is a power, and unit length, where it is wanted."""
    rows = x if power is None else power_transform(x, power)
    return normalize(rows, dim=-1) if unit_length else rows


@dataclass(frozen=True, eq=False)
class Preparation:
    """Rows → ``unit(unit(power(row)) · axes − origin)``; fitted on a task, it applies to new rows as well.

    Parameters
    ----------
    origin : float [task, 1, column]
        Subtracted mean.
    power : float, optional
        Exponent of the power transform; None leaves it out.
    unit_first : bool
        Divide rows by their length before subtracting the mean too.
    axes : float [task, dim, column], optional
        Orthonormal directions onto which rows are projected; left out, all are kept.
    """

    origin: Float[Tensor, "task 1 column"]
    power: float | None = 0.5
    unit_first: bool = True
    axes: Float[Tensor, "task dim column"] | None = None

    @classmethod
    def fit(
        cls,
        x: Float[Tensor, "task row dim"],
        mask: Bool[Tensor, "task row"],
        power: float | None = 0.5,
        unit_first: bool = True,
        n_axes: int | None = None,
    ) -> Preparation:
        """Take the mean over the real rows of `x`, after projecting on their `n_axes` leading singular vectors where given."""
        rows = powered(x, power, unit_first)
        axes = None if n_axes is None else leading_axes(rows * mask[..., None], n_axes)
        origin = mean_row(rows, mask)
        return cls(origin if axes is None else origin @ axes, power, unit_first, axes)

    def __call__(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row column"]:
        """Return rows of unit length."""
        rows = powered(x, self.power, self.unit_first)
        return normalize((rows if self.axes is None else rows @ self.axes) - self.origin, dim=-1)


def leading_axes(rows: Float[Tensor, "task row dim"], n_axes: int) -> Float[Tensor, "task dim column"]:
    """First ``min(n_axes, rows, dim)`` right singular vectors, by way of the smaller of ``x xᵀ`` and ``xᵀ x``; zero beyond the rank."""
    if rows.shape[1] > rows.shape[2]:
        right: Tensor = torch.linalg.eigh(rows.mT @ rows)[1]
        return right[..., -n_axes:]
    size, left = torch.linalg.eigh(rows @ rows.mT)
    size, left = size[..., None, -n_axes:], left[..., -n_axes:]
    floor = size[..., -1:] * torch.finfo(size.dtype).eps * rows.shape[1]
    return rows.mT @ torch.where(size > floor, left * size.clamp_min(floor).rsqrt(), 0.0)


@dataclass(frozen=True, eq=False)
class PreparedClassifier:
    """A classifier of prepared rows, applied to rows as they come from the encoder."""

    preparation: Preparation
    classifier: Classifier

    def __call__(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row way"]:
        """Return the logits of rows of features."""
        return self.classifier(self.preparation(x))
