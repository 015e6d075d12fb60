"""OSLO: class means, assignments and a per-query inlierness that maximise one likelihood, so that outliers do not pull the means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import normalize

from sibyl.errors import DataError
from sibyl.methods.class_mean import assigned_solution
from sibyl.methods.classifiers import CosineClassifier, class_means
from sibyl.methods.method import Method, Traits
from sibyl.methods.preprocessing import Preparation, PreparedClassifier
from sibyl.methods.task_rows import all_rows
from sibyl.tasks import ClassPrior, Solution, Task


@dataclass(frozen=True)
class OSLO(Method):
    """Open-set likelihood optimisation (Boudiaf et al. 2023): each query has a weight that says how much it is one of the classes.

    Features are centred on the mean of support and queries and scaled to unit length. With ``l_ic = cos(x_i, μ_c)``, assignments z
    (start: uniform), inlierness ξ and means μ (start: of the support) are updated in turn (proposition 1)

        ``ξ_i = sigmoid( Σ_c z_ic l_ic / λ_ξ )``
        ``z_i = softmax_c( ξ_i l_ic / λ_z )``
        ``μ_c = (Σ_S y_ic x_i + Σ_Q ξ_i z_ic x_i) / (Σ_S y_ic + Σ_Q ξ_i z_ic)``.

    The outlier score is 1 − ξ, of the means that the classifier holds.

    =======  =================  ======================================
    paper    code               meaning
    =======  =================  ======================================
    ξ        inlier             inlierness of each query
    z        assigned           soft assignment of each query
    μ        means              class means
    λ_ξ, λ_z lambda_s, lambda_z temperatures (λ_s in the authors' code)
    =======  =================  ======================================

    Parameters
    ----------
    lambda_s, lambda_z : float
        Temperatures of inlierness and assignment: 0.05 and 0.1, the authors' choice on validation classes.
    n_steps : int
        Rounds of updates: 2, likewise.

    Notes
    -----
    `class_prior` is not used: the likelihood has no class mix. The logits are ``cos / λ_z``.

    References
    ----------
    M. Boudiaf, E. Bennequin, M. Tami, A. Toubhans, P. Piantanida, C. Hudelot, I. Ben Ayed, "Open-Set Likelihood Maximization for
    Few-Shot Learning", CVPR 2023, arXiv 2301.08390.
    """

    lambda_s: float = 0.05
    lambda_z: float = 0.1
    n_steps: int = 2

    name: ClassVar[str] = "oslo"
    traits: ClassVar[Traits] = Traits(transductive=True, classifier=True)

    def __post_init__(self) -> None:
        if not (self.lambda_s > 0 and self.lambda_z > 0 and self.n_steps >= 0):
            raise DataError(f"lambda_s and lambda_z must be above 0 and n_steps at least 0, got {self}")

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the cosines to the final means; `class_prior` is not used."""
        x, mask, labelled = all_rows(task)
        preparation = Preparation.fit(x, mask, power=None, unit_first=False)
        rows = preparation(x)
        query = rows[:, task.support_x.shape[1] :]

        means = class_means(rows, labelled)
        assigned = query.new_full((*task.query_mask.shape, task.n_way), 1 / task.n_way)
        for _ in range(self.n_steps):
            cosine = query @ normalize(means, dim=-1).mT
            inlier = ((assigned * cosine).sum(-1, keepdim=True) / self.lambda_s).sigmoid()
            assigned = (inlier * cosine / self.lambda_z).softmax(-1)
            means = class_means(rows, torch.cat([task.support_one_hot, inlier * assigned * task.query_weight], 1))

        cosine = query @ normalize(means, dim=-1).mT
        outlier = (-(assigned * cosine).sum(-1) / self.lambda_s).sigmoid()
        classifier = PreparedClassifier(
            preparation, CosineClassifier(means, means.new_tensor(1 / self.lambda_z), means.new_zeros(()))
        )
        logits = classifier(task.query_x)
        kept = (1 - outlier)[..., None] * task.query_weight
        mix = (logits.softmax(-1) * kept).sum(1) / kept.sum(1).clamp_min(torch.finfo(kept.dtype).tiny)
        return assigned_solution(task, logits, classifier, mix, outlier)
