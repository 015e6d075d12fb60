"""The answer for few rows: solved again, told the class mix that the rows came to, and the answers averaged.

A few rows a class say little of how many each class has, and much hangs on that. So the mix is
taken from the first answer, once alone and once together with a plain mixture anchored to the
labelled rows, and the task is solved again with each as if it were known. The more uneven the first
answer's mix is, the more the second of these counts. All numbers here were chosen on training and
validation classes (docs/log.md).
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
from sibyl.methods.universal.balance import Mass, Score, remembered
from sibyl.methods.universal.blend import LocalModel
from sibyl.methods.universal.graph import FEW
from sibyl.methods.universal.rows import Rows, Slice, Totals
from sibyl.methods.universal.viewpoint import Viewpoint

SHARPNESS = 5.0  # power of the class probabilities before they are counted: as they are, they even the mix out
LEAST = 0.2  # rows that each class gets beside
FIRST = 0.2  # weight of the first answer; the rest is shared by the two that are told a mix
BOTH, UNEVEN = 0.6, 0.05  # the largest share of the one told the mix of both, and how far from even (0 … 1) the mix is there
ROWS_A_CLASS = (2, 6)  # unlabelled rows a class up to which no answer is told a mix, and from which on
SURENESS = (0.05, 3.0)  # ends of the factor that makes the mean as sure as the first answer
N_HALVINGS = 22
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


def share_of_told(rows: Rows, fell_back: Bool[Tensor, " task"], n_way: int) -> Float[Tensor, "task 1"]:
    """Return the weight of answers that are told a mix.

    None where one or two rows a class are counted, which say nothing of a mix and make new rows
    worse; all from six a class up to half of `FEW` rows; none from `FEW` on.
    """
    least, enough = ROWS_A_CLASS
    rises = ((rows.count / n_way - least) / (enough - least)).clamp(0, 1)
    return torch.where(fell_back[:, None], 0.0, rises * (2 - 2 * rows.count / FEW).clamp(0, 1))


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
    models = (first, told(mix), told(counted_mix(rows, first, anchored_mixture(support, y, rows))))
    unevenness = 1 + torch.special.xlogy(mix, mix).sum(1, keepdim=True) / math.log(max(2, n_way))
    of_both = BOTH * (unevenness / UNEVEN).clamp(0, 1)
    told_share = (1 - FIRST) * told_share
    mean = LogMean(models, torch.cat([1 - told_share, told_share * (1 - of_both), told_share * of_both], 1))
    factor = torch.where(told_share > 0, as_sure_as(first, mean, rows), 1.0)
    return LogMean(models, mean.trust * factor)


def as_sure_as(first: LocalModel, mean: LogMean, rows: Rows) -> Float[Tensor, "task 1"]:
    """Return the factor on the logits of `mean` at which its mean confidence is that of `first`.

    The first answer was trained to be as sure as it is right; answers that are told a mix, as if it
    were known, are too sure.
    """
    n_way = first.bias.shape[1]
    one = torch.ones_like(rows.count)
    wanted = rows.total(_Doubt(LogMean((first,), one).logits, one))[0]
    score = remembered(mean.logits, rows, n_way)
    least, most = (torch.full_like(rows.count, math.log(end)) for end in SURENESS)
    for _ in range(N_HALVINGS):
        middle = (least + most) / 2
        is_surer = rows.total(_Doubt(score, middle.exp()))[0] < wanted
        least, most = torch.where(is_surer, least, middle), torch.where(is_surer, middle, most)
    return ((least + most) / 2).exp()


@dataclass(frozen=True, eq=False)
class _Doubt:
    """Sum over a slice of the probabilities of all classes but the likeliest, which 1 less the largest would round away."""

    score: Score
    factor: Float[Tensor, "task 1"]

    def __call__(self, part: Slice) -> Totals:
        """Go over one slice."""
        probability = (self.factor[..., None] * self.score(part)).softmax(1)
        others = probability.scatter(1, probability.argmax(1, keepdim=True), 0.0).sum(1)
        return ((others * part.weight[:, 0]).sum(1, keepdim=True),)


def counted_mix(rows: Rows, *answers: LocalModel) -> Float[Tensor, "task way"]:
    """Return the share of each class among the rows, by answers multiplied and sharpened."""
    sharpened = LogMean(answers, torch.full_like(rows.count, SHARPNESS).expand(-1, len(answers)))
    (mass,) = rows.total(Mass(sharpened.logits, torch.zeros_like(answers[0].bias)))
    mass = mass[..., 0].to(answers[0].scale.dtype) + LEAST
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
