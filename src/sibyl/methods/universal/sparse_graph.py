"""Labels spread over a whole pile: a graph of nearest neighbours among all rows, and how any row is read off it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.memmap import gather_rows
from sibyl.methods.knn_graph import nearest_neighbours, sum_over_neighbours
from sibyl.methods.universal.landmarks import landmarks
from sibyl.methods.universal.rows import power_rows
from sibyl.tasks import Task

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

NEIGHBOURS, RADIUS_AT = 15, 7  # of a row; which of them gives its radius
SHARPNESS = 3.0
ALPHA, ROUNDS = 0.95, 60
CENTRED = 0.5  # how far rows are seen from their mean
PAIRS, NUMBERS, FEWEST = 1 << 28, 1 << 23, 1024  # rows × nodes and nodes × columns at most, but never fewer nodes than that
BLOCK = 128


@dataclass(frozen=True, eq=False)
class SparseGraph:
    """Label spreading (Zhou et al. 2004) over nearest neighbours, and a rule that reads any row off it.

    ``w_ij = exp(−3 ‖x_i − x_j‖² / (ρ_i ρ_j))`` for the nearest neighbours of either, with ρ the
    distance to the seventh (local scaling, Zelnik-Manor & Perona 2004), and ``F ← α D^{−1/2} W
    D^{−1/2} F + (1 − α) Y``. A row, of the pile or new, is said to be of class c in proportion to
    ``Σ_j w_ij F_jc / √d_j`` over its nearest nodes, itself included where it is one.

    The graph is of all rows up to some ten thousand: nodes times rows, and nodes times columns, are
    bounded. Of more rows as many are chosen by their content, whatever their order.

    Parameters
    ----------
    middle : float [task, 1, dim]
        Subtracted from prepared rows.
    nodes : float [task, node, dim]
        Rows seen from there, of unit length; the labelled ones first.
    scores : float [task, node, way]
        F_j / √d_j.
    radius : float [task, node]
        ρ; 0 for padding, whose scores are zero.
    built : NodeEdges, optional
        The edges, while the pile is being solved.
    """

    middle: Float[Tensor, "task 1 dim"]
    nodes: Float[Tensor, "task node dim"]
    scores: Float[Tensor, "task node way"]
    radius: Float[Tensor, "task node"]
    built: NodeEdges | None = None

    @classmethod
    def of(
        cls, task: Task, exponent: Float[Tensor, "task 1 1"], weights: Float[Tensor, "task way"] | None = None
    ) -> tuple[SparseGraph, OwnNeighbours | None]:
        """Build the graph of a batch of tasks and spread their labels; return with it the queries' neighbours, where all are nodes."""
        chosen = landmarks(task, n_nodes_of(*task.query_x.shape[1:]))
        graph = cls.over(
            task, exponent, prepared(task.query_x, chosen, exponent), task.query_mask.gather(1, chosen), chosen, weights
        )
        if chosen.shape[1] < task.query_x.shape[1] or not bool(task.query_mask.all()):  # rows of padding are no nodes
            return graph, None
        assert graph.built is not None
        return graph, OwnNeighbours(graph.built.index, graph.built.squared, chosen.argsort(1) + task.support_x.shape[1])

    @classmethod
    def over(
        cls,
        task: Task,
        exponent: Float[Tensor, "task 1 1"],
        chosen: Float[Tensor, "task node dim"],
        real: Bool[Tensor, "task node"],
        places: Int[Tensor, "task node"],
        weights: Float[Tensor, "task way"] | None = None,
    ) -> SparseGraph:
        """Build the graph over the labelled rows of tasks and prepared queries; `real` is False for padding, labels count as in `weights`."""
        mask = torch.cat([task.support_mask, real], 1)
        unit = torch.cat([power_rows(task.support_x, exponent), chosen], 1)
        nodes = unit * mask[..., None]
        middle = CENTRED * nodes.sum(1, keepdim=True) / mask.sum(1).clamp_min(1)[:, None, None]
        nodes -= middle
        nodes /= torch.linalg.vector_norm(nodes, dim=-1, keepdim=True).clamp_min(1e-12)
        index, squared = nearest_neighbours(nodes, mask, NEIGHBOURS, BLOCK)
        radius = radius_of(squared)
        weight = kernel(squared, radius, radius.gather(1, index.flatten(1)).view_as(squared)) * mask[..., None]
        smoothers = tuple(Smoother.of(*one) for one in zip(index, weight, strict=True))
        seeds = task.support_one_hot.new_zeros(*mask.shape, task.n_way)
        seeds[:, : task.support_x.shape[1]] = task.support_one_hot if weights is None else task.support_one_hot * weights[:, None]
        built = NodeEdges(unit, index, squared, torch.where(real, places, -1), smoothers)
        return cls(middle, nodes, built.spread(seeds, ALPHA, ROUNDS).to(weight), radius * mask, built)

    def read(self, unit: Float[Tensor, "task row dim"]) -> Float[Tensor, "task way row"]:
        """Return class probabilities of prepared rows; even where the graph does not reach."""
        return self.read_off(*self.nearest(unit))

    def nearest(self, unit: Float[Tensor, "task row dim"]) -> tuple[Int[Tensor, "task row k"], Float[Tensor, "task row k"]]:
        """Return the nearest nodes of prepared rows, and the squared distances to them."""
        cosine = normalize(unit - self.middle, dim=-1) @ self.nodes.mT
        is_padding = self.radius == 0
        if torch.compiler.is_compiling() or bool(is_padding.any()):  # a program that is exported cannot look
            cosine = cosine.masked_fill(is_padding[:, None], -torch.inf)
        nearest, index = cosine.topk(min(NEIGHBOURS, cosine.shape[2]), dim=2)
        return index, (2 - 2 * nearest).clamp_min(0)

    def read_off(self, index: Int[Tensor, "task row k"], squared: Float[Tensor, "task row k"]) -> Float[Tensor, "task way row"]:
        """Return class probabilities of rows from their nearest nodes and the squared distances to them."""
        theirs = self.radius.gather(1, index.flatten(1)).view_as(squared)
        score = sum_over_neighbours(self.scores, index, kernel(squared, radius_of(squared), theirs)).mT
        total = score.sum(1, keepdim=True)
        return torch.where(total > 0, score / total.clamp_min(torch.finfo(score.dtype).tiny), 1 / score.shape[1])

    def thinned(self, n_nodes: int) -> SparseGraph:
        """Return a graph of the first so many nodes, for reading alone."""
        first = self.nodes[:, :n_nodes], self.scores[:, :n_nodes], self.radius[:, :n_nodes]
        return SparseGraph(self.middle, *first)

    def read_nodes(self, scores: Float[Tensor, "task node way"]) -> Float[Tensor, "task way node"]:
        """Return class probabilities of the nodes themselves, by the rule of `read`, from other scores."""
        assert self.built is not None
        index, squared = self.built.own()
        return replace(self, scores=scores).read_off(index, squared)


@dataclass(frozen=True, eq=False)
class Smoother:
    """``F ← α D^{−1/2} W D^{−1/2} F + (1 − α) Y`` over the nodes of one task.

    Parameters
    ----------
    edges : csr matrix [node, node]
        D^{−1/2} W D^{−1/2}.
    scaling : float array [node]
        1 / √d.
    """

    edges: csr_matrix
    scaling: npt.NDArray[np.float64]

    @classmethod
    def of(cls, index: Int[Tensor, "node k"], weight: Float[Tensor, "node k"]) -> Smoother:
        """Join the nearest neighbours of either node."""
        from scipy.sparse import csr_matrix, diags  # only where there are many rows

        n_rows, k = index.shape
        starts = np.arange(0, n_rows * k + 1, k)
        directed = csr_matrix((weight.double().flatten().cpu().numpy(), index.flatten().cpu().numpy(), starts), (n_rows, n_rows))
        edges = directed.maximum(directed.T)
        scaling = 1 / np.sqrt(np.asarray(edges.sum(1)).ravel().clip(1e-12))
        return cls(diags(scaling) @ edges @ diags(scaling), scaling)

    def __call__(self, seeds: npt.NDArray[np.float32], alpha: float, n_rounds: int) -> npt.NDArray[np.float64]:
        """Spread seeds [node, way], and return F_j / √d_j."""
        smoother = (alpha * self.edges).tocsr().astype(np.float32)
        found = clamped = (1 - alpha) * seeds
        for _ in range(n_rounds):
            found = smoother @ found + clamped
        return np.asarray(found * self.scaling[:, None])


@dataclass(frozen=True, eq=False)
class NodeEdges:
    """The nodes of a graph as rows, and what joins them.

    Parameters
    ----------
    unit : float [task, node, dim]
        Prepared rows; the labelled ones first.
    index, squared : int, float [task, node, k]
        Nearest nodes of each node, itself left out, and the squared distances to them.
    places : int [task, query]
        Where the queries among them stand among all rows; −1 for padding.
    smoothers : tuple of Smoother
        One a task.
    """

    unit: Float[Tensor, "task node dim"]
    index: Int[Tensor, "task node k"]
    squared: Float[Tensor, "task node k"]
    places: Int[Tensor, "task query"]
    smoothers: tuple[Smoother, ...]

    def spread(self, seeds: Float[Tensor, "task node way"], alpha: float, n_rounds: int) -> Float[Tensor, "task node way"]:
        """Spread what is known of the nodes, and return F_j / √d_j."""
        each = zip(self.smoothers, seeds.float().cpu().numpy(), strict=True)
        return torch.from_numpy(np.stack([smoother(one, alpha, n_rounds) for smoother, one in each])).to(seeds)

    def own(self) -> tuple[Int[Tensor, "task node k"], Float[Tensor, "task node k"]]:
        """Return the nearest nodes of each node and the squared distances to them, itself first, as `SparseGraph.read` finds them."""
        itself = torch.arange(self.index.shape[1], device=self.index.device)[None, :, None].expand(len(self.index), -1, 1)
        index, squared = self.index[..., :-1], self.squared[..., :-1]
        return torch.cat([itself, index], 2), torch.cat([squared.new_zeros(itself.shape), squared], 2)


@dataclass(frozen=True, eq=False)
class OwnNeighbours:
    """The neighbours of queries that are all nodes: known from building the graph, so that they need not be looked for again.

    Parameters
    ----------
    index : int [task, node, k]
        Nearest nodes of each node, itself left out.
    squared : float [task, node, k]
        Squared distances.
    node : int [task, query]
        Which node each query is.
    """

    index: Int[Tensor, "task node k"]
    squared: Float[Tensor, "task node k"]
    node: Int[Tensor, "task query"]

    def of(self, part: slice) -> tuple[Int[Tensor, "task row k"], Float[Tensor, "task row k"]]:
        """Return the nearest nodes of some queries, themselves first, as `SparseGraph.read` finds them."""
        node = self.node[:, part, None]
        where = node.expand(-1, -1, self.index.shape[2] - 1)
        index, squared = self.index.gather(1, where), self.squared.gather(1, where)
        return torch.cat([node, index], 2), torch.cat([squared.new_zeros(node.shape), squared], 2)


def n_nodes_of(n_rows: int, n_columns: int) -> int:
    """Return how many of so many rows are nodes: all, as far as time and memory allow."""
    return min(n_rows, max(FEWEST, min(PAIRS // n_rows, NUMBERS // n_columns)))


def prepared(
    x: Float[Tensor, "task row dim"], chosen: Int[Tensor, "task node"], exponent: Float[Tensor, "task 1 1"]
) -> Float[Tensor, "task node dim"]:
    """Prepare the chosen rows, a few at a time and in the order in which they lie: what is made on the way takes several times the room."""
    unit, order = x.new_empty(*chosen.shape, x.shape[2]), chosen.argsort(1)
    for start in range(0, chosen.shape[1], BLOCK):
        part = order[:, start : start + BLOCK]
        rows = power_rows(gather_rows(x, chosen.gather(1, part)), exponent)
        unit.scatter_(1, part[..., None].expand_as(rows), rows)
    return unit


def radius_of(squared: Float[Tensor, "task row k"]) -> Float[Tensor, "task row"]:
    """Distance to the neighbour that stands at `RADIUS_AT`, or to the last that there is."""
    near = squared[..., :RADIUS_AT]
    return near.masked_fill(near.isinf(), 0).amax(-1).clamp_min(1e-6).sqrt()


def kernel(
    squared: Float[Tensor, "task row k"], own: Float[Tensor, "task row"], theirs: Float[Tensor, "task row k"]
) -> Float[Tensor, "task row k"]:
    """Return the affinities w; 0 to a neighbour that is none."""
    scaled = SHARPNESS * squared / (own[..., None] * theirs)
    return torch.where(squared.isfinite() & (theirs > 0), (-scaled).exp(), 0.0)
