"""Multinomial logistic regression on the support alone: the inductive baseline that any new method must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.methods.classifiers import LinearClassifier
from sibyl.methods.method import Method, Traits
from sibyl.methods.solutions import inductive_solution
from sibyl.tasks import ClassPrior, Solution, Task


@dataclass(frozen=True)
class LogisticRegression(Method):
    """Penalised maximum likelihood on L2-normalised support features.

    Minimise ``½ Σ_c ‖w_c‖² + C Σ_i s_i −log softmax(x_i W + b)_{y_i}``; the bias is not penalised, and the weights s are inverse to
    the number of labelled rows of a class and 1 on the mean. On frozen features this is the baseline of Tian et al. (2020), and
    scikit-learn's ``LogisticRegression(C=C, class_weight="balanced")``. Without the weights the bias follows the shares of the
    labelled rows where shots are unequal: on rows of unit length and at C = 1 it outweighs the rest.

    The minimum has ``w_c = Σ_i a_ic x_i``, so it is sought in the coefficients a [support, way] and needs only the Gram matrix of
    the support. Each step is Newton's with the curvature replaced by its upper bound ½ (Böhning 1992), a matrix that is factorised
    once, and Nesterov's acceleration with restarts; it is repeated until the gradient vanishes.

    Parameters
    ----------
    inverse_penalty : float
        C, weight of the likelihood against the penalty.
    tolerance : float
        Stop when no entry of the gradient of the coefficients is larger, relative to C.
    max_steps : int
        Most steps.

    Notes
    -----
    `class_prior` is not used.

    References
    ----------
    Y. Tian et al., "Rethinking Few-Shot Image Classification: a Good Embedding Is All You Need?", ECCV 2020, arXiv 2003.11539.
    D. Böhning, "Multinomial logistic regression algorithm", Annals of the Institute of Statistical Mathematics 44, 1992.
    """

    inverse_penalty: float = 1.0
    tolerance: float = 1e-8
    max_steps: int = 2000

    name: ClassVar[str] = "logistic_regression"
    traits: ClassVar[Traits] = Traits(transductive=False, classifier=True)

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the regression fitted to the support; `class_prior` is not used."""
        x = normalize(task.support_x, dim=-1) * task.support_mask[..., None]
        y = task.support_one_hot.double()
        counts = y.sum(1, keepdim=True)
        present = (counts > 0).sum(2, keepdim=True)
        weight = (y / (counts * present).clamp_min(1)).sum(2, keepdim=True) * counts.sum(2, keepdim=True)
        coefficient, bias = self._fit((x @ x.mT).double(), y, weight)
        classifier = LinearClassifier(coefficient.to(x).mT @ x, bias.to(x), normalised=True)
        return inductive_solution(task, classifier)

    def _fit(
        self, gram: Float[Tensor, "task row row"], y: Float[Tensor, "task row way"], weight: Float[Tensor, "task row 1"]
    ) -> tuple[Float[Tensor, "task row way"], Float[Tensor, "task way"]]:
        """Return coefficients and bias; double precision, because the support is small and the stop is tight. Padding has weight 0."""
        n_row, strength = gram.shape[1], self.inverse_penalty
        # Rows of the bordered matrix: (I + C/2 S G) Δa + C/2 s Δb and C/2 sᵀ(G Δa + 1 Δb). Padded rows keep the identity.
        bound = gram.new_zeros(len(gram), n_row + 1, n_row + 1)
        bound[:, :n_row, :n_row] = torch.eye(n_row).to(gram) + strength / 2 * weight * gram
        bound[:, :n_row, n_row:] = strength / 2 * weight
        bound[:, n_row:, :n_row] = strength / 2 * weight.mT @ gram
        bound[:, n_row, n_row] = strength / 2 * weight.sum((1, 2))
        inverse = torch.linalg.inv(bound)

        point = y.new_zeros(len(gram), n_row + 1, y.shape[2])  # coefficients, and the bias as the last row
        ahead, momentum = point, y.new_ones(len(gram), 1, 1)
        for _ in range(self.max_steps):
            a, b = ahead[:, :n_row], ahead[:, n_row:]
            residual = strength * weight * (y - (gram @ a + b).softmax(-1))
            gradient = torch.cat([a - residual, -residual.sum(1, keepdim=True)], 1)
            if float(gradient.abs().amax()) <= self.tolerance * strength:
                break
            following = ahead - inverse @ gradient
            step = following - point
            # O'Donoghue & Candès 2015: drop the momentum of a task where it points uphill.
            uphill = ((ahead - following) * step).sum((1, 2), keepdim=True) > 0
            larger = torch.where(uphill, torch.ones_like(momentum), (1 + (1 + 4 * momentum.square()).sqrt()) / 2)
            ahead = following + torch.where(uphill, torch.zeros_like(momentum), (momentum - 1) / larger) * step
            point, momentum = following, larger
        return ahead[:, :n_row], ahead[:, n_row]
