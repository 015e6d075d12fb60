"""Rows of few columns lifted so that angles see distances, and the mean of what several classifiers say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.methods.classifiers import outlier_score, squared_distances
from sibyl.tasks import Classifier

SPANNED = 1e-3  # of the largest eigenvalue: landmarks hardly span what is below, which would only bring rounding


@dataclass(frozen=True, eq=False)
class SphereLift:
    """The inverse stereographic projection, ``(2 z, r − 1) / (r + 1)`` with z = (x − centre) / size and r = ‖z‖².

    Rows end on a sphere of one more dimension: those in the middle at one pole, those far away near the other.

    Parameters
    ----------
    centre : float [1, 1, dim]
        Middle of the rows.
    size : float [1, 1, 1]
        Their median distance from it.
    """

    centre: Float[Tensor, "1 1 dim"]
    size: Float[Tensor, "1 1 1"]

    @property
    def n_columns(self) -> int:
        """Columns of a lifted row."""
        return self.centre.shape[2] + 1

    def __call__(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row wide"]:
        """Return the lifted rows."""
        z = (x - self.centre) / self.size
        r = z.square().sum(-1, keepdim=True)
        return torch.cat([2 * z, r - 1], -1) / (r + 1)


@dataclass(frozen=True, eq=False)
class KernelLift:
    """The Nyström map of the kernel ``k(x, z) = exp(−‖x − z‖² / width)``: scalar products of lifted rows are about k.

    Parameters
    ----------
    centre : float [1, 1, dim]
        Middle of the rows, taken off each because it costs distances their precision.
    landmarks : float [1, landmark, dim]
        Rows that stand for all, no two of them equal, less the centre.
    width : float [1, 1, 1]
        Their median squared distance.
    root : float [1, landmark, landmark]
        Inverse square root of the kernel among them.
    """

    centre: Float[Tensor, "1 1 dim"]
    landmarks: Float[Tensor, "1 landmark dim"]
    width: Float[Tensor, "1 1 1"]
    root: Float[Tensor, "1 landmark landmark"]

    @classmethod
    def of(cls, rows: Float[Tensor, "landmark dim"], centre: Float[Tensor, "1 1 dim"], widths: float = 1.0) -> KernelLift:
        """Fit to rows that stand for all; so many median squared distances are the width."""
        landmarks = rows - centre
        exact = landmarks[0].cpu().double()
        squared = torch.cdist(exact, exact).square()
        apart = squared[torch.ones_like(squared).triu(1).bool()]
        width = widths * apart.median() if len(apart) else squared.new_ones(())
        values, vectors = torch.linalg.eigh(torch.exp(-squared / width))
        scale = torch.where(values > SPANNED * values[-1], values.clamp_min(SPANNED).rsqrt(), 0.0)
        root = (vectors * scale) @ vectors.mT
        return cls(centre, landmarks, width.to(rows)[None, None, None], root.to(rows)[None])

    @property
    def n_columns(self) -> int:
        """Columns of a lifted row."""
        return self.landmarks.shape[1]

    def __call__(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row wide"]:
        """Return the lifted rows."""
        lifted: Tensor = torch.exp(-squared_distances(x - self.centre, self.landmarks) / self.width) @ self.root
        return lifted


Lift = SphereLift | KernelLift


@dataclass(frozen=True, eq=False)
class Lifted:
    """Another classifier, on rows that are lifted first.

    Parameters
    ----------
    lift : SphereLift or KernelLift
    classifier : callable
        Of lifted rows.
    """

    lift: Lift
    classifier: Classifier

    def __call__(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row way"]:
        """Return the logits of rows of features."""
        return self.classifier(self.lift(x))

    def outlier_score(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row"]:
        """Return how likely each row is none of the classes."""
        return outlier_score(self.classifier, self.lift(x))


@dataclass(frozen=True, eq=False)
class MeanClassifier:
    """The mean of the probabilities, and of the outlier scores, of several classifiers.

    Parameters
    ----------
    classifiers : tuple of callable
    temperature : float
        What the logarithms of the mean probabilities are divided by.
    bias : float [1, 1, way], optional
        Added to the logits: with it the unlabelled rows met a given class mix.
    """

    classifiers: tuple[Classifier, ...]
    temperature: float = 1.0
    bias: Float[Tensor, "1 1 way"] | None = None

    def __call__(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row way"]:
        """Return the logits of rows of features."""
        logits = mean_logits([one(x) for one in self.classifiers], self.temperature)
        return logits if self.bias is None else logits + self.bias

    def outlier_score(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row"]:
        """Return how likely each row is none of the classes."""
        return torch.stack([outlier_score(one, x) for one in self.classifiers]).mean(0)


def mean_logits(several: Sequence[Float[Tensor, "task row way"]], temperature: float) -> Float[Tensor, "task row way"]:
    """Return the logarithms of the mean of the probabilities that several logits stand for, over a temperature."""
    mean: Tensor = torch.stack([one.log_softmax(-1) for one in several]).logsumexp(0) - math.log(len(several))
    return mean / temperature
