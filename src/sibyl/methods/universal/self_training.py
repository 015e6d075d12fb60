"""The answer for a pile, taught to itself: spread over the graph, and by a linear classifier, twice.

Labels say little of a pile, and its answer says something of every row. So what the `Blend` says of
the nodes of the graph is taught to two classifiers that know what it does not: labels and answer
are spread over the graph, which makes near rows alike, and a ridge regression on them weighs
directions of the features by how much rows differ along them, which class means do not. Their mean
is the next answer. All numbers here were chosen on training and validation classes (docs/log.md).

References
----------
H. J. Scudder, "Probability of error of some adaptive pattern-recognition machines", IEEE Trans. Information Theory 11, 1965
(self-training). D. Zhou et al., "Learning with Local and Global Consistency", NeurIPS 2003 (label spreading).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize, pad

from sibyl.methods.universal.balance import Score, reach, remembered
from sibyl.methods.universal.blend import Blend, floored, log_labels, log_odds
from sibyl.methods.universal.graph import FEW
from sibyl.methods.universal.rows import Rows, Slice, Totals, add_up
from sibyl.methods.universal.sparse_graph import NodeEdges, SparseGraph
from sibyl.methods.universal.sureness import Doubt, as_sure_as

ROUNDS = 2
SHARPER = 2.0  # power of the answer before it is taught
ALPHA, SPREADS = 0.8, 25  # of spreading it over the graph
RIDGE = 0.1  # of the mean variance of a column
LINEAR = 0.6  # largest share of the linear classifier
AGREES, WIDTH = -0.25, 0.05  # half log odds by which it must agree, and how sharply
SURENESS = (1e-2, 1e3)  # ends of the factor that makes an answer as sure as the first
CHANGED = 0.5  # how far the share of rows whose class changed lowers the temperature
PER_LABEL = -0.1  # power of the labels of a class, likewise
FEW_NODES = 8  # rows a node up to which the linear classifier counts in full for rows that are no nodes
FULL = 1 / 8  # of `FEW` rows beyond it: where the answer is all self-trained
BALANCED = 5  # rounds of Sinkhorn after each


@dataclass(frozen=True, eq=False)
class SelfTrained:
    """``a log p(c | u) + a' v_c·(x − μ) + b_c``: the blend of a pile, and a linear classifier that its answer taught.

    This is the answer for rows that are no nodes of the graph; see `NodeAnswers`.

    Parameters
    ----------
    blend : Blend
        p.
    linear : float [task, dim, way]
        v, for rows x as the graph sees them.
    mean : float [task, 1, dim]
        μ, of the nodes.
    trust : float [task, 2]
        a, a'; how sure the answer is to be is inside.
    bias : float [task, way, 1]
        The potential that makes the rows meet the class mix that the caller gave, or 0.
    """

    blend: Blend
    linear: Float[Tensor, "task dim way"]
    mean: Float[Tensor, "task 1 dim"]
    trust: Float[Tensor, "task 2"]
    bias: Float[Tensor, "task way 1"]

    @classmethod
    def of(
        cls,
        blend: Blend,
        graph: SparseGraph,
        rows: Rows,
        shares: Float[Tensor, "task way"] | None,
        fade: Float[Tensor, "task 1"],
        one_hot: Float[Tensor, "task support way"],
        n_labels: Float[Tensor, "task way"],
    ) -> tuple[SelfTrained, NodeAnswers | None]:
        """Teach the nodes of a graph, and return what answers any row, and where all rows are nodes what answers those.

        Where `fade` is 0 the blend answers as it is.

        Parameters
        ----------
        blend : Blend
            The answer that is taught.
        graph : SparseGraph
            Over all rows or over some, with what it was built from.
        rows : Rows
            All rows; gone over only where a class mix is given.
        shares : float [task, way], optional
            The class mix to meet.
        fade : float [task, 1]
            How much of the answer is self-trained.
        one_hot : float [task, support, way]
            Classes of the labelled rows, which are the first nodes.
        n_labels : float [task, way]
            Labels of each class as they are weighed.
        """
        assert graph.built is not None
        nodes = Nodes(graph, graph.built, one_hot)
        first = answer = nodes.answered(blend)
        wanted = nodes.doubt(first)
        for _ in range(ROUNDS):
            spread, linear, direction = nodes.teach(answer, wanted)
            share = linear_share(nodes, answer, spread, linear)[..., None]
            answer = nodes.as_sure((1 - share) * spread + share * linear, wanted)
            answer = nodes.met(half_way(nodes.mix(first), nodes.mix(answer)) if shares is None else shares, answer)
        fade = fade[..., None]
        answer = fade / temperature(nodes, first, answer, n_labels) * answer + (1 - fade) * first
        # of rows that are no nodes
        heard = (FEW_NODES * nodes.count / rows.count.clamp_min(1)).clamp_max(1)[..., None]
        share = heard * share
        elsewhere = (1 - share) * first + share * linear
        factor = nodes.factor(elsewhere, wanted)[..., None] / temperature(nodes, first, elsewhere, n_labels) ** heard
        trust = torch.cat([fade * factor * (1 - share) + 1 - fade, fade * factor * share * direction.scale[..., None]], 1)[..., 0]
        trained = cls(blend, direction.linear, nodes.mean, trust, torch.zeros_like(blend.bias))
        known = nodes.by_place(answer, rows)
        if shares is None:
            return trained, known
        score: Score = remembered(trained.logits, rows, one_hot.shape[2]) if known is None else known
        bias = reach(rows, score, shares, trained.bias)
        return replace(trained, bias=bias), None if known is None else NodeAnswers(known.logits + bias)

    def logits(self, part: Slice) -> Float[Tensor, "task way row"]:
        """Return the logits of rows of the pile."""
        return self._joined(self.blend.logits(part), part.unit)

    def __call__(self, unit: Float[Tensor, "task row dim"]) -> Float[Tensor, "task way row"]:
        """Return the logits of prepared rows."""
        return self._joined(self.blend(unit), unit)

    def _joined(
        self, of_blend: Float[Tensor, "task way row"], unit: Float[Tensor, "task row dim"]
    ) -> Float[Tensor, "task way row"]:
        of_answer, of_linear = self.trust[..., None, None].unbind(1)
        seen = normalize(unit - self.blend.graph.middle, dim=-1) - self.mean
        return of_answer * of_blend.log_softmax(1) + of_linear * (seen @ self.linear).mT + self.bias


@dataclass(frozen=True, eq=False)
class NodeAnswers:
    """The answers of rows that are nodes: what was spread over the graph stands in the place of the blend.

    Parameters
    ----------
    logits : float [task, way, place]
        By their place among all rows; 0 for padding.
    """

    logits: Float[Tensor, "task way place"]

    def __call__(self, part: Slice) -> Float[Tensor, "task way row"]:
        """Return the logits of a slice."""
        n_rows = part.unit.shape[1]
        found = self.logits[..., part.first : part.first + n_rows]
        return pad(found, (0, n_rows - found.shape[2]))  # padding may stand behind the last node


def temperature(
    nodes: Nodes, first: Float[Tensor, "task way node"], answer: Float[Tensor, "task way node"], n_labels: Float[Tensor, "task way"]
) -> Float[Tensor, "task 1 1"]:
    """Return what an answer that is as sure as the first is divided by: the more labels it changed, the more of them it mended."""
    changed = 1 - nodes.agreement(first, answer)
    return ((1 - CHANGED * changed) * (PER_LABEL * log_labels(n_labels)).exp())[..., None]


def half_way(first: Float[Tensor, "task way"], now: Float[Tensor, "task way"]) -> Float[Tensor, "task way"]:
    """Return the class mix between that of the first answer and that of today's: taught to itself, the answer gives to those that have."""
    mix = (first * now).sqrt()
    return mix / mix.sum(1, keepdim=True)


def share_of_trained(rows: Rows, fell_back: Tensor) -> Float[Tensor, "task 1"]:
    """Return how much of the answer is self-trained: nothing up to `FEW` rows, all from an eighth more on."""
    return torch.where(fell_back[:, None], 0.0, ((rows.count / FEW - 1) / FULL).clamp(0, 1))


def linear_share(nodes: Nodes, answer: Tensor, spread: Tensor, linear: Tensor) -> Float[Tensor, "task 1"]:
    """Return the share of the linear classifier, which counts where it agrees with the answer nearly as often as the graph does.

    Where classes are bent, as in pixels and tables, a linear classifier cannot even repeat what it
    was taught, and what it says is worse than that.
    """
    of_linear, of_graph = (log_odds(nodes.agreement(answer, one)) for one in (linear, spread))
    return LINEAR * torch.sigmoid((of_linear - of_graph - AGREES) / WIDTH)


@dataclass(frozen=True, eq=False)
class _Direction:
    """A linear classifier, and the factor on its scores that makes it as sure as the answer."""

    linear: Float[Tensor, "task dim way"]
    scale: Float[Tensor, "task 1"]


class Nodes:
    """The nodes of a graph as rows that teach: labelled ones first, which have one answer only."""

    def __init__(self, graph: SparseGraph, built: NodeEdges, one_hot: Float[Tensor, "task support way"]) -> None:
        self.graph, self.built, self.one_hot, self.n_labelled = graph, built, one_hot, one_hot.shape[1]
        self.real = (graph.radius > 0).to(graph.nodes)[..., None]
        self.weight = self.real[:, self.n_labelled :].mT
        self.count = self.weight.sum(2)
        self.mean = (graph.nodes * self.real).sum(1, keepdim=True) / self.real.sum(1, keepdim=True).clamp_min(1)
        self.seen = (graph.nodes - self.mean) * self.real
        self.wide = self.seen.shape[1] < self.seen.shape[2]
        gram = self.seen @ self.seen.mT if self.wide else self.seen.mT @ self.seen
        ridge = RIDGE * self.seen.square().sum((1, 2)) / self.seen.shape[2]
        self.factors = torch.linalg.cholesky(gram + torch.diag_embed(ridge.clamp_min(1e-12)[:, None].expand(-1, gram.shape[1])))

    def total(self, call: object) -> Totals:
        """Go over all queries as one slice."""
        part = Slice(self.seen[:, self.n_labelled :], self.weight, self.weight, 0, None, None)
        return add_up([call(part)])  # type: ignore[operator]

    def answered(self, blend: Blend) -> Float[Tensor, "task way node"]:
        """Return what the blend says of the queries, as log probabilities."""
        unit = self.built.unit[:, self.n_labelled :]
        spread = self.graph.read_nodes(self.graph.scores)[..., self.n_labelled :]
        return blend.joined(unit, spread).log_softmax(1)

    def teach(
        self, answer: Float[Tensor, "task way node"], wanted: Float[Tensor, "task 1"]
    ) -> tuple[Float[Tensor, "task way node"], Float[Tensor, "task way node"], _Direction]:
        """Return what the graph and the linear classifier say, log probabilities that are as sure as the answer, and the latter."""
        seeds = torch.cat([self.one_hot, (SHARPER * answer).softmax(1).mT * self.real[:, self.n_labelled :]], 1)
        of_graph = self.graph.read_nodes(self.built.spread(seeds, ALPHA, SPREADS))[..., self.n_labelled :]
        share = seeds.sum(1, keepdim=True) / self.real.sum(1, keepdim=True).clamp_min(1)
        linear = self.regressed(seeds - share * self.real) / share.clamp_min(1e-6).sqrt()
        scores = (self.seen[:, self.n_labelled :] @ linear).mT
        scale = self.factor(scores, wanted)
        return self.as_sure(floored(of_graph).log(), wanted), (scale[..., None] * scores).log_softmax(1), _Direction(linear, scale)

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
        return (answer.exp() * self.weight).sum(2) / self.count.clamp_min(1)

    def met(self, mix: Float[Tensor, "task way"], answer: Float[Tensor, "task way node"]) -> Float[Tensor, "task way node"]:
        """Return log probabilities that meet a class mix."""
        for _ in range(BALANCED):
            answer = (answer + (mix.clamp_min(1e-6) / self.mix(answer).clamp_min(1e-6)).log()[..., None]).log_softmax(1)
        return answer

    def factor(self, logits: Float[Tensor, "task way node"], wanted: Float[Tensor, "task 1"]) -> Float[Tensor, "task 1"]:
        """Return the factor that makes logits leave as much open as is wanted."""
        return as_sure_as(wanted, lambda part: logits, self, *SURENESS)

    def doubt(self, answer: Float[Tensor, "task way node"]) -> Float[Tensor, "task 1"]:
        """Return what an answer leaves open, in rows."""
        return self.total(Doubt(lambda part: answer, torch.ones_like(self.count)))[0]

    def agreement(self, one: Float[Tensor, "task way node"], other: Float[Tensor, "task way node"]) -> Float[Tensor, "task 1"]:
        """Return in what share of the queries two answers agree."""
        same = (one.argmax(1) == other.argmax(1)).to(self.weight) * self.weight[:, 0]
        return same.sum(1, keepdim=True) / self.count.clamp_min(1)

    def by_place(self, logits: Float[Tensor, "task way node"], rows: Rows) -> NodeAnswers | None:
        """Return the answers by the places of the rows; None where some rows are no nodes."""
        if not bool((self.count >= rows.count).all()):
            return None
        places = self.built.places
        known = logits.new_zeros(*logits.shape[:2], int(places.max()) + 2)  # the last takes the padding
        known.scatter_(2, torch.where(places < 0, known.shape[2] - 1, places)[:, None].expand_as(logits), logits)
        known[..., -1] = 0
        return NodeAnswers(known)
