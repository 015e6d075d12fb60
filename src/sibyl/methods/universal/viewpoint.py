"""Cosines between rows and class means, seen from a point between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.methods.universal.rows import Slice


@dataclass(frozen=True, eq=False)
class Viewpoint:
    """``cos(u − o, w_c − w̄)`` for rows u of unit length.

    Class means are seen from their own middle w̄, rows from an origin o: the same point, or, where
    the unlabelled rows are known to lie around another, shifted towards their mean.

    Parameters
    ----------
    direction : float [task, way, dim]
        Unit vectors to the class means: from their middle w̄ (`of`), or from o as the rows are
        (`around`).
    origin : float [task, 1, dim]
        o.
    """

    direction: Float[Tensor, "task way dim"]
    origin: Float[Tensor, "task 1 dim"]

    @classmethod
    def of(
        cls, centre: Float[Tensor, "task way dim"], mean: Float[Tensor, "task 1 dim"], shift: Float[Tensor, "task 1 1"]
    ) -> Viewpoint:
        """Look at class means `centre` from their middle, and at rows from there, moved by `shift` (0 … 1) of the way to `mean`."""
        middle = centre.mean(1, keepdim=True)
        return cls(normalize(centre - middle, dim=-1), middle + shift * (mean - middle))

    @classmethod
    def around(cls, centre: Float[Tensor, "task way dim"], origin: Float[Tensor, "task 1 dim"]) -> Viewpoint:
        """Look at class means and at rows from one point."""
        return cls(normalize(centre - origin, dim=-1), origin)

    def where(self, chosen: Bool[Tensor, "task 1 1"], other: Viewpoint) -> Viewpoint:
        """Return this view for the chosen tasks and `other` for the rest."""
        return Viewpoint(torch.where(chosen, self.direction, other.direction), torch.where(chosen, self.origin, other.origin))

    def cosines(self, unit: Float[Tensor, "task row dim"]) -> Float[Tensor, "task way row"]:
        """Return the cosines of rows of unit length."""
        return self.cosines_of(self.direction @ unit.mT, (unit @ self.origin.mT).mT)

    def cosines_of(
        self, products: Float[Tensor, "task way row"], along: Float[Tensor, "task 1 row"]
    ) -> Float[Tensor, "task way row"]:
        """Return them from the rows' scalar products with `direction` and with `origin`."""
        length = (1 - 2 * along + self.origin.square().sum(-1, keepdim=True)).clamp_min(1e-4).sqrt()
        cosine: Tensor = (products - self.direction @ self.origin.mT) / length
        return cosine


@dataclass(frozen=True, eq=False)
class Viewpoints:
    """Several points of view at once: rows are read once, and multiplied with all that is needed of them.

    Parameters
    ----------
    views : tuple of Viewpoint
    targets : float [task, target, dim]
        Their directions, their origins, and what else rows are multiplied with.
    """

    views: tuple[Viewpoint, ...]
    targets: Float[Tensor, "task target dim"]

    @classmethod
    def of(cls, *views: Viewpoint, points: Sequence[Float[Tensor, "task 1 dim"]] = ()) -> Viewpoints:
        """Look from some views, and multiply with some points, too."""
        return cls(views, torch.cat([*(view.direction for view in views), *(view.origin for view in views), *points], 1))

    def __call__(
        self, unit: Float[Tensor, "task row dim"]
    ) -> tuple[list[Float[Tensor, "task way row"]], Float[Tensor, "task point row"]]:
        """Return the cosines from each view, and the scalar products with the origins and the other points."""
        n_way, products = self.views[0].direction.shape[1], self.targets @ unit.mT
        n_directions = len(self.views) * n_way
        along = products[:, n_directions:]
        seen = zip(self.views, products[:, :n_directions].split(n_way, 1), along.split(1, 1), strict=False)
        return [view.cosines_of(of_view, at_origin) for view, of_view, at_origin in seen], along


@dataclass(frozen=True, eq=False)
class ScaledCosines:
    """Scores of the rows of a slice: their cosines, scaled."""

    view: Viewpoint
    scale: Float[Tensor, "task 1 1"]

    def __call__(self, part: Slice) -> Float[Tensor, "task way row"]:
        """Return the scores."""
        return self.scale * self.view.cosines(part.unit)


def best_and_margin(cosine: Float[Tensor, "task way row"]) -> tuple[Float[Tensor, "task 1 row"], Float[Tensor, "task 1 row"]]:
    """Return the largest cosine of each row, and its margin: how far it is above the next."""
    best = cosine.topk(2, dim=1).values
    return best[:, :1], best[:, :1] - best[:, 1:]
