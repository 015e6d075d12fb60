"""Potentials that make the queries meet a class mix that the caller gave: from sums over slices, so that no row's scores are held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.methods.sinkhorn import balanced
from sibyl.methods.universal.rows import Rows, Slice, Totals
from sibyl.methods.universal.statistics import TINY

FEW = 1 << 20  # scores that are kept from one round to the next; of more they are computed again
Score = Callable[[Slice], Tensor]


@dataclass(frozen=True, eq=False)
class Mass:
    """How many rows of a slice each class gets."""

    score: Score
    potential: Float[Tensor, "task way 1"]

    def __call__(self, part: Slice) -> Totals:
        """Go over one slice."""
        return (((self.score(part) + self.potential).softmax(1) * part.weight).sum(2, keepdim=True),)


@dataclass(frozen=True, eq=False)
class _Share:
    """What share of all rows each class gets from a slice, and, with `curved`, the products of assignments to two classes."""

    score: Score
    potential: Float[Tensor, "task way 1"]
    count: Float[Tensor, "task 1"]
    curved: bool

    def __call__(self, part: Slice) -> Totals:
        """Go over one slice."""
        plan = (self.score(part) + self.potential).softmax(1)
        weight = (part.weight / self.count.clamp_min(1)[..., None]).mT
        return (plan @ weight, (plan * weight.mT) @ plan.mT) if self.curved else (plan @ weight,)


@dataclass(frozen=True, eq=False)
class Remembered:
    """Scores of slices that are kept once computed."""

    score: Score
    kept: dict[int, Tensor] = field(default_factory=dict)

    def __call__(self, part: Slice) -> Float[Tensor, "task way row"]:
        """Return the scores of a slice."""
        if part.first not in self.kept:
            self.kept[part.first] = self.score(part)
        return self.kept[part.first]


def remembered(score: Score, rows: Rows, n_way: int) -> Score:
    """Keep scores of few rows."""
    return Remembered(score) if float(rows.count.sum()) * n_way <= FEW else score


def log_share(shares: Float[Tensor, "task way"]) -> Float[Tensor, "task way 1"]:
    """Logarithm of given shares; a class without any keeps a share that no row follows."""
    return shares.clamp_min(TINY).log()[..., None]


def approach(
    rows: Rows, score: Score, shares: Float[Tensor, "task way"], start: Float[Tensor, "task way 1"], n_rounds: int
) -> Float[Tensor, "task way 1"]:
    """Move the potentials a few of Sinkhorn's rounds towards balance, differentiably; see `sibyl.methods.sinkhorn`.

    Parameters
    ----------
    rows : Rows
        Query rows.
    score : callable
        Slice → scaled cosines or other logits, float [task, way, row].
    shares : float [task, way]
        The class mix to meet.
    start : float [task, way, 1]
        Potentials to begin with.
    n_rounds : int
        Rounds.
    """
    wanted, total = log_share(shares), rows.count.clamp_min(1)[..., None]
    for _ in range(n_rounds):
        totals = rows.total(Mass(score, start))
        if not totals:
            break
        met = totals[0].to(start.dtype) / total
        start = start + torch.where(rows.count[..., None] > 0, wanted - met.clamp_min(TINY).log(), 0.0)
    return start


def reach(
    rows: Rows, score: Score, shares: Float[Tensor, "task way"], start: Float[Tensor, "task way 1"]
) -> Float[Tensor, "task way 1"]:
    """Return the potentials that meet the class mix; differentiable through one last round. Parameters as in `approach`."""

    def met(potential: Tensor, curved: bool) -> tuple[Tensor, Tensor | None]:
        sums = [one.to(start.dtype) for one in rows.total(_Share(score, potential, rows.count, curved))]
        return sums[0], sums[1] if curved else None

    with torch.no_grad():
        if not bool((rows.count > 0).any()):
            return start
        potential = balanced(met, shares, start.detach())
    return approach(rows, score, shares, potential, 1) if torch.is_grad_enabled() else potential
