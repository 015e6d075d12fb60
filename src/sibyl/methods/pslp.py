"""PSLP: rows smoothed over their nearest neighbours, and soft labels of prototypes spread over the same graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sibyl.methods.class_mean import assigned_solution
from sibyl.methods.classifiers import class_means, squared_distances
from sibyl.methods.knn_graph import normalised_edges
from sibyl.methods.method import Method, Traits
from sibyl.methods.preprocessing import Preparation
from sibyl.methods.sinkhorn import column_potentials
from sibyl.methods.task_rows import all_rows
from sibyl.tasks import ClassPrior, Solution, Task, class_shares


@dataclass(frozen=True)
class PSLP(Method):
    """Prototype-based soft-label propagation (Wang et al. 2023).

    **Assumes balanced queries** unless `balanced` is off. Rows are power-transformed, scaled, centred and scaled. Message passing,
    repeated: with ``A_ij = exp(−λ ‖x_i − x_j‖²)`` kept for the k largest of each row,

        ``S = D^{−½} A D^{−½}``, ``G = (½ I + ½ S)²``, ``x ← G x``;

    the last G without its diagonal, normalised, is the graph W. From the class means of the smoothed support on, repeat

        ``Z ← balance(exp(−λ ‖x_i − p_c‖²))``: rows sum to 1, classes to their share; the support at its labels
        ``Z ← balance((I − α W)⁻¹ Z)``
        ``p_c ← (1 − η) p_c + η Σ_i Z_ic x_i / Σ_i Z_ic``

    and answer with the balanced assignment to the last prototypes.

    ==========  ==============  ==================================
    paper       code            meaning
    ==========  ==============  ==================================
    λ           scale           inverse width
    k           n_neighbours    largest similarities kept, a row's own among them
    α           propagation     how far labels spread
    η           rate            share of the new prototypes
    ==========  ==============  ==================================

    Parameters
    ----------
    scale, n_neighbours, n_rounds, propagation, rate, n_steps
        10, 6, 4, 0.7, 0.6 and 10: the released code's.
    balanced : bool
        Whether classes are taken to be equally frequent where no `class_prior` is given; the authors switch it off under skew.

    Notes
    -----
    Yields assignments and no classifier. The preprocessing is PT-MAP's but for centring all rows together; the released solver takes
    features as they come, and stops balancing at 1e-3, here at convergence.

    References
    ----------
    J. Wang, B. Jiang, B. Luo et al., "Robust Transductive Few-shot Learning via Joint Message Passing and Prototype-based
    Soft-label Propagation", 2023, arXiv 2311.17096.
    """

    scale: float = 10.0
    n_neighbours: int = 6
    n_rounds: int = 4
    propagation: float = 0.7
    rate: float = 0.6
    n_steps: int = 10
    balanced: bool = True

    name: ClassVar[str] = "pslp"
    traits: ClassVar[Traits] = Traits(transductive=True, assumes_balance=True, single_query=False)

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the assignment of the queries to the last prototypes."""
        shares = class_shares("balanced" if class_prior is None and self.balanced else class_prior, task)
        x, mask, labelled = all_rows(task)
        n_support, tiny = task.support_x.shape[1], torch.finfo(x.dtype).tiny
        rows, graph = smooth(Preparation.fit(x, mask)(x), mask, self.scale, self.n_neighbours, self.n_rounds)
        identity = torch.eye(rows.shape[1], dtype=rows.dtype, device=rows.device)
        system = identity - self.propagation * graph
        prototypes = class_means(rows, labelled)

        def assigned(scores: Float[Tensor, "task query way"]) -> Float[Tensor, "task row way"]:
            q = _balanced(scores, task, shares).softmax(-1) * task.query_weight
            return torch.cat([task.support_one_hot, q], 1)

        query = rows[:, n_support:]
        for _ in range(self.n_steps):
            z = assigned(-self.scale * squared_distances(query, prototypes))
            spread: Tensor = torch.linalg.solve(system, z)
            z = assigned(spread[:, n_support:].clamp_min(tiny).log())
            prototypes = prototypes.lerp(class_means(rows, z), self.rate)
        logits = _balanced(-self.scale * squared_distances(query, prototypes), task, shares)
        return assigned_solution(task, logits)


def _balanced(
    scores: Float[Tensor, "task query way"], task: Task, shares: Float[Tensor, "#task way"] | None
) -> Float[Tensor, "task query way"]:
    return scores if shares is None else scores + column_potentials(scores, task.query_mask, shares)


def smooth(
    rows: Float[Tensor, "task row dim"], mask: Bool[Tensor, "task row"], scale: float, n_neighbours: int, n_rounds: int
) -> tuple[Float[Tensor, "task row dim"], Float[Tensor, "task row row"]]:
    """Pass messages `n_rounds` times; return the smoothed rows and the last graph, normalised and without its diagonal."""
    pairs = (mask[:, None] & mask[:, :, None]).to(rows)
    identity = torch.eye(rows.shape[1], dtype=rows.dtype, device=rows.device)
    step = identity
    for _ in range(n_rounds):
        similar = (-scale * squared_distances(rows, rows)).exp() * pairs
        kept, nearest = similar.topk(min(n_neighbours, rows.shape[1]), -1)
        half = (identity + normalised_edges(torch.zeros_like(similar).scatter(-1, nearest, kept))) / 2
        step = half @ half
        rows = step @ rows
    off = 1 - identity
    return rows, normalised_edges(normalised_edges(step * off) * off)
