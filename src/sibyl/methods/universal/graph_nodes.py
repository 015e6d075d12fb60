"""The nodes of the graph of a pile as rows that are taught an answer: by spreading it over the graph, and by a ridge regression."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.methods.universal.balance import Mass, approach
from sibyl.methods.universal.blend import Blend, floored
from sibyl.methods.universal.rows import OneSlice, Slice
from sibyl.methods.universal.sparse_graph import SparseGraph
from sibyl.methods.universal.sureness import Doubt, as_sure_as

SHARPER = 2.0  # power of the answer before it is taught
ALPHA, SPREADS = 0.8, 25  # of spreading it over the graph
RIDGE = 0.1  # of the mean variance of a column
SURENESS = (1e-2, 1e3)  # ends of the factor that makes an answer as sure as the first
BALANCED = 5  # rounds of Sinkhorn after each


@dataclass(frozen=True, eq=False)
class Taught:
    """What two classifiers learned from an answer.

    Parameters
    ----------
    of_graph, of_linear : float [task, way, query]
        What they say of the nodes: log probabilities that are as sure as the answer.
    scores : float [task, node, way]
        F_j / √d_j of what was spread, by which any row is read off the graph.
    weight : float [task, dim, way]
        Of the linear classifier.
    scales : float [task, 2]
        Factors that make the log of what is read off, and the linear classifier's scores, as sure as the answer.
    """

    of_graph: Float[Tensor, "task way query"]
    of_linear: Float[Tensor, "task way query"]
    scores: Float[Tensor, "task node way"]
    weight: Float[Tensor, "task dim way"]
    scales: Float[Tensor, "task 2"]


class GraphNodes:
    """The nodes of a graph as rows that are taught and teach: labelled ones first, which have one answer only.

    Parameters
    ----------
    graph : SparseGraph
        With what it was built from.
    one_hot : float [task, labelled, way]
        Classes of the labelled rows.
    """

    def __init__(self, graph: SparseGraph, one_hot: Float[Tensor, "task support way"]) -> None:
        assert graph.built is not None
        self.graph, self.built, self.one_hot, self.n_labelled = graph, graph.built, one_hot, one_hot.shape[1]
        self.real = (graph.radius > 0).to(graph.nodes)[..., None]
        self.mean = (graph.nodes * self.real).sum(1, keepdim=True) / self.real.sum(1, keepdim=True).clamp_min(1)
        self.seen = (graph.nodes - self.mean) * self.real
        weight = self.real[:, self.n_labelled :].mT
        self.rows = OneSlice(Slice(self.seen[:, self.n_labelled :], weight, weight, 0, None, None))
        self.wide = self.seen.shape[1] < self.seen.shape[2]
        gram = self.seen @ self.seen.mT if self.wide else self.seen.mT @ self.seen
        ridge = RIDGE * self.seen.square().sum((1, 2)) / self.seen.shape[2]
        self.factors = torch.linalg.cholesky(gram + torch.diag_embed(ridge.clamp_min(1e-12)[:, None].expand(-1, gram.shape[1])))

    def answered(self, blend: Blend) -> Float[Tensor, "task way node"]:
        """Return what the blend says of the queries, as log probabilities."""
        unit = self.built.unit[:, self.n_labelled :]
        spread = self.graph.read_nodes(self.graph.scores)[..., self.n_labelled :]
        return blend.joined(unit, spread).log_softmax(1)

    def teach(self, answer: Float[Tensor, "task way node"], wanted: Float[Tensor, "task 1"]) -> Taught:
        """Spread labels and answer over the graph, and fit a ridge regression to them."""
        seeds = torch.cat([self.one_hot, (SHARPER * answer).softmax(1).mT * self.real[:, self.n_labelled :]], 1)
        scores = self.built.spread(seeds, ALPHA, SPREADS)
        share = seeds.sum(1, keepdim=True) / self.real.sum(1, keepdim=True).clamp_min(1)
        weight = self.regressed(seeds - share * self.real) / share.clamp_min(1e-6).sqrt()
        both = floored(self.graph.read_nodes(scores)[..., self.n_labelled :]).log(), (self.seen[:, self.n_labelled :] @ weight).mT
        scales = [self.factor(one, wanted) for one in both]
        of_graph, of_linear = ((scale[..., None] * one).log_softmax(1) for scale, one in zip(scales, both, strict=True))
        return Taught(of_graph, of_linear, scores, weight, torch.cat(scales, 1))

    def regressed(self, targets: Float[Tensor, "task node way"]) -> Float[Tensor, "task dim way"]:
        """Return the ridge regression's weights, by way of the smaller of two systems."""
        if self.wide:
            return self.seen.mT @ torch.cholesky_solve(targets, self.factors)
        return torch.cholesky_solve(self.seen.mT @ targets, self.factors)

    def as_sure(self, logits: Float[Tensor, "task way node"], wanted: Float[Tensor, "task 1"]) -> Float[Tensor, "task way node"]:
        """Return log probabilities that leave as much open as is wanted."""
        return (self.factor(logits, wanted)[..., None] * logits).log_softmax(1)

    def mix(self, answer: Float[Tensor, "task way node"]) -> Float[Tensor, "task way"]:
        """Return the class mix of the queries."""
        (mass,) = self.rows.total(Mass(lambda part: answer, torch.zeros_like(answer[..., :1])))
        return (mass[..., 0] / self.rows.count.clamp_min(1)).to(answer)

    def potential(self, mix: Float[Tensor, "task way"], answer: Float[Tensor, "task way node"]) -> Float[Tensor, "task way 1"]:
        """Return what makes an answer nearly meet a class mix."""
        return approach(self.rows, lambda part: answer, mix, torch.zeros_like(answer[..., :1]), BALANCED)

    def factor(self, logits: Float[Tensor, "task way node"], wanted: Float[Tensor, "task 1"]) -> Float[Tensor, "task 1"]:
        """Return the factor that makes logits leave as much open as is wanted."""
        return as_sure_as(wanted, lambda part: logits, self.rows, *SURENESS)

    def doubt(self, answer: Float[Tensor, "task way node"]) -> Float[Tensor, "task 1"]:
        """Return what an answer leaves open, in rows."""
        return self.rows.total(Doubt(lambda part: answer, torch.ones_like(self.rows.count)))[0]

    def agreement(self, one: Float[Tensor, "task way node"], other: Float[Tensor, "task way node"]) -> Float[Tensor, "task 1"]:
        """Return in what share of the queries two answers agree."""
        weight = self.rows.part.weight[:, 0]
        same = (one.argmax(1) == other.argmax(1)).to(weight) * weight
        return same.sum(1, keepdim=True) / self.rows.count.clamp_min(1)
