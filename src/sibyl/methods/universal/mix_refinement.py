"""The answer for few rows: solved again, told the class mix that the rows came to, and the answers averaged.

A few rows a class say little of how many each class has, and much hangs on that. So the mix is
taken from the first answer, once alone and once together with plain ones: a mixture anchored to the
labelled rows and, where that speaks for it, the labels spread over the graph. The task is
solved again with each mix as if it were known. The more uneven the first answer's mix is, the more
the second of these counts. All numbers here were chosen on training and validation classes
(docs/log.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sibyl.methods.anchored_means import AnchoredMeans
from sibyl.methods.classifiers import class_means
from sibyl.methods.universal.balance import Mass, remembered
from sibyl.methods.universal.blend import LocalModel, floored
from sibyl.methods.universal.graph import FEW
from sibyl.methods.universal.rows import Rows, Slice, Totals
from sibyl.methods.universal.sureness import as_sure_as, doubt_of
from sibyl.methods.universal.viewpoint import Viewpoint

SHARPNESS = 5.0  # power of the class probabilities before they are counted: as they are, they even the mix out
LEAST = 0.2  # rows that each class gets beside
FIRST = 0.2  # weight of the first answer; the rest is shared by the two that are told a mix
ALL, UNEVEN = 0.6, 0.05  # the largest share of the one told the mix of all, and how far from even (0 … 1) the mix is there
SURE_ENOUGH = (0.7, 0.9)  # mean sureness of the first answer up to which the graph is not heard, and from which on in full
CLEARER = 0.05  # the graph is heard in full where it leaves so much less open, of all rows, than the mixture contradicts
MANY_CLASSES = (10, 20)  # classes up to which the graph is heard, and from which on not
ROWS_A_CLASS = (2, 6)  # unlabelled rows a class up to which no answer is told a mix, and from which on
SURENESS = (0.05, 3.0)  # ends of the factor that makes the mean as sure as the first answer
PLAIN = AnchoredMeans()


@dataclass(frozen=True, eq=False)
class LogMean:
    """``Σ_m a_m log p_m(c | u)`` over local models.

    Parameters
    ----------
    models : tuple of LocalModel
    trust : float [task, model]
        a.
    """

    models: tuple[LocalModel, ...]
    trust: Float[Tensor, "task model"]

    def logits(self, part: Slice) -> Float[Tensor, "task way row"]:
        """Return the logits of a slice of the rows."""
        return self(part.unit)

    def __call__(self, unit: Float[Tensor, "task row dim"]) -> Float[Tensor, "task way row"]:
        """Return the logits of prepared rows."""
        weights = self.trust[..., None, None].unbind(1)
        return torch.stack([weight * model(unit) for weight, model in zip(weights, self.models, strict=True)]).sum(0)


def share_of_told(
    rows: Rows, n_rows: Float[Tensor, "task 1"], fell_back: Bool[Tensor, " task"], n_way: int
) -> Float[Tensor, "task 1"]:
    """Return the weight of answers that are told a mix.

    None where one or two unlabelled rows a class are counted, which say nothing of a mix and make
    new rows worse; all from six a class up to half of `FEW` rows, labelled ones among them; none
    from `FEW` on.
    """
    least, enough = ROWS_A_CLASS
    rises = ((rows.count / n_way - least) / (enough - least)).clamp(0, 1)
    return torch.where(fell_back[:, None], 0.0, rises * (2 - 2 * n_rows / FEW).clamp(0, 1))


def refine_mix(
    first: LocalModel,
    told: Callable[[Float[Tensor, "task way"]], LocalModel],
    support: Float[Tensor, "task support dim"],
    y: Float[Tensor, "task support way"],
    rows: Rows,
    told_share: Float[Tensor, "task 1"],
) -> LogMean:
    """Solve twice more, told a class mix, and average.

    Parameters
    ----------
    first : LocalModel
        The answer that was told nothing.
    told : callable
        Class mix → the answer that is told it.
    support : float [task, support, dim]
        Prepared labelled rows.
    y : float [task, support, way]
        Their classes, one-hot times what each counts for.
    rows : Rows
        The unlabelled rows.
    told_share : float [task, 1]
        Weight of the answers that are told a mix, 0 … 1, beside `FIRST`.
    """
    mix, n_way = counted_mix(rows, first), y.shape[2]
    mixture = anchored_mixture(support, y, rows)
    (compared,) = rows.total(_Compared(first, mixture))
    doubt, of_graph, contradicted = compared.split(1, 1)
    plain = PlainAnswers(mixture, share_of_graph(rows, n_way, doubt, of_graph, contradicted))
    models = (first, told(mix), told(counted_mix(rows, first, plain)))
    unevenness = 1 + torch.special.xlogy(mix, mix).sum(1, keepdim=True) / math.log(max(2, n_way))
    of_all = ALL * (unevenness / UNEVEN).clamp(0, 1)
    told_share = (1 - FIRST) * told_share
    mean = LogMean(models, torch.cat([1 - told_share, told_share * (1 - of_all), told_share * of_all], 1))
    # the first answer was trained to be as sure as it is right; those told a mix as if it were known are too sure
    factor = torch.where(told_share > 0, as_sure_as(doubt, remembered(mean.logits, rows, n_way), rows, *SURENESS), 1.0)
    return LogMean(models, mean.trust * factor)


@dataclass(frozen=True, eq=False)
class _Compared:
    """Sums over a slice: what the first answer leaves open, and the graph; rows that the mixture puts elsewhere."""

    first: LocalModel
    mixture: LocalModel

    def __call__(self, part: Slice) -> Totals:
        """Go over one slice."""
        said = self.first(part.unit)
        elsewhere = (said.argmax(1) != self.mixture(part.unit).argmax(1)).to(said.dtype)
        each = torch.stack([doubt_of(said.exp()), doubt_of(floored(part.graph)), elsewhere], 1)
        return ((each * part.weight).sum(2),)


def share_of_graph(
    rows: Rows,
    n_way: int,
    doubt: Float[Tensor, "task 1"],
    of_graph: Float[Tensor, "task 1"],
    contradicted: Float[Tensor, "task 1"],
) -> Float[Tensor, "task 1"]:
    """Return the graph's weight beside the mixture, at most a half.

    None where the first answer is unsure: there clusters are no classes, and a graph is sure of
    them all the same (pixels of photographs). None where the mixture contradicts the first answer
    in no more rows than the graph leaves open: there class means say it all (sentences). None among
    many classes, where first answer and graph are wrong of sentences in the same rows.

    Parameters
    ----------
    rows : Rows
        The unlabelled rows.
    n_way : int
        Number of classes.
    doubt, of_graph : float [task, 1]
        What the first answer and the graph leave open, in rows.
    contradicted : float [task, 1]
        Rows that the mixture puts elsewhere than the first answer.
    """
    count, (least, enough) = rows.count.clamp_min(1), SURE_ENOUGH
    is_sure = ((1 - doubt / count - least) / (enough - least)).clamp(0, 1)
    is_clearer = ((contradicted - of_graph) / count / CLEARER).clamp(0, 1)
    few, many = MANY_CLASSES
    of_few_classes = min(1.0, max(0.0, (many - n_way) / (many - few)))
    return (of_few_classes * is_sure * is_clearer / 2).to(rows.count.dtype)


@dataclass(frozen=True, eq=False)
class PlainAnswers:
    """The geometric mean of what a mixture and the labels spread over the graph say, as logarithms.

    Parameters
    ----------
    mixture : LocalModel
    of_graph : float [task, 1]
        Weight of the graph; the mixture has the rest.
    """

    mixture: LocalModel
    of_graph: Float[Tensor, "task 1"]

    def __call__(self, part: Slice) -> Float[Tensor, "task way row"]:
        """Go over one slice."""
        return torch.lerp(self.mixture(part.unit), floored(part.graph).log(), self.of_graph[..., None])


def counted_mix(rows: Rows, first: LocalModel, plain: PlainAnswers | None = None) -> Float[Tensor, "task way"]:
    """Return the share of each class among the rows, by the first answer times `plain`, sharpened."""

    def sharpened(part: Slice) -> Tensor:
        said = first(part.unit)
        return SHARPNESS * (said if plain is None else said + plain(part))

    (mass,) = rows.total(Mass(sharpened, torch.zeros_like(first.bias)))
    mass = mass[..., 0].to(first.scale.dtype) + LEAST
    return mass / mass.sum(1, keepdim=True)


def anchored_mixture(support: Float[Tensor, "task support dim"], y: Float[Tensor, "task support way"], rows: Rows) -> LocalModel:
    """Run `AnchoredMeans` on prepared rows: the same steps with numbers that are the same for every task, and no graph."""
    anchor, shots = class_means(support, y), y.sum(1)[..., None]
    strength, count = PLAIN.anchor_weight * shots, rows.count[..., None]
    centre, mix = anchor, torch.full_like(shots, 1 / shots.shape[1])
    for _ in range(PLAIN.n_steps - 1):
        sums, mass = (one.to(anchor.dtype) for one in rows.total(_Assigned(_plain_model(centre, mix))))
        centre = (strength * anchor + sums) / (strength + mass).clamp_min(1e-12)
        mix = (mass + 1) / (count + shots.shape[1])
    return _plain_model(centre, mix)


def _plain_model(centre: Float[Tensor, "task way dim"], mix: Float[Tensor, "task way 1"]) -> LocalModel:
    """Return the mixture as it answers, flattened."""
    view = Viewpoint.of(centre, centre.mean(1, keepdim=True), centre.new_zeros(len(centre), 1, 1))
    scale = centre.new_full((len(centre), 1, 1), PLAIN.flattening * PLAIN.scale)
    return LocalModel(view, scale, PLAIN.flattening * PLAIN.mix_weight * mix.log())


@dataclass(frozen=True, eq=False)
class _Assigned:
    """Sum of the rows of a slice that each class gets, and their number."""

    model: LocalModel

    def __call__(self, part: Slice) -> Totals:
        """Go over one slice."""
        assigned = (self.model(part.unit) / PLAIN.flattening).softmax(1) * part.weight
        return assigned @ part.unit, assigned.sum(2, keepdim=True)
