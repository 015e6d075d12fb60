"""Soft k-means: class means refined with the unlabelled items, each counted by its soft assignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import normalize

from sibyl.methods.classifiers import CentroidClassifier
from sibyl.methods.method import Method, Traits
from sibyl.methods.row_span import RowSpan
from sibyl.methods.solutions import adapted_solution
from sibyl.tasks import ClassPrior, Solution, Task


@dataclass(frozen=True)
class SoftKMeans(Method):
    """Prototypes that move to the mean of their labelled and softly assigned items.

    Start from the class means p_c of the L2-normalised support and repeat (Ren et al. 2018)

        ``z_jc = softmax_c(−s ‖x_j − p_c‖²)`` for each query j
        ``p_c  = (Σ_i y_ic x_i + Σ_j z_jc x_j) / (Σ_i y_ic + Σ_j z_jc)`` over support i and query j

    ===========  ==========  ==========================================
    paper        code        meaning
    ===========  ==========  ==========================================
    h(x)         rows        L2-normalised feature
    p_c          centre      class mean
    z̃_jc         assigned    soft assignment of an unlabelled item
    ===========  ==========  ==========================================

    The paper takes one step with s = 1 in an embedding that was trained for it. Frozen features of unit length have distances that
    are too alike for that: the scale and the number of steps are settings.

    Parameters
    ----------
    scale : float
        s, inverse temperature of the assignment.
    n_steps : int
        Refinements.

    Notes
    -----
    `class_prior` is not used: the assignment does not depend on how large a class is.

    References
    ----------
    M. Ren et al., "Meta-Learning for Semi-Supervised Few-Shot Classification", ICLR 2018, arXiv 1803.00676.
    """

    scale: float = 10.0
    n_steps: int = 10

    name: ClassVar[str] = "soft_kmeans"
    traits: ClassVar[Traits] = Traits(transductive=True, classifier=True)

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the refined class means."""
        n_support = task.support_x.shape[1]
        span = RowSpan.of(normalize(torch.cat([task.support_x, task.query_x], 1), dim=-1))
        # Inside the loop the rows lie along the last axis: [task, way, row] (see RowSpan).
        labelled, shots, real = task.support_one_hot.mT.contiguous(), task.n_shots[..., None], task.query_weight.mT
        unassigned = labelled.new_zeros(task.n_tasks, task.n_way, task.query_x.shape[1])
        combination = start = torch.cat([labelled / shots.clamp_min(1), unassigned], 2)
        for _ in range(self.n_steps):
            products, squared = (part.mT for part in span.products(combination.mT))
            assigned = (self.scale * (2 * products - squared)[:, :, n_support:]).softmax(1) * real
            weight = torch.cat([labelled, assigned], 2)
            combination = weight / weight.sum(2, keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
        inductive = CentroidClassifier(span.vectors(start.mT), self.scale, normalised=True)
        classifier = CentroidClassifier(span.vectors(combination.mT), self.scale, normalised=True)
        return adapted_solution(task, classifier, inductive)
