"""The prior over class means that is learned across tasks, and the posterior that a task ends in: empirical Bayes."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Posterior(nn.Module):
    """``q(w_c) = N(θ_c, σ²/(d P_c) I)`` and ``p_ψ(w_c) = N(w̄, τ²/d I)``, with the middle w̄ of the task's class means.

    P_c is the evidence for class c in rows: its labelled ones, each counting for κ, its share of
    the unlabelled ones, and the pull to the middle (`State.evidence`). σ and τ are learned with the
    networks and used in training alone: the pull to w̄ in a step has a strength of its own,
    `Controls.shrinkage`. The bound per task is ``E_q[log p(y | x, w)] − KL(q ‖ p_ψ)`` (Hu et al.
    2020, equation 4).
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_width = nn.Parameter(torch.tensor(-1.0))
        self.log_prior_width = nn.Parameter(torch.tensor(-0.5))

    def _log_ratio(self, evidence: Float[Tensor, "task way 1"]) -> Float[Tensor, "task way 1"]:
        return 2 * (self.log_width - self.log_prior_width) - evidence.log()

    def divergence(self, centre: Float[Tensor, "task way dim"], evidence: Float[Tensor, "task way 1"]) -> Float[Tensor, " task"]:
        """``KL(q ‖ p) = Σ_c ½ d [ρ_c − 1 − log ρ_c + ‖θ_c − w̄‖²/τ²]`` with ``ρ_c = σ²/(τ² P_c)``."""
        ratio = self._log_ratio(evidence)
        distance = (centre - centre.mean(1, keepdim=True)).square().sum(-1, keepdim=True) * (-2 * self.log_prior_width).exp()
        return 0.5 * centre.shape[-1] * (ratio.exp() - 1 - ratio + distance).sum((1, 2))

    def sample(self, centre: Float[Tensor, "task way dim"], evidence: Float[Tensor, "task way 1"]) -> Float[Tensor, "task way dim"]:
        """Draw class means from q, differentiably, with torch's generator."""
        width = self.log_width.exp() / (centre.shape[-1] * evidence).sqrt()
        return centre + width * torch.randn_like(centre)
