"""α-TIM: TIM with Tsallis' entropies, which leave room for queries that are not balanced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.methods.centroid_fine_tuning import fine_tune_centroids
from sibyl.methods.classifiers import CentroidClassifier, class_means
from sibyl.methods.method import Method, Traits
from sibyl.methods.solutions import adapted_solution
from sibyl.tasks import ClassPrior, Solution, Task


@dataclass(frozen=True)
class AlphaTIM(Method):
    """Mutual information of order α (Veilleux et al. 2021).

    With ``p_ic = softmax_c(−τ/2 ‖w_c − z_i‖²)`` on unit-length features and ``H_α(p) = (1 − Σ_c p_c^α) / (α − 1)``, minimise over w

        ``λ/|S| Σ_{i∈S} −log p_{i y_i} − H_α(p̂) + 1/|Q| Σ_{i∈Q} H_α(p_i)``,  ``p̂_c = 1/|Q| Σ_{i∈Q} p_ic``

    by Adam from the class means on. For α → 1 this is TIM; larger α weighs small deviations of p̂ from uniform less.

    ========  ===============  =====================================
    paper     code             meaning
    ========  ===============  =====================================
    z, w      rows, weight     unit features, class vectors
    τ         temperature      inverse width of a class
    α         alpha            order of the entropies
    λ         support_weight   weight of the cross-entropy
    ========  ===============  =====================================

    Parameters
    ----------
    alpha : float, optional
        Left out, the values of the released code: 2 for tasks of one shot, 7 from five shots on, 5 between (mean over classes).
    temperature, support_weight, n_steps, learning_rate
        τ = 15, λ = 1, 1,000 steps of 1e-4 as released; the cross-entropy is Shannon's there too.

    Notes
    -----
    `class_prior` is not used.

    References
    ----------
    O. Veilleux, M. Boudiaf, P. Piantanida, I. Ben Ayed, "Realistic Evaluation of Transductive Few-Shot Learning", NeurIPS 2021,
    arXiv 2204.11181.
    """

    alpha: float | None = None
    temperature: float = 15.0
    support_weight: float = 1.0
    n_steps: int = 1000
    learning_rate: float = 1e-4

    name: ClassVar[str] = "alpha_tim"
    traits: ClassVar[Traits] = Traits(transductive=True, classifier=True)

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the fine-tuned class vectors; `class_prior` is not used."""
        start = class_means(normalize(task.support_x, dim=-1), task.support_one_hot)
        alpha = self._order(task)

        def slope(log_q: Tensor, marginal: Tensor) -> Tensor:
            return alpha / (alpha - 1) * (marginal.pow(alpha - 1) - ((alpha - 1) * log_q).exp())

        weight = fine_tune_centroids(task, start, self.temperature, self.support_weight, slope, self.n_steps, self.learning_rate)
        inductive = CentroidClassifier(start, self.temperature / 2, normalised=True)
        classifier = CentroidClassifier(weight, self.temperature / 2, normalised=True)
        return adapted_solution(task, classifier, inductive)

    def _order(self, task: Task) -> Float[Tensor, "task 1 1"]:
        """Return α for each task."""
        n_shot = task.n_shots.mean(1)[:, None, None]
        if self.alpha is not None:
            return torch.full_like(n_shot, self.alpha)
        return torch.where(n_shot <= 1, 2.0, torch.where(n_shot >= 5, 7.0, 5.0)).to(n_shot)
