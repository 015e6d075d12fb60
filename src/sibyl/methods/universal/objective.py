"""What universal SIB is meta-trained on: misfit and KL term of the bound, and what trains beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot

from sibyl.methods.method import Objective
from sibyl.tasks import Episode

PRIOR_GIVEN = (0.6, 0.1)  # how often training gives the class mix of a batch: of a balanced one, of any other
_MOST = 8.0  # misfit of a query at which an early step is no longer blamed


def given_shares(episode: Episode, chances: tuple[float, float]) -> Float[Tensor, "task way"] | None:
    """Return the class mix of the queries, or None; `chances` say how often of a balanced batch of episodes, and of any other."""
    counts = one_hot(episode.query_y.clamp_min(0), episode.task.n_way) * episode.scored[..., None]
    counts = counts.sum(1).to(episode.task.query_x.dtype)
    balanced = bool((counts == counts[:, :1]).all())
    if float(torch.rand(())) >= chances[0 if balanced else 1]:
        return None
    return counts / counts.sum(1, keepdim=True).clamp_min(1)


def training_loss(
    episode: Episode,
    *,
    logits: Float[Tensor, "task way query"],
    inductive: Float[Tensor, "task way query"],
    on_the_way: Sequence[Float[Tensor, "task way query"]],
    divergence: Float[Tensor, " task"],
    kl_weight: float,
    prior_given: bool,
    outlier_logits: Callable[[], Float[Tensor, "task query"]],
) -> Objective:
    """Return the loss of one batch of episodes.

    It is the misfit of the answer (cross-entropy of the queries) + `kl_weight` · KL + 0.3 · misfit
    of each step (mean, each query's at most 8) + 0.3 · misfit of the inductive answer + 2 ·
    expected error if `prior_given` + 0.3 · misfit of the outlier head. The first two are the bound
    of the paper if `kl_weight` is 1.

    Parameters
    ----------
    episode : Episode
        Queries with their labels; those that are not scored are of no class.
    logits, inductive : float [task, way, query]
        Of the answer, and of the answer without the other queries.
    on_the_way : sequence of float [task, way, query]
        Of each step.
    divergence : float [task]
        KL term of each task.
    kl_weight : float
        Its factor; 1 is the bound.
    prior_given : bool
        Whether the method knew the class mix: then the expected error counts too, as who knows it
        mostly wants the labels right.
    outlier_logits : callable
        Log odds of being an outlier [task, query]; asked only where there are outliers.
    """
    task, y, scored = episode.task, episode.query_y, episode.scored
    weight = scored.to(task.query_x.dtype)
    n_scored = weight.sum(1).clamp_min(1)

    def misfit(logits: Float[Tensor, "task way query"], most: float = float("inf")) -> Tensor:
        each = cross_entropy(logits, y.clamp_min(0), reduction="none").clamp_max(most)
        return ((each * weight).sum(1) / n_scored).mean()

    fit, alone = misfit(logits), misfit(inductive)
    kl = (divergence / n_scored).mean()
    steps = torch.stack([misfit(logits, _MOST) for logits in on_the_way]).mean()
    loss = fit + kl_weight * kl + 0.3 * steps + 0.3 * alone
    if prior_given:
        right = logits.softmax(1).gather(1, y.clamp_min(0)[:, None])[:, 0]
        loss = loss + 2.0 * (((1 - right) * weight).sum(1) / n_scored).mean()
    outlier = task.query_mask & ~scored
    if bool(outlier.any()):
        odds = outlier_logits()[task.query_mask]
        loss = loss + 0.3 * binary_cross_entropy_with_logits(odds, outlier[task.query_mask].to(odds.dtype))
    return Objective(loss, {"negative_log_likelihood": fit.detach(), "kl": kl.detach(), "inductive": alone.detach()})
