"""The answer for a pile: what the adapted means, the graph of all rows and the labelled rows alone say, each as far as it is trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from sibyl.methods.universal.balance import Mass, Score, reach, remembered
from sibyl.methods.universal.perceptron import perceptron
from sibyl.methods.universal.rows import Rows, Slice, Totals
from sibyl.methods.universal.sparse_graph import SparseGraph
from sibyl.methods.universal.statistics import MANY_WAYS, log_of
from sibyl.methods.universal.viewpoint import Viewpoint

N_DESCRIPTORS = 11
FLOOR = 0.01  # share of an even answer in what the graph says: its zeros are not certain
SMOOTHING = 0.05  # of an even class mix, likewise
ONE_LABEL, FIVE_LABELS = 1.1, 0.9  # temperatures with one label a class and with five or more (validation classes, docs/log.md)


class BlendNetwork(nn.Module):
    """What describes the answers of a pile → how far each is trusted, and how far the class mix is evened out.

    Untrained it trusts the adapted means alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.usual = nn.Parameter(torch.tensor([0.54, -5.0, -5.0, -5.0]))
        self.correction = perceptron(N_DESCRIPTORS, 8, 4)

    def forward(self, descriptors: Float[Tensor, "task descriptor"]) -> Float[Tensor, "task 4"]:
        """Return trust in the means, in the graph, in the labelled rows alone, and γ."""
        return softplus(self.usual + self.correction(descriptors))


@dataclass(frozen=True, eq=False)
class LocalModel:
    """``scale · cos(u − o, w_c − w̄) + bias_c`` for prepared rows u, as log probabilities.

    Parameters
    ----------
    view : Viewpoint
    scale : float [task, 1, 1]
    bias : float [task, way, 1]
    """

    view: Viewpoint
    scale: Float[Tensor, "task 1 1"]
    bias: Float[Tensor, "task way 1"]

    def __call__(self, unit: Float[Tensor, "task row dim"]) -> Float[Tensor, "task way row"]:
        """Return log probabilities."""
        return (self.scale * self.view.cosines(unit) + self.bias).log_softmax(1)


@dataclass(frozen=True, eq=False)
class Blend:
    """``Σ_m a_m log p_m(c | u) + b_c`` over the adapted means, the graph and the labelled rows alone: a product of experts.

    The temperature that follows from the number of labels (`pile_temperature`) is inside a and b.

    Parameters
    ----------
    means, alone : LocalModel
        The adapted class means, and the inductive answer.
    graph : SparseGraph
        Some nodes of the graph, for rows that come later.
    trust : float [task, 3]
        a.
    bias : float [task, way, 1]
        ``−γ log(share_c)``, or the potential that makes the rows meet the class mix that the caller
        gave.
    """

    means: LocalModel
    alone: LocalModel
    graph: SparseGraph
    trust: Float[Tensor, "task 3"]
    bias: Float[Tensor, "task way 1"]

    @classmethod
    def of(
        cls,
        means: LocalModel,
        alone: LocalModel,
        graph: SparseGraph,
        rows: Rows,
        shares: Float[Tensor, "task way"] | None,
        network: BlendNetwork,
        fade: Float[Tensor, "task 1"],
        n_labels: Float[Tensor, "task way"],
    ) -> Blend:
        """Go over the rows for what describes the answers, and again for the class mix that they come to.

        Where `fade` is 0 the adapted means answer as they are; 1 is the network's word, at the
        temperature that `n_labels`, the labels of each class as they are weighed, ask for. It changes
        no label where no mix is given.
        """
        n_way, count = means.bias.shape[1], rows.count
        trust, gamma = network(describe(means, alone, rows, n_way, prior_given=shares is not None)).split([3, 1], 1)
        trust = trust * fade + (1 - fade) * trust.new_tensor([1.0, 0.0, 0.0])
        temperature = 1 + fade * (pile_temperature(n_labels) - 1)
        blend = cls(means, alone, graph, trust, torch.zeros_like(means.bias))
        if shares is not None:
            blend = replace(blend, trust=trust / temperature)
            score: Score = remembered(blend.logits, rows, n_way)
            return replace(blend, bias=reach(rows, score, shares, blend.bias))
        (mass,) = (one.to(count.dtype) for one in rows.total(Mass(blend.logits, blend.bias)))
        share = mass / count.clamp_min(1)[..., None] * n_way
        bias = -(gamma.clamp_max(1.5) * fade)[..., None] * (share + SMOOTHING).log()
        return replace(blend, trust=trust / temperature, bias=bias / temperature[..., None])

    def logits(self, part: Slice) -> Float[Tensor, "task way row"]:
        """Return the logits of rows of the pile."""
        return self.joined(part.unit, part.graph)

    def __call__(self, unit: Float[Tensor, "task row dim"]) -> Float[Tensor, "task way row"]:
        """Return the logits of prepared rows."""
        return self.joined(unit, self.graph.read(unit))

    def joined(self, unit: Float[Tensor, "task row dim"], spread: Float[Tensor, "task way row"]) -> Float[Tensor, "task way row"]:
        """Return the logits of prepared rows, of which the graph says `spread`."""
        of_means, of_graph, of_alone = self.trust[..., None, None].unbind(1)
        return of_means * self.means(unit) + of_graph * floored(spread).log() + of_alone * self.alone(unit) + self.bias


@dataclass(frozen=True, eq=False)
class _Described:
    """How sure each answer is about a slice, how often two agree, how many rows two of them give each class."""

    means: LocalModel
    alone: LocalModel

    def __call__(self, part: Slice) -> Totals:
        """Go over one slice."""
        answers = [self.means(part.unit).exp(), floored(part.graph), self.alone(part.unit).exp()]
        best = [answer.max(1) for answer in answers]
        said = [one.indices for one in best]
        pairs = ((said[0] == said[1]), (said[0] == said[2]), (said[1] == said[2]))
        return (
            (torch.stack([one.values for one in best], 1) * part.weight).sum(2),
            (torch.stack(pairs, 1) * part.weight).sum(2),
            torch.stack([(answer * part.weight).sum(2) for answer in answers[:2]], 2),
        )


def pile_temperature(n_labels: Float[Tensor, "task way"]) -> Float[Tensor, "task 1"]:
    """Return what the logits of a pile are divided by: with one label a class they are a little too sure, with five too modest.

    What counts is the geometric mean of the labels, over the classes that have any: one class with
    many makes the answer no surer of the others.
    """
    return (ONE_LABEL * (FIVE_LABELS / ONE_LABEL) ** (log_labels(n_labels) / math.log(5))).clamp_min(FIVE_LABELS)


def log_labels(n_labels: Float[Tensor, "task way"]) -> Float[Tensor, "task 1"]:
    """Mean log of the labels of the classes that have any."""
    has_any = (n_labels > 0).to(n_labels)
    return (n_labels.clamp_min(1).log() * has_any).sum(1, keepdim=True) / has_any.sum(1, keepdim=True).clamp_min(1)


def floored(probability: Float[Tensor, "task way row"]) -> Float[Tensor, "task way row"]:
    """Blend with an even answer."""
    return (1 - FLOOR) * probability + FLOOR / probability.shape[1]


@torch.no_grad()
def describe(
    means: LocalModel, alone: LocalModel, rows: Rows, n_way: int, *, prior_given: bool
) -> Float[Tensor, "task descriptor"]:
    """Say how sure each answer is, how often two agree, how even their class mixes are: nothing that takes a label."""
    count = rows.count
    sureness, agreement, mixes = (one.to(count.dtype) for one in rows.total(_Described(means, alone)))
    total = count.clamp_min(1)
    mixes = mixes / total[..., None]
    evenness = -torch.special.xlogy(mixes, mixes).sum(1) / torch.log(count.new_tensor(max(2, n_way)))
    one = torch.ones_like(count)
    ways, per_class = (one * min(n_way, MANY_WAYS)).log() / 2 - 1.5, log_of(total / n_way) / 2 - 2
    columns = [
        ways,
        per_class,
        log_odds(sureness / total),
        log_odds(agreement / total),
        10 * evenness - 9.5,
        one * float(prior_given),
    ]
    return torch.cat(columns, 1)


def log_odds(share: Float[Tensor, "task number"]) -> Float[Tensor, "task number"]:
    """Half the log odds of shares between 2 and 98 %."""
    return torch.logit(share.clamp(0.02, 0.98)) / 2
