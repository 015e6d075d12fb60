"""Potentials that make the queries meet a class mix that the caller gave."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.methods.sinkhorn import column_potentials
from sibyl.methods.universal.sums import TINY

# Slices differ in length. Of each, which rows are real, and scaled cosines: a list of the slices themselves would hold all prepared rows at once.
Scores = list[tuple[Float[Tensor, "task 1 _"], Float[Tensor, "task way _"]]]


def log_share(shares: Float[Tensor, "task way"]) -> Float[Tensor, "task way 1"]:
    """Logarithm of given shares; a class without any keeps a share that no row follows."""
    return shares.clamp_min(TINY).log()[..., None]


def approach(
    scores: Scores,
    shares: Float[Tensor, "task way"],
    start: Float[Tensor, "task way 1"],
    count: Float[Tensor, "task 1"],
    n_rounds: int,
) -> Float[Tensor, "task way 1"]:
    """Move the potentials a few of Sinkhorn's rounds towards balance, differentiably; see `sibyl.methods.sinkhorn`.

    Parameters
    ----------
    scores : list of (float [task, 1, row], float [task, way, row])
        See `Scores`.
    shares : float [task, way]
        The class mix to meet.
    start : float [task, way, 1]
        Potentials to begin with.
    count : float [task, 1]
        Query rows.
    n_rounds : int
        Rounds.
    """
    wanted, total = log_share(shares), count.clamp_min(1)[..., None]
    for _ in range(n_rounds if scores else 0):
        met = torch.stack([((score + start).softmax(1) * weight).sum(2, keepdim=True) for weight, score in scores]).sum(0) / total
        start = start + torch.where(count[..., None] > 0, wanted - met.clamp_min(TINY).log(), 0.0)
    return start


def reach(
    scores: Scores, shares: Float[Tensor, "task way"], start: Float[Tensor, "task way 1"], count: Float[Tensor, "task 1"]
) -> Float[Tensor, "task way 1"]:
    """Return the potentials that meet the class mix; differentiable through one last round. Parameters as in `approach`."""
    if not scores:
        return start
    joined = torch.cat([score for _, score in scores], 2)
    real = torch.cat([weight for weight, _ in scores], 2)[:, 0] > 0
    potential = column_potentials(joined.detach().mT, real, shares, start.detach().mT).mT
    return approach(scores, shares, potential, count, 1) if torch.is_grad_enabled() else potential
