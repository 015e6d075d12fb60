"""UNEM-Gaussian: ten steps of PADDLE's EM unrolled, with a temperature and a weight of the mix learned for each."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from sibyl.methods.class_mean import assigned_solution
from sibyl.methods.classifiers import class_means
from sibyl.methods.feature_scaling import FeatureScaling
from sibyl.methods.method import LearnedMethod, Objective, Traits
from sibyl.methods.query_objective import check_shape, cross_entropy_objective
from sibyl.tasks import ClassPrior, Episode, Solution, Task

SMALL = 1e-6  # the authors' ε inside the logarithm
LENGTH = 60**0.5  # of a row before t₁: that of `Paddle`; the authors' encoders have a length of their own


class UNEM(LearnedMethod):
    """Unrolled generalised expectation–maximisation, Gaussian variant (Zhou et al. 2025).

    With ``z = softplus(t₁) x`` and means w of the support, ``v = 1``, repeat for layers l = 1 … L

        ``u_n = softmax_c((−½ ‖z_n − w_c‖² + softplus(γ_l) v_c) / (1 + softplus(τ_l)))``
        ``v_c = log(Σ_Q u_nc / |Q|) + 1``, ``w_c = (Σ_S y_nc z_n + Σ_Q u_nc z_n) / (Σ_S y_nc + Σ_Q u_nc)``

    and answer with the last u. All of t₁, γ and τ are learned: 2 L + 1 numbers.

    ========  ===============  =================================================
    paper     code             meaning
    ========  ===============  =================================================
    T, t₁     feature_scale    temperature of the features, the same in all layers
    γ         mix_weight       weight of the mix's entropy in each layer
    τ         sharpness        temperature of the assignment in each layer
    ========  ===============  =================================================

    Parameters
    ----------
    dim : int
        Columns of the features; the learned numbers fit any.
    n_layers : int
        L = 10 as published.

    Notes
    -----
    `class_prior` is not used. The released code trains for 100 steps of Adam on 1,000 tasks of validation classes, with a cross-entropy that takes u for
    logits; here u is what it is, a probability, and training is that of all learned methods. The released evaluation hands features as
    they come; rows are of one length here.

    References
    ----------
    L. Zhou et al., "UNEM: UNrolled Generalized EM for Transductive Few-Shot Learning", CVPR 2025, arXiv 2412.16739.
    """

    name: ClassVar[str] = "unem"
    traits: ClassVar[Traits] = Traits(transductive=True)

    def __init__(self, dim: int, n_layers: int = 10) -> None:
        super().__init__()
        self.settings = {"dim": dim, "n_layers": n_layers}
        self.dim = dim
        self.scaling = FeatureScaling(dim, LENGTH, learned=False)
        self.feature_scale = nn.Parameter(torch.ones(()))
        self.mix_weight = nn.Parameter(torch.ones(n_layers))
        self.sharpness = nn.Parameter(torch.ones(n_layers))

    def unroll(self, task: Task) -> Float[Tensor, "task query way"]:
        """Return the logits of the last layer."""
        check_shape(self.name, task, self.dim)
        support, query = (softplus(self.feature_scale) * self.scaling(x) for x in (task.support_x, task.query_x))
        n_query = task.query_weight.sum(1).clamp_min(1)
        means, dual = class_means(support, task.support_one_hot), torch.ones_like(task.n_shots)
        logits: Tensor = query.new_zeros(())
        for gamma, tau in zip(softplus(self.mix_weight), softplus(self.sharpness), strict=True):
            near = query @ means.mT - means.square().sum(-1)[:, None] / 2
            logits = (near + gamma * dual[:, None]) / (1 + tau)
            assigned = logits.softmax(-1) * task.query_weight
            dual = (assigned.sum(1) / n_query + SMALL).log() + 1
            mass = task.n_shots + assigned.sum(1)
            means = (task.support_one_hot.mT @ support + assigned.mT @ query) / mass.clamp_min(SMALL)[..., None]
        return logits

    @torch.no_grad()
    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the last assignment; `class_prior` is not used."""
        logits = self.unroll(task)
        return assigned_solution(task, logits)

    def objective(self, episode: Episode) -> Objective:
        """Return the mean cross-entropy of the queries."""
        return cross_entropy_objective(self.unroll(episode.task), episode)
