"""Transductive fine-tuning on frozen features: a linear classifier, trained on the support and made decided on the queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.methods.classifiers import LinearClassifier, class_means
from sibyl.methods.gradient_descent import adam
from sibyl.methods.method import Method, Traits
from sibyl.methods.solutions import adapted_solution
from sibyl.tasks import ClassPrior, Solution, Task


@dataclass(frozen=True)
class TransductiveFinetuning(Method):
    """Cross-entropy of the support plus entropy of the queries (Dhillon et al. 2020), classifier only.

    On unit-length features x start from the unit-length class means as weights and no bias (the paper's support-based
    initialisation) and take steps of Adam on

        ``1/|S| Σ_{i∈S} −log p_{i y_i} + 1/|Q| Σ_{i∈Q} −Σ_c p_ic log p_ic``,  ``p_i = softmax(τ (W x_i + b))``.

    The paper fine-tunes the whole network, which is not at hand when features are frozen. With its step size (5e-5) and τ = 1 the
    classifier alone does not move in 25 steps; the settings here were chosen on validation classes of CIFAR-FS (Conv-4) and CLINC150
    (MiniLM). Longer steps gain where features are strong (CLINC150 +1 point) and lose where they are weak (CIFAR-FS, one shot, up to −12):
    entropy alone has nothing against all queries ending in one class.

    ========  ==============  =====================================
    paper     code            meaning
    ========  ==============  =====================================
    W, b      weight          classifier, the bias its last column
    –         temperature     τ, 1 in the paper
    ========  ==============  =====================================

    Parameters
    ----------
    n_steps : int
        25 epochs of the paper, whose batches hold the whole task.
    learning_rate : float
        Of Adam; 5e-5 in the paper.
    temperature : float
        τ.

    Notes
    -----
    `class_prior` is not used.

    References
    ----------
    G. Dhillon, P. Chaudhari, A. Ravichandran, S. Soatto, "A Baseline for Few-Shot Image Classification", ICLR 2020,
    arXiv 1909.02729.
    """

    n_steps: int = 25
    learning_rate: float = 2e-4
    temperature: float = 15.0

    name: ClassVar[str] = "transductive_finetuning"
    traits: ClassVar[Traits] = Traits(transductive=True, classifier=True)

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the fine-tuned classifier; `class_prior` is not used."""
        n_support = task.support_x.shape[1]
        rows = normalize(torch.cat([task.support_x, task.query_x], 1), dim=-1)
        means = normalize(class_means(rows[:, :n_support], task.support_one_hot), dim=-1)
        rows = torch.cat([rows, rows.new_ones(*rows.shape[:2], 1)], 2)
        columns = rows.mT.contiguous()
        y, labelled, real = task.support_one_hot.mT, task.support_mask[:, None].to(rows), task.query_weight.mT
        per_support = labelled / labelled.sum(2, keepdim=True).clamp_min(1)
        per_query = real / real.sum(2, keepdim=True).clamp_min(1)

        def gradient(weight: Tensor) -> Tensor:
            log_p = (self.temperature * (weight @ columns)).log_softmax(1)
            p = log_p.exp()
            p_log_p = (p * log_p)[:, :, n_support:]
            of_support = per_support * (p[:, :, :n_support] - y)
            of_query = per_query * (p[:, :, n_support:] * p_log_p.sum(1, keepdim=True) - p_log_p)
            return self.temperature * (torch.cat([of_support, of_query], 2) @ rows)

        start = torch.cat([means, means.new_zeros(*means.shape[:2], 1)], 2)
        weight = self.temperature * adam(start, gradient, self.n_steps, self.learning_rate)
        classifier = LinearClassifier(weight[..., :-1], weight[..., -1], normalised=True)
        inductive = LinearClassifier(self.temperature * means, weight.new_zeros(weight.shape[:2]), normalised=True)
        return adapted_solution(task, classifier, inductive)
