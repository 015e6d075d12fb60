"""TIM: class vectors that maximise the mutual information between the queries and their predicted classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.errors import DataError
from sibyl.methods.centroid_fine_tuning import fine_tune_centroids
from sibyl.methods.classifiers import CentroidClassifier, class_means
from sibyl.methods.method import Method, Traits
from sibyl.methods.row_span import RowSpan
from sibyl.methods.solutions import adapted_solution, presumed_shares
from sibyl.tasks import ClassPrior, Solution, Task


@dataclass(frozen=True)
class TIM(Method):
    """Transductive information maximisation (Boudiaf et al. 2020).

    With ``p_ic = softmax_c(−τ/2 ‖w_c − z_i‖²)`` on unit-length features, minimise over the class vectors w, from the class means on,

        ``λ/|S| Σ_{i∈S} −log p_{i y_i} + Σ_c p̂_c log(p̂_c/π_c) + α/|Q| Σ_{i∈Q} −Σ_c p_ic log p_ic``,  ``p̂_c = 1/|Q| Σ_{i∈Q} p_ic``.

    For π uniform the middle term is minus the marginal entropy: the published method **assumes balanced queries**. Given another
    class prior, π is that (a Kullback–Leibler term to the prior in place of the entropy).

    ``solver="adm"`` alternates (proposition 1; π enters as derived from the same objective)

        ``q_ic ∝ p_ic^{1+α} (π_c / Σ_{j∈Q} p_jc^{1+α})^{1/2}``
        ``w_c ← [λ/(1+α) Σ_S (y_ic z_i + p_ic (w_c − z_i)) + |S|/|Q| Σ_Q (q_ic z_i + p_ic (w_c − z_i))] / [λ/(1+α) Σ_S y_ic + |S|/|Q| Σ_Q q_ic]``

    and ``solver="gradient"`` (TIM-GD) takes steps of Adam with the gradient in closed form.

    ============  =====================  =====================================
    paper         code                   meaning
    ============  =====================  =====================================
    z, w          rows, weight           unit features, class vectors
    τ             temperature            inverse width of a class
    λ             support_weight         weight of the cross-entropy
    α             conditional_weight     weight of the conditional entropy
    p̂             marginal               mean prediction of the queries
    ============  =====================  =====================================

    Parameters
    ----------
    solver : "adm" or "gradient"
        The paper runs 150 steps of the first, 1,000 of the second.
    temperature, support_weight, conditional_weight : float
        τ = 15, λ = 0.1, α = 0.1 in all the paper's experiments.
    n_steps : int, optional
        Left out, the paper's number for the solver.
    learning_rate : float
        Of Adam.

    Notes
    -----
    For a single query the objective asks for an undecided answer (its entropy is both terms): `single_query` is not declared.

    References
    ----------
    M. Boudiaf et al., "Transductive Information Maximization For Few-Shot Learning", NeurIPS 2020, arXiv 2008.11297.
    """

    solver: str = "adm"
    temperature: float = 15.0
    support_weight: float = 0.1
    conditional_weight: float = 0.1
    n_steps: int | None = None
    learning_rate: float = 1e-4

    name: ClassVar[str] = "tim"
    traits: ClassVar[Traits] = Traits(transductive=True, assumes_balance=True, single_query=False, classifier=True)

    def __post_init__(self) -> None:
        if self.solver not in ("adm", "gradient"):
            raise DataError(f"solver of tim must be 'adm' or 'gradient', got {self.solver!r}")

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the class vectors of largest mutual information."""
        shares = presumed_shares(class_prior, task)
        start = class_means(normalize(task.support_x, dim=-1), task.support_one_hot)
        weight = self._alternate(task, shares) if self.solver == "adm" else self._descend(task, shares, start)
        inductive = CentroidClassifier(start, self.temperature / 2, normalised=True)
        classifier = CentroidClassifier(weight, self.temperature / 2, normalised=True)
        return adapted_solution(task, classifier, inductive)

    def _alternate(self, task: Task, shares: Float[Tensor, "#task way"]) -> Float[Tensor, "task way dim"]:
        """TIM-ADM, with w as combinations of the rows."""
        n_support, smallest = task.support_x.shape[1], torch.finfo(task.support_x.dtype).tiny
        span = RowSpan.of(normalize(torch.cat([task.support_x, task.query_x], 1), dim=-1))
        # Inside the loop the rows lie along the last axis: [task, way, row] (see RowSpan).
        y, shots, real = task.support_one_hot.mT.contiguous(), task.n_shots[..., None], task.query_weight.mT
        likelihood = self.support_weight / (1 + self.conditional_weight)
        balance = shots.sum(1, keepdim=True) / real.sum(2, keepdim=True).clamp_min(1)  # |S|/|Q|
        strength = torch.cat([likelihood * task.support_mask[:, None].to(real), balance * real], 2)
        root_shares = shares.sqrt()[..., None]
        combination = torch.cat([y / shots.clamp_min(1), y.new_zeros(task.n_tasks, task.n_way, real.shape[2])], 2)
        target = torch.cat([strength[:, :, :n_support] * y, combination[:, :, n_support:]], 2)  # its support part stays
        for _ in range(self.n_steps if self.n_steps is not None else 150):
            products, squared = (part.mT for part in span.products(combination.mT))
            log_p = (self.temperature * (products - squared / 2)).log_softmax(1)
            p = log_p.exp() * strength
            powered = ((1 + self.conditional_weight) * log_p[:, :, n_support:]).exp() * real
            q = powered * (root_shares * powered.sum(2, keepdim=True).clamp_min(smallest).rsqrt())
            target[:, :, n_support:] = q * (strength[:, :, n_support:] / q.sum(1, keepdim=True).clamp_min(smallest))
            kept = p.sum(2, keepdim=True)  # what Σ p_ic w_c leaves of w itself
            combination = (target - p + kept * combination) / target.sum(2, keepdim=True).clamp_min(smallest)
        return span.vectors(combination.mT)

    def _descend(
        self, task: Task, shares: Float[Tensor, "#task way"], start: Float[Tensor, "task way dim"]
    ) -> Float[Tensor, "task way dim"]:
        """TIM-GD."""
        smallest = torch.finfo(start.dtype).tiny
        log_shares = shares.clamp_min(smallest).log()[..., None]

        def slope(log_q: Tensor, marginal: Tensor) -> Tensor:
            return marginal.clamp_min(smallest).log() - log_shares - self.conditional_weight * log_q

        n_steps = self.n_steps if self.n_steps is not None else 1000
        return fine_tune_centroids(task, start, self.temperature, self.support_weight, slope, n_steps, self.learning_rate)
