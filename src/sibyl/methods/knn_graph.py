"""Nearest neighbours among the rows of a task, in blocks, so that no rows × rows matrix is ever held."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

BLOCK = 2048  # rows whose distances to all rows are held at once


def nearest_neighbours(
    rows: Float[Tensor, "task row dim"], mask: Bool[Tensor, "task row"], n_neighbours: int, block: int = BLOCK
) -> tuple[Int[Tensor, "task row k"], Float[Tensor, "task row k"]]:
    """Find the rows nearest to each row by Euclidean distance, itself left out.

    Parameters
    ----------
    rows : float [task, row, dim]
        Features.
    mask : bool [task, row]
        Rows where it is False are nobody's neighbours.
    n_neighbours : int
        Most neighbours; fewer where there are fewer rows.
    block : int
        Rows whose distances are held at once.

    Returns
    -------
    index : int [task, row, k]
        Neighbours, nearest first.
    squared_distance : float [task, row, k]
        Infinite where a row has fewer real neighbours than k.
    """
    n_row = rows.shape[1]
    k = min(n_neighbours, n_row - 1)
    length = rows.square().sum(-1)
    outside = torch.where(mask, length, torch.inf)[:, None]
    indices, distances = [], []
    for first in range(0, n_row, block):
        part = rows[:, first : first + block]
        # Without the row's own length the order is the same; it is added to the few that are kept.
        distance = (-2 * part) @ rows.mT
        distance += outside
        place = torch.arange(part.shape[1], device=rows.device)
        distance[:, place, first + place] = torch.inf
        nearest, index = distance.topk(k, dim=-1, largest=False)
        indices.append(index)
        distances.append((nearest + length[:, first : first + block, None]).clamp_min(0))
    return torch.cat(indices, 1), torch.cat(distances, 1)


def normalised_edges(edges: Float[Tensor, "task node node"]) -> Float[Tensor, "task node node"]:
    """Return ``D^{−½} W D^{−½}`` of a symmetric graph W with the degrees D; a node without edges keeps none."""
    degree = edges.sum(-1)
    root = torch.where(degree > 0, degree, 1.0).rsqrt()
    return root[:, :, None] * edges * root[:, None]


def sum_over_neighbours(
    values: Float[Tensor, "task node way"], index: Int[Tensor, "task row k"], weight: Float[Tensor, "task row k"]
) -> Float[Tensor, "task row way"]:
    """Weighted sum of the neighbours' values for each row; `index` says which nodes they are."""
    n_task, _, n_way = values.shape
    gathered = values.gather(1, index.reshape(n_task, -1, 1).expand(-1, -1, n_way)).reshape(*index.shape, n_way)
    return (gathered * weight[..., None]).sum(2)
