"""The local model that universal SIB ends in: new rows → logits, and how likely a row is of none of the classes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sibyl.methods.universal.rows import power_rows
from sibyl.methods.universal.viewpoint import Viewpoint

N_OUTLIER_FEATURES = 8


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
        Log share of each class, as far as it is believed, or the potential that balances the classes as the caller said.
    typical : float [task, 1, 1]
        Mean over the queries of the largest cosine.
    outlier_network : module
        Eight numbers of a row → log odds that it belongs to none of the classes.
    """

    exponent: Float[Tensor, "task 1 1"]
    view: Viewpoint
    first: Viewpoint
    scale: Float[Tensor, "task 1 1"]
    bias: Float[Tensor, "task way 1"]
    typical: Float[Tensor, "task 1 1"]
    outlier_network: nn.Module

    def __call__(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row way"]:
        """Return the logits of rows of features as they come from the encoder."""
        return self.logits(power_rows(x, self.exponent)).mT

    def logits(self, unit: Float[Tensor, "task row dim"]) -> Float[Tensor, "task way row"]:
        """Return the logits of prepared rows."""
        return self.scale * self.view.cosines(unit) + self.bias

    def outlier_score(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row"]:
        """Return how likely each row is of none of the classes, 0 … 1."""
        return torch.sigmoid(self.outlier_logits(power_rows(x, self.exponent)))

    def outlier_logits(self, unit: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row"]:
        """Return the log odds that prepared rows are of none of the classes."""
        cosine, first = self.view.cosines(unit), self.first.cosines(unit)
        best = cosine.topk(2, dim=1).values
        top, gap = best[:, :1], best[:, :1] - best[:, 1:]
        logits = self.scale * cosine + self.bias
        length = torch.linalg.vector_norm(unit - self.first.origin, dim=-1)[:, None]
        columns = (
            3 * top, 3 * gap, 3 * cosine.mean(1, keepdim=True), 3 * (top - self.typical), length,
            logits.logsumexp(1, keepdim=True) / 5, 3 * first.amax(1, keepdim=True), logits.softmax(1).amax(1, keepdim=True),
        )  # fmt: skip
        odds: Tensor = self.outlier_network(torch.stack(columns, -1))
        return odds[:, 0, :, 0]

    def where(self, chosen: Bool[Tensor, " task"], other: UniversalClassifier) -> UniversalClassifier:
        """Return this classifier for the chosen tasks and `other` for the rest."""
        pick = chosen[:, None, None]
        view = Viewpoint(
            torch.where(pick, self.view.direction, other.view.direction), torch.where(pick, self.view.origin, other.view.origin)
        )
        return replace(
            self,
            view=view,
            scale=torch.where(pick, self.scale, other.scale),
            bias=torch.where(pick, self.bias, other.bias),
            typical=torch.where(pick, self.typical, other.typical),
        )
