"""Graph network over the support and one query: who is joined to whom is learned, and labels travel along."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad

from sibyl.methods.adapting_method import AdaptingMethod
from sibyl.methods.feature_scaling import unit_scale_rows
from sibyl.methods.method import Objective, Traits
from sibyl.methods.query_objective import check_shape, cross_entropy_objective
from sibyl.tasks import Classifier, Episode, Task

EDGES_AT_ONCE = 10_000  # per slice of queries: the edge network's activations then fit in a processor's cache, five times as fast


class LearnedAdjacency(nn.Module):
    """``A_ij = softmax_{j ≠ i} MLP(|v_i − v_j|)``, equations 2 and 3 of the paper; each unordered pair is looked at once."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        sizes = (channels, 2 * width, 2 * width, width, width)
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.LeakyReLU(inplace=True)]
        self.edge = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, nodes: Float[Tensor, "graph node channel"], mask: Bool[Tensor, "graph node"]) -> Tensor:
        """Return A [graph, node, node]; padded nodes are nobody's neighbours."""
        n_node = nodes.shape[1]
        first, second = torch.triu_indices(n_node, n_node, 1, device=nodes.device)
        strength = self.edge((nodes.index_select(1, first) - nodes.index_select(1, second)).abs())[..., 0]
        score = nodes.new_full((len(nodes), n_node * n_node), -torch.inf)
        for place in (first * n_node + second, second * n_node + first):
            score = score.index_copy(1, place, strength)
        least = torch.finfo(score.dtype).min  # finite, so that a node without neighbours has no NaN
        weights: Tensor = score.unflatten(1, (n_node, n_node)).masked_fill(~mask[:, None], least).softmax(-1)
        return weights


class GraphConvolution(nn.Module):
    """``v → [v, A v] Θ``: each node and the mean of its neighbours, mapped linearly."""

    def __init__(self, channels: int, width: int, edge_width: int) -> None:
        super().__init__()
        self.adjacency = LearnedAdjacency(channels, edge_width)
        self.mix = nn.Linear(2 * channels, width)

    def forward(self, nodes: Tensor, mask: Tensor) -> Float[Tensor, "graph node width"]:
        """Map the nodes [graph, node, channel] of each graph."""
        mixed: Tensor = self.mix(torch.cat([nodes, self.adjacency(nodes, mask) @ nodes], -1))
        return mixed


class GraphNetwork(AdaptingMethod):
    """Few-shot learning with graph neural networks (Satorras & Bruna, ICLR 2018, arXiv 1711.04043) on frozen features.

    One graph per query: its nodes are the support with its classes and the query with none. Two layers ``v ← [v, ρ([v, A v] Θ)]`` and a
    last one to n_way columns, each with an adjacency of its own; the query's node gives the logits.

    ============ ======================================= ==========================================================
    here         paper, mini-ImageNet                    default
    ============ ======================================= ==========================================================
    `embedding`  128, last layer of the backbone         64: a learned linear map of rows of length √dim
    `width`      edge networks 192, 192, 96, 96          16 (edges 32, 32, 16, 16; nodes 8 a layer): work grows with query · support²
    Θ            ρ = leaky ReLU, 48 new channels
    statistics   batch normalisation                     none: no episode sees another (layer normalisation was tried: it hides the
                                                         size of a difference and learned more slowly)
    ============ ======================================= ==========================================================

    Reordering the support changes nothing; the order of the classes matters (they are input columns), and their number is fixed.
    Each query costs a graph of its own, so meta-training looks at a few queries of each episode, drawn anew each time from torch's
    generator; the paper has one.

    Parameters
    ----------
    dim, n_way : int
        Columns of the features; classes of every task.
    embedding : int
        Columns that features are mapped to.
    width : int
        Units of the edge networks' last two layers; their first two have twice as many, nodes gain half as many a layer.
    n_train_queries : int
        Queries of each episode that the objective looks at.
    """

    name: ClassVar[str] = "gnn"
    traits: ClassVar[Traits] = Traits(transductive=False, equivariant=False, classifier=True)

    def __init__(self, dim: int, n_way: int, embedding: int = 64, width: int = 16, n_train_queries: int = 10) -> None:
        super().__init__()
        self.settings = {
            "dim": dim, "n_way": n_way, "embedding": embedding, "width": width, "n_train_queries": n_train_queries,
        }  # fmt: skip
        self.dim, self.n_way, self.n_train_queries = dim, n_way, n_train_queries
        self.embed = nn.Linear(dim, embedding)
        channels = embedding + n_way
        self.layers = nn.ModuleList(GraphConvolution(channels + i * (width // 2), width // 2, width) for i in range(2))
        self.last = GraphConvolution(channels + 2 * (width // 2), n_way, width)

    def pass_messages(self, nodes: Float[Tensor, "graph node channel"], mask: Bool[Tensor, "graph node"]) -> Tensor:
        """Return the logits [graph, way] of the last node of each graph."""
        for layer in self.layers:
            nodes = torch.cat([nodes, leaky_relu(layer(nodes, mask))], -1)
        logits: Tensor = self.last(nodes, mask)[:, -1]
        return logits

    def adapt(self, task: Task) -> Classifier:
        """Return the function from rows to logits: a graph of its own for each row."""
        check_shape(self.name, task, self.dim, self.n_way)
        support = torch.cat([self.embed(unit_scale_rows(task.support_x)), task.support_one_hot], -1)
        mask = pad(task.support_mask, (0, 1), value=True)[:, None]
        n_support = support.shape[1]
        rows_at_once = max(1, 2 * EDGES_AT_ONCE // (task.n_tasks * (n_support + 1) ** 2))

        def answer(x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row way"]:
            parts = []
            for query in pad(self.embed(unit_scale_rows(x)), (0, self.n_way)).split(rows_at_once, 1):
                n_rows = query.shape[1]
                nodes = torch.cat([support[:, None].expand(-1, n_rows, -1, -1), query[:, :, None]], 2).flatten(0, 1)
                masks = mask.expand(-1, n_rows, -1).flatten(0, 1)
                parts.append(self.pass_messages(nodes, masks).unflatten(0, (task.n_tasks, n_rows)))
            return torch.cat(parts, 1)

        return answer

    def objective(self, episode: Episode) -> Objective:
        """Return the mean cross-entropy of a few scored queries of each episode, drawn from torch's generator."""
        drawn = torch.rand(episode.query_y.shape, device=episode.query_y.device) + episode.scored
        rows = drawn.topk(min(self.n_train_queries, drawn.shape[1]), 1).indices
        task = episode.task
        few = Episode(
            replace(
                task,
                query_x=task.query_x.gather(1, rows[..., None].expand(-1, -1, self.dim)),
                query_mask=task.query_mask.gather(1, rows),
            ),
            episode.query_y.gather(1, rows),
        )
        return cross_entropy_objective(self.adapt(few.task)(few.task.query_x), few)
