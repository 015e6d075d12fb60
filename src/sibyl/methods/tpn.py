"""TPN: labels spread over a graph of support and query, whose length scales are learned."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from sibyl.methods.feature_scaling import unit_scale_rows
from sibyl.methods.knn_graph import normalised_edges
from sibyl.methods.method import LearnedMethod, Objective, Traits
from sibyl.methods.query_objective import check_shape, cross_entropy_objective
from sibyl.methods.task_rows import all_rows
from sibyl.tasks import ClassPrior, Episode, Solution, Task


def similarity_graph(
    x: Float[Tensor, "task node dim"], mask: Bool[Tensor, "task node"], n_neighbours: int
) -> Float[Tensor, "task node node"]:
    """Return ``S = D^{−½} W D^{−½}`` with ``W_ij = exp(−½ mean_d (x_id − x_jd)²)``, kept where i or j has the other among its nearest.

    Rows are already divided by their length scales. Padding, where the mask is False, gets no edges. A row itself is among its nearest,
    as in the authors' code.
    """
    square = x.square().mean(-1)
    distance = (square[:, :, None] + square[:, None] - 2 * x @ x.mT / x.shape[-1]).clamp_min(0)
    edges = (-distance / 2).exp() * (mask[:, :, None] & mask[:, None])
    nearest = edges.detach().topk(min(n_neighbours, x.shape[1]), -1).indices
    kept = torch.zeros_like(edges, dtype=torch.bool).scatter(-1, nearest, True)
    return normalised_edges(edges * (kept | kept.mT))


def propagate(
    graph: Float[Tensor, "task node node"], labels: Float[Tensor, "task node way"], alpha: float
) -> Float[Tensor, "task node way"]:
    """Return the fixed point of ``F ← α S F + Y``, up to a factor that of Zhou et al. (2004): ``(I − α S)⁻¹ Y``."""
    identity = torch.eye(graph.shape[-1], dtype=graph.dtype, device=graph.device)
    spread: Tensor = torch.linalg.solve(identity - alpha * graph, labels)
    return spread


class TPN(LearnedMethod):
    """Transductive Propagation Network (Liu et al., ICLR 2019, arXiv 1805.10002).

    ``W_ij = exp(−½ d²(f(x_i)/σ_i, f(x_j)/σ_j))`` with ``σ_i = g(f(x_i))``; k nearest; ``F = (I − α S)⁻¹ Y``; ``P(y) = softmax(F_i)``.

    ======== ============== =========================================================
    symbol   here           paper
    ======== ============== =========================================================
    f        encoder        convolutional network; here frozen, rows of length √dim
    g        `length_scale` two convolutional blocks and two layers on feature maps; features are vectors here, so Linear(dim,
                            64) → ReLU → Linear(64, 8) → ReLU → Linear(8, 1) and a softplus that keeps σ positive, from about 0.25
    α        `alpha`        0.99
    k        `n_neighbours` 20
    ======== ============== =========================================================

    The loss counts queries only; theirs adds the support's rows. The softmax of F is flat, as published: read its order, not its
    confidence. The method yields labels for the nodes of the graph and no classifier: new rows join the queries of a new call.

    Parameters
    ----------
    dim : int
        Columns of the features.
    alpha : float
        How far labels spread, below 1.
    n_neighbours : int
        k.
    """

    name: ClassVar[str] = "tpn"
    traits: ClassVar[Traits] = Traits(transductive=True)

    def __init__(self, dim: int, alpha: float = 0.99, n_neighbours: int = 20) -> None:
        super().__init__()
        self.settings = {"dim": dim, "alpha": alpha, "n_neighbours": n_neighbours}
        self.dim, self.alpha, self.n_neighbours = dim, alpha, n_neighbours
        last = nn.Linear(8, 1)
        nn.init.constant_(last.bias, -1.25)  # softplus⁻¹(0.25)
        self.length_scale = nn.Sequential(nn.Linear(dim, 64), nn.ReLU(), nn.Linear(64, 8), nn.ReLU(), last)

    def spread(self, task: Task) -> Float[Tensor, "task query way"]:
        """Return F of the queries."""
        check_shape(self.name, task, self.dim)
        rows, mask, labels = all_rows(task)
        x = unit_scale_rows(rows)
        scaled = x / softplus(self.length_scale(x)).clamp_min(1e-3)
        spread = propagate(similarity_graph(scaled, mask, self.n_neighbours), labels, self.alpha)
        return spread[:, task.support_x.shape[1] :]

    @torch.no_grad()
    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer all queries together; `class_prior` is not used."""
        return Solution(self.spread(task))

    def objective(self, episode: Episode) -> Objective:
        """Return the mean cross-entropy of the queries."""
        return cross_entropy_objective(self.spread(episode.task), episode)
