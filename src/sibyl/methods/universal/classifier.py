"""The local model that universal SIB ends in: new rows → logits, and how likely a row is of none of the classes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sibyl.methods.universal.blend import Blend, LocalModel
from sibyl.methods.universal.mix_refinement import LogMean
from sibyl.methods.universal.outlier_refinement import OutlierRefinement
from sibyl.methods.universal.rows import Slice, power_rows
from sibyl.methods.universal.self_training import SelfTrained
from sibyl.methods.universal.viewpoint import Viewpoint, Viewpoints, best_and_margin

N_OUTLIER_FEATURES = 17


@dataclass(frozen=True, eq=False)
class UniversalClassifier:
    """``scale · cos(u − o, w_c − w̄) + bias_c`` for prepared rows u.

    Parameters
    ----------
    exponent : float [task, 1, 1]
        Of the power transform.
    view, first : Viewpoint
        The adapted class means, and the means of the labelled rows.
    scale : float [task, 1, 1]
        Inverse temperature.
    bias : float [task, way, 1]
        Log share of each class, as far as it is believed, or the potential that balances the
        classes as the caller said.
    typical : float [task, 1, 1]
        Mean over the queries of the largest cosine.
    around, first_around : Viewpoint
        The adapted class means and the means of the labelled rows, all seen from the mean of the
        queries, as are the rows.
    context : float [task, number]
        What the score's worth depends on: labelled and unlabelled rows per class, how even the
        class mix seems, the last shift.
    outlier_network : module
        Seventeen numbers of a row → log odds that it belongs to none of the classes, before
        refinement.
    second : OutlierRefinement, optional
        Corrects those odds; without it they are the answer.
    blend : SelfTrained, Blend or LogMean, optional
        The answer for a pile, or for few rows, in the place of the class means alone.
    """

    exponent: Float[Tensor, "task 1 1"]
    view: Viewpoint
    first: Viewpoint
    scale: Float[Tensor, "task 1 1"]
    bias: Float[Tensor, "task way 1"]
    typical: Float[Tensor, "task 1 1"]
    around: Viewpoint
    first_around: Viewpoint
    context: Float[Tensor, "task number"]
    outlier_network: nn.Module
    second: OutlierRefinement | None = None
    blend: SelfTrained | Blend | LogMean | None = None

    def __call__(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row way"]:
        """Return the logits of rows of features as they come from the encoder."""
        unit = power_rows(x, self.exponent)
        return (self.logits(unit) if self.blend is None else self.blend(unit)).mT

    @property
    def model(self) -> LocalModel:
        """The class means alone."""
        return LocalModel(self.view, self.scale, self.bias)

    def of_slice(self, part: Slice) -> Float[Tensor, "task way row"]:
        """Return the logits of rows that were solved with."""
        return self.logits(part.unit) if self.blend is None else self.blend.logits(part)

    def logits(self, unit: Float[Tensor, "task row dim"]) -> Float[Tensor, "task way row"]:
        """Return the logits of prepared rows under the class means."""
        return self.scale * self.view.cosines(unit) + self.bias

    def outlier_score(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row"]:
        """Return how likely each row is of none of the classes, 0 … 1."""
        return torch.sigmoid(self.outlier_logits(power_rows(x, self.exponent)))

    def outlier_logits(self, unit: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row"]:
        """Return the log odds that prepared rows are of none of the classes."""
        columns, odds, probability = self.first_outlier_logits(unit)
        return odds if self.second is None else self.second.logits(unit, columns, odds, probability)

    def first_outlier_logits(
        self, unit: Float[Tensor, "task row dim"]
    ) -> tuple[Float[Tensor, "task row number"], Float[Tensor, "task row"], Float[Tensor, "task way row"]]:
        """Return what the outlier network sees of prepared rows, its log odds, and the class probabilities."""
        (cosine, first, seen, at_first), _ = Viewpoints.of(self.view, self.first, self.around, self.first_around)(unit)
        best, margin = best_and_margin(cosine)
        logits = self.scale * cosine + self.bias
        probability = logits.softmax(1)
        length = torch.linalg.vector_norm(unit - self.first.origin, dim=-1)[:, None]
        columns = (
            3 * best, 3 * margin, 3 * cosine.mean(1, keepdim=True), 3 * (best - self.typical), length,
            logits.logsumexp(1, keepdim=True) / 5, 3 * first.amax(1, keepdim=True), probability.amax(1, keepdim=True),
            3 * seen.amax(1, keepdim=True), 3 * seen.mean(1, keepdim=True), 3 * at_first.amax(1, keepdim=True),
            3 * at_first.mean(1, keepdim=True), 3 * (probability * at_first).sum(1, keepdim=True),
        )  # fmt: skip
        context = self.context[:, None, None].expand(-1, *best.shape[1:], -1)
        seen_of_rows = torch.cat([torch.stack(columns, -1), context], -1)[:, 0]
        odds: Tensor = self.outlier_network(seen_of_rows)
        return seen_of_rows, odds[..., 0], probability

    def where(self, chosen: Bool[Tensor, " task"], other: UniversalClassifier) -> UniversalClassifier:
        """Return this classifier for the chosen tasks and `other` for the rest."""
        pick = chosen[:, None, None]
        return replace(
            self,
            view=self.view.where(pick, other.view),
            scale=torch.where(pick, self.scale, other.scale),
            bias=torch.where(pick, self.bias, other.bias),
            typical=torch.where(pick, self.typical, other.typical),
            around=self.around.where(pick, other.around),
            first_around=self.first_around.where(pick, other.first_around),
            context=torch.where(chosen[:, None], self.context, other.context),
            second=self.second if self.second is None or other.second is None else self.second.where(chosen, other.second),
        )
