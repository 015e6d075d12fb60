"""α-AM: class centroids, and the graph that labels spread over, fitted to the queries by α-entropies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.methods.class_mean import assigned_solution
from sibyl.methods.classifiers import class_means
from sibyl.methods.gradient_descent import adam
from sibyl.methods.method import Method, Traits
from sibyl.methods.task_rows import all_rows
from sibyl.tasks import ClassPrior, Solution, Task

SMALL = 1e-12  # the authors' ε inside logarithms, powers and degrees


@dataclass(frozen=True)
class AlphaAM(Method):
    """Adaptive manifold with α-entropies (Lazarou, Avrithis & Stathaki 2024).

    The nodes are one centroid μ_c per class and the unit-length rows x. With distances d over nodes and their standard deviation s,

        ``A_ij = exp(−g_ij d_ij / s)`` where j is among the k nearest of i; none from a centroid, none to itself
        ``W = B ⊙ (A + Aᵀ) / 2``, ``S = D^{−½} W D^{−½}``, ``F = τ (I − β S)⁻¹ Y``, Y one-hot at the centroids
        ``loss = −mean_S log p_{i y_i} − H_α(mean_Q p) + mean_Q H_α(p)``, ``p = softmax(F)``, ``H_α(p) = (1 − Σ p^α) / (α − 1)``

    and Adam moves μ (from the class means), g (from 1) and B (from β). The answer is F of the queries.

    ========  ================  =========================================
    paper     code              meaning
    ========  ================  =========================================
    τ         temperature       scale of the scores
    α (LP)    spread, β         how far labels spread, below 1
    k         n_neighbours      neighbours of a node
    α         alpha             order of the entropies
    g, B      `_scores`         width and weight of each pair of nodes
    ========  ================  =========================================

    Parameters
    ----------
    alpha, spread, n_neighbours : float, float, int, optional
        Left out, the released code's: α = 2, β = 0.8, k = 20 for tasks of one shot, α = 5, β = 0.9, k = 10 for more (mean over
        classes; the code names no values between one and five shots).
    temperature, n_steps, learning_rate
        τ = 15, 1,000 steps of 1e-4 as released.

    Notes
    -----
    `class_prior` is not used. Yields labels for the nodes and no classifier. The distances are not squared, as in the released code.

    References
    ----------
    M. Lazarou, Y. Avrithis, T. Stathaki, "Adaptive Manifold for Imbalanced Transductive Few-Shot Learning", WACV 2024,
    arXiv 2304.14281.
    """

    alpha: float | None = None
    spread: float | None = None
    n_neighbours: int | None = None
    temperature: float = 15.0
    n_steps: int = 1000
    learning_rate: float = 1e-4

    name: ClassVar[str] = "alpha_am"
    traits: ClassVar[Traits] = Traits(transductive=True)

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the scores of the fitted graph; `class_prior` is not used."""
        way, n_support = task.n_way, task.support_x.shape[1]
        rows, real, y = all_rows(task)
        rows = normalize(rows, dim=-1)
        means = class_means(rows, y)
        real = torch.cat([real.new_ones(task.n_tasks, way), real], 1)[..., None].to(rows)
        among = _distances(rows, rows)
        one_shot = task.n_shots.mean(1)[:, None, None] <= 1
        alpha, beta, k = (
            torch.where(one_shot, rows.new_tensor(one), rows.new_tensor(more))
            if given is None
            else rows.new_full(one_shot.shape, given)
            for given, one, more in ((self.alpha, 2.0, 5.0), (self.spread, 0.8, 0.9), (self.n_neighbours, 20.0, 10.0))
        )
        n_node = way + rows.shape[1]

        def scores(point: Tensor) -> Float[Tensor, "task row way"]:
            centre, width, weight = point[:, 0].split([means[0].numel(), n_node**2, n_node**2], 1)
            centre = centre.reshape(means.shape)
            across = _distances(centre, rows)
            distance = torch.cat([torch.cat([_distances(centre, centre), across], 2), torch.cat([across.mT, among], 2)], 1) * (
                real * real.mT
            )
            graph = _graph(distance, real, width.reshape(distance.shape), weight.reshape(distance.shape), k, way)
            identity = torch.eye(n_node, dtype=rows.dtype, device=rows.device)
            solved: Tensor = torch.linalg.solve(identity - beta * graph, identity[:, :way].expand(task.n_tasks, -1, -1))
            return self.temperature * solved[:, way:]

        def gradient(point: Tensor) -> Tensor:
            with torch.enable_grad():
                moved = point.detach().requires_grad_()
                probabilities = scores(moved).softmax(-1)
                loss = _loss(probabilities[:, :n_support], probabilities[:, n_support:], task, alpha).sum()
            return torch.autograd.grad(loss, moved)[0]

        pairs = (rows.new_ones(task.n_tasks, n_node**2), beta.reshape(-1, 1).expand(-1, n_node**2))
        start = torch.cat([means.flatten(1), *pairs], 1)[:, None]
        logits = scores(adam(start, gradient, self.n_steps, self.learning_rate))[:, n_support:]
        return assigned_solution(task, logits)


def _distances(x: Float[Tensor, "task row dim"], y: Float[Tensor, "task node dim"]) -> Float[Tensor, "task row node"]:
    """Euclidean distances from differences: a centroid lies on its row at one shot, and moves away by less than products resolve."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _graph(
    distance: Float[Tensor, "task node node"],
    real: Float[Tensor, "task node 1"],
    width: Float[Tensor, "task node node"],
    weight: Float[Tensor, "task node node"],
    k: Float[Tensor, "task 1 1"],
    way: int,
) -> Float[Tensor, "task node node"]:
    """Normalised graph of centroids (first) and rows; padding has no edges."""
    pairs = real * real.mT
    count = pairs.sum((1, 2), keepdim=True)
    middle = distance.sum((1, 2), keepdim=True) / count
    deviation = (((distance - middle) * pairs).square().sum((1, 2), keepdim=True) / (count - 1)).sqrt()
    allowed = pairs * (1 - torch.eye(distance.shape[1], dtype=distance.dtype, device=distance.device))
    allowed = torch.cat([torch.zeros_like(allowed[:, :way]), allowed[:, way:]], 1)
    affinity = (-distance / deviation * width).exp() * allowed
    # At one shot a centroid and its row are equally near to all others: the row goes first, whatever their order.
    last = (torch.arange(distance.shape[1], device=k.device) < way).to(distance) * torch.finfo(distance.dtype).eps ** 0.5
    rank = affinity.detach() * (1 - last)
    order = rank.topk(min(int(k.max()), distance.shape[1]), -1).indices
    among_nearest = (torch.arange(order.shape[2], device=k.device) < k).to(distance).expand(order.shape)
    affinity = affinity * torch.zeros_like(distance).scatter(-1, order, among_nearest)
    edges = weight * (affinity + affinity.mT) / 2
    root = (edges.sum(-1) + SMALL).rsqrt()
    return root[:, :, None] * edges * root[:, None]


def _loss(
    support: Float[Tensor, "task support way"], query: Float[Tensor, "task query way"], task: Task, alpha: Float[Tensor, "task 1 1"]
) -> Float[Tensor, " task"]:
    labelled, real = task.support_one_hot, task.query_weight / task.query_weight.sum(1, keepdim=True).clamp_min(1)
    cross = -(labelled * (support + SMALL).log()).sum((1, 2)) / labelled.sum((1, 2)).clamp_min(1)
    order = alpha[:, 0, 0]
    marginal = (1 - (query * real).sum(1).pow(alpha[:, 0]).sum(-1)) / (order - 1)
    conditional = ((1 - (query + SMALL).pow(alpha).sum(-1)) * real[..., 0]).sum(1) / (order - 1)
    return cross - marginal + conditional
