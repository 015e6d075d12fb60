"""Sinkhorn balancing in the log domain: soft assignments of rows to classes with given class masses.

Among all assignments P with row sums r and column sums m, find the one that maximises ``Σ P·S + H(P)`` for the scores S
(Cuturi 2013; Sinkhorn & Knopp 1967). It has the form ``P_ic = r_i · softmax_c(S_ic + v_c)``, so only the column potentials v are
sought: the minimum of the convex ``F(v) = Σ_i r_i log Σ_c exp(S_ic + v_c) − m·v``. Rows sum as they should at every step and no
kernel underflows.

Sinkhorn's step ``v ← v + log m − log Σ_i P_ic`` always lowers F and needs few repetitions where rows are undecided, but many
hundreds where they are nearly decided. After two of them Newton's step on F is tried first and taken by the tasks where F does not end
up rising as steeply as it fell; two or three are the rule. (F's slope, the column sums less m, judges the step: in single precision
F's own change is lost in rounding.)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Met = Callable[[Tensor, bool], tuple[Tensor, Tensor | None]]

SINKHORN_STEPS = 2  # before Newton's is tried: they bring every sum above zero, at a fraction of its cost
FLATTER = 0.9  # of the slope along Newton's step that may be left at its end, uphill
REACH = 4.0  # longest change of a potential in one Newton step, in units of log mass


def column_potentials(
    scores: Float[Tensor, "task row way"],
    mask: Bool[Tensor, "task row"],
    shares: Float[Tensor, "#task way"],
    start: Float[Tensor, "task 1 way"] | None = None,
    max_steps: int = 1000,
    tolerance: float | None = None,
) -> Float[Tensor, "task 1 way"]:
    """Find v such that the softmax of ``scores + v`` spreads the real rows over the classes as `shares` say.

    Parameters
    ----------
    scores : float [task, row, way]
        Log-kernel: minus the regularised cost.
    mask : bool [task, row]
        False marks padding, which carries no mass.
    shares : float [task or 1, way]
        Wanted share of each class among the real rows, summing to one. A share of zero empties its class.
    start : float [task, 1, way], optional
        Where to begin, for example the answer for similar scores; the answer does not depend on it.
    max_steps : int
        Most iterations.
    tolerance : float, optional
        Stop when no class's share is off by more; left out, 1e-6, or what single precision can resolve.

    Returns
    -------
    float [task, 1, way]
        The potentials; ``(scores + v).softmax(-1)`` is the assignment of each row.
    """
    by_class = scores.mT.contiguous()  # [task, way, row]: softmax is many times faster across the long axis than along the short
    weight = mask.to(scores.dtype)
    weight = (weight / weight.sum(1, keepdim=True).clamp_min(1))[..., None]

    def met(potential: Tensor, curved: bool) -> tuple[Tensor, Tensor | None]:
        plan = (by_class + potential).softmax(1)
        return plan @ weight, (plan * weight.mT) @ plan.mT if curved else None

    potential = scores.new_zeros(scores.shape[0], scores.shape[2], 1) if start is None else start.mT
    return balanced(met, shares, potential, max_steps, tolerance).mT


def balanced(
    met: Met,
    shares: Float[Tensor, "#task way"],
    start: Float[Tensor, "task way 1"],
    max_steps: int = 1000,
    tolerance: float | None = None,
) -> Float[Tensor, "task way 1"]:
    """Find the potentials from sums over the rows alone, which may come from anywhere.

    Parameters
    ----------
    met : callable
        Potentials [task, way, 1] → the share of the rows that each class gets, [task, way, 1], and, where its second argument is true,
        the mean over the rows of the products of their assignments to two classes, [task, way, way].
    shares, start, max_steps, tolerance
        As in `column_potentials`; `start` is [task, way, 1].
    """
    smallest, precision = torch.finfo(start.dtype).tiny, torch.finfo(start.dtype).eps
    close = max(1e-6, 100 * precision) if tolerance is None else tolerance
    wanted, potential = shares[..., None], start
    log_wanted = wanted.clamp_min(smallest).log()
    # F does not change along (1, …, 1) nor with the potential of an empty class: curvature is put there, so that it can be inverted.
    present = (wanted > 0).to(start.dtype)
    flat = present @ present.mT + torch.diag_embed(1 - present[..., 0] + 100 * precision)
    sums, products = met(potential, SINKHORN_STEPS == 0)
    for step in range(max_steps):
        excess = sums - wanted
        # A task stops by itself, so that its answer does not depend on which others are in the batch.
        moving = (_largest(excess) > close) & (sums.sum(1, keepdim=True) > 0)  # where no row has weight, nothing can be met
        if not bool(moving.any()):
            break
        following = potential + moving * (log_wanted - sums.clamp_min(smallest).log())
        if step >= SINKHORN_STEPS:
            assert products is not None
            newton = -torch.linalg.solve(torch.diag_embed(sums[..., 0]) - products + flat, excess)
            newton = newton * (REACH / _largest(newton).clamp_min(smallest)).clamp_max(1)
            after = met(potential + newton, False)[0] - wanted
            flatter = newton.mT @ after < FLATTER * (newton.mT @ excess).abs()
            following = torch.where(flatter, potential + moving * newton, following)
        potential = following
        sums, products = met(potential, step + 1 >= SINKHORN_STEPS)
    return potential


def _largest(x: Tensor) -> Tensor:
    """Return the largest size in each task, [task, 1, 1]."""
    return x.abs().amax(1, keepdim=True)
