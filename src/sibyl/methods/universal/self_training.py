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

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.methods.universal.balance import reach, remembered
from sibyl.methods.universal.blend import Blend, floored, log_labels, log_odds
from sibyl.methods.universal.graph import FEW
from sibyl.methods.universal.graph_nodes import GraphNodes, Taught
from sibyl.methods.universal.rows import Rows, Slice
from sibyl.methods.universal.sparse_graph import SparseGraph

ROUNDS = 2
LINEAR = 0.6  # largest share of the linear classifier
AGREES, WIDTH = -0.25, 0.05  # half log odds by which it must agree, and how sharply
CHANGED = 0.5  # how far the share of rows whose class changed lowers the temperature
PER_LABEL, MOST_LABELS = -0.1, 10  # power of the labels of a class, up to so many, likewise
FEW_NODES = 8  # rows a node up to which what the nodes were taught counts in full; from twice as many on it does not
FULL = 1 / 8  # of `FEW` rows beyond it: where the answer is all self-trained


@dataclass(frozen=True, eq=False)
class SelfTrained:
    """``a log p(c | u) + a' log p'(c | u) + a'' v_c·(x − μ) + b_c``: the blend of a pile, and the two that its answer taught.

    This is the answer for rows that are no nodes of the graph; see `PileAnswers`.

    Parameters
    ----------
    blend : Blend
        p.
    scores : float [task, node, way]
        By which p' is read off the nodes of the blend's graph.
    linear : float [task, dim, way]
        v, for rows x as the graph sees them.
    mean : float [task, 1, dim]
        μ, of the nodes.
    trust : float [task, 3]
        a, a', a''; how sure the answer is to be is inside.
    bias : float [task, way, 1]
        The potential that moves the rows' class mix half way to that of the blend, and to the one that the caller gave.
    """

    blend: Blend
    scores: Float[Tensor, "task node way"]
    linear: Float[Tensor, "task dim way"]
    mean: Float[Tensor, "task 1 dim"]
    trust: Float[Tensor, "task 3"]
    bias: Float[Tensor, "task way 1"]

    @classmethod
    def taught(
        cls,
        blend: Blend,
        graph: SparseGraph,
        rows: Rows,
        shares: Float[Tensor, "task way"] | None,
        fade: Float[Tensor, "task 1"],
        one_hot: Float[Tensor, "task support way"],
        n_labels: Float[Tensor, "task way"],
    ) -> PileAnswers:
        """Teach the nodes of a graph.

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
        nodes = GraphNodes(graph, one_hot)
        first = answer = nodes.answered(blend)
        wanted = nodes.doubt(first)
        for _ in range(ROUNDS):
            taught = nodes.teach(answer, wanted)
            share = linear_share(nodes, answer, taught)[..., None]
            answer = nodes.as_sure((1 - share) * taught.of_graph + share * taught.of_linear, wanted)
            potential = nodes.potential(half_way(nodes.mix(first), nodes.mix(answer)), answer)
            answer = (answer + potential).log_softmax(1)
        node_share = (2 - rows.count / (FEW_NODES * nodes.rows.count).clamp_min(1)).clamp(0, 1)[..., None]
        fade = fade[..., None]
        of_nodes = node_share * fade / temperature(nodes, first, answer, n_labels) * answer + (1 - node_share * fade) * first
        kept = (blend.graph.radius > 0).sum(1)[:, None, None] / nodes.real.sum(1, keepdim=True)
        parts = node_share * torch.cat([(1 - share) * kept, share], 1)  # of the two that were taught, for rows that are no nodes
        parts = torch.cat([1 - parts.sum(1, keepdim=True), parts], 1)
        said = torch.stack([first, taught.of_graph, taught.of_linear], 1)
        elsewhere = (parts[..., None] * said).sum(1)
        factor = nodes.factor(elsewhere, wanted)[..., None]
        potential = parts[:, 1:].sum(1, keepdim=True) * potential
        elsewhere = factor * elsewhere + potential
        cooled = fade / temperature(nodes, first, elsewhere, n_labels) ** node_share
        scales = torch.cat([torch.ones_like(share), taught.scales[..., None]], 1)
        trust = (cooled * factor * parts * scales + (1 - fade) * torch.eye(3).to(parts)[:, :1])[..., 0]
        scores = taught.scores[:, : blend.graph.nodes.shape[1]]
        trained = cls(blend, scores, taught.weight, nodes.mean, trust, cooled * potential)
        answers = PileAnswers.of(trained, of_nodes, nodes.built.places)
        if shares is None:
            return answers
        more = reach(rows, remembered(answers, rows, one_hot.shape[2]), shares, torch.zeros_like(trained.bias))
        return replace(answers, trained=replace(trained, bias=trained.bias + more), logits=answers.logits + more)

    def logits(self, part: Slice) -> Float[Tensor, "task way row"]:
        """Return the logits of rows of the pile."""
        of_blend = self.blend.logits(part)
        if not bool(self.trust[:, 1:].any()):  # so many rows that the search for their nearest nodes would cost more than it tells
            return self.trust[:, :1, None] * of_blend.log_softmax(1) + self.bias
        return self._joined(part.unit, of_blend, *self.blend.graph.nearest(part.unit))

    def __call__(self, unit: Float[Tensor, "task row dim"]) -> Float[Tensor, "task way row"]:
        """Return the logits of prepared rows."""
        near = self.blend.graph.nearest(unit)
        return self._joined(unit, self.blend.joined(unit, self.blend.graph.read_off(*near)), *near)

    def _joined(
        self,
        unit: Float[Tensor, "task row dim"],
        of_blend: Float[Tensor, "task way row"],
        index: Int[Tensor, "task row k"],
        squared: Float[Tensor, "task row k"],
    ) -> Float[Tensor, "task way row"]:
        a, of_graph, of_linear = self.trust[..., None, None].unbind(1)
        spread = floored(replace(self.blend.graph, scores=self.scores).read_off(index, squared)).log()
        seen = normalize(unit - self.blend.graph.middle, dim=-1) - self.mean
        return a * of_blend.log_softmax(1) + of_graph * spread + of_linear * (seen @ self.linear).mT + self.bias


@dataclass(frozen=True, eq=False)
class PileAnswers:
    """The answers of a pile: rows that are nodes have their own, in which what was spread stands in the place of the blend.

    Parameters
    ----------
    trained : SelfTrained
        What answers the others, and new rows.
    logits : float [task, way, node]
        Of the nodes.
    places : int [task, node]
        Where they stand among all rows, ascending; padding behind all of them.
    """

    trained: SelfTrained
    logits: Float[Tensor, "task way node"]
    places: Int[Tensor, "task node"]

    @classmethod
    def of(cls, trained: SelfTrained, logits: Float[Tensor, "task way node"], places: Int[Tensor, "task node"]) -> PileAnswers:
        """Sort the nodes by their places; a place below 0 is padding."""
        ascending, order = torch.where(places < 0, torch.iinfo(places.dtype).max, places).sort(1)
        return cls(trained, logits.gather(2, order[:, None].expand_as(logits)), ascending)

    def __call__(self, part: Slice) -> Float[Tensor, "task way row"]:
        """Return the logits of a slice."""
        place = torch.arange(part.first, part.first + part.unit.shape[1], device=self.places.device).expand(len(self.places), -1)
        at = torch.searchsorted(self.places, place.contiguous()).clamp_max(self.places.shape[1] - 1)
        is_node = self.places.gather(1, at) == place
        own = self.logits.gather(2, at[:, None].expand(-1, self.logits.shape[1], -1))
        return own if bool(is_node.all()) else torch.where(is_node[:, None], own, self.trained.logits(part))


def temperature(
    nodes: GraphNodes,
    first: Float[Tensor, "task way node"],
    answer: Float[Tensor, "task way node"],
    n_labels: Float[Tensor, "task way"],
) -> Float[Tensor, "task 1 1"]:
    """Return what an answer that is as sure as the first is divided by: the more labels it changed, the more of them it mended."""
    changed = 1 - nodes.agreement(first, answer)
    return ((1 - CHANGED * changed) * (PER_LABEL * log_labels(n_labels).clamp_max(math.log(MOST_LABELS))).exp())[..., None]


def half_way(first: Float[Tensor, "task way"], now: Float[Tensor, "task way"]) -> Float[Tensor, "task way"]:
    """Return the class mix between that of the first answer and that of today's: taught to itself, the answer gives to those that have."""
    mix = (first * now).sqrt()
    return mix / mix.sum(1, keepdim=True)


def share_of_trained(n_rows: Float[Tensor, "task 1"], fell_back: Tensor) -> Float[Tensor, "task 1"]:
    """Return how much of the answer is self-trained: nothing up to `FEW` rows, all from an eighth more on."""
    return torch.where(fell_back[:, None], 0.0, ((n_rows / FEW - 1) / FULL).clamp(0, 1))


def linear_share(nodes: GraphNodes, answer: Float[Tensor, "task way node"], taught: Taught) -> Float[Tensor, "task 1"]:
    """Return the share of the linear classifier, which counts where it agrees with the answer nearly as often as the graph does.

    Where classes are bent, as in pixels and tables, a linear classifier cannot even repeat what it
    was taught, and what it says is worse than that.
    """
    of_linear, of_graph = (log_odds(nodes.agreement(answer, one)) for one in (taught.of_linear, taught.of_graph))
    return LINEAR * torch.sigmoid((of_linear - of_graph - AGREES) / WIDTH)
