"""Matching Networks: every query attends to the labelled items by cosine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from sibyl.methods.adapting_method import AdaptingMethod
from sibyl.methods.feature_scaling import FeatureScaling
from sibyl.methods.method import Traits
from sibyl.methods.query_objective import check_shape
from sibyl.tasks import Task


@dataclass(frozen=True, eq=False)
class SupportAttention:
    """``log Σ_{j: y_j = c} exp(scale · cos(D x, D x_j))``: the class probability of an attention over the support, before softmax.

    Parameters
    ----------
    support : float [task, support, dim]
        Embedded labelled items, of length one.
    one_hot : float [task, support, way]
        Their classes; padded rows are zero.
    diagonal : float [dim]
        D.
    scale : float []
        Inverse temperature of the attention.
    """

    support: Float[Tensor, "task support dim"]
    one_hot: Float[Tensor, "task support way"]
    diagonal: Float[Tensor, " dim"]
    scale: Float[Tensor, ""]

    def __call__(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row way"]:
        """Return the logits of rows of features."""
        score = self.scale * normalize(x * self.diagonal, dim=-1) @ self.support.mT
        real = self.one_hot.sum(-1)[:, None] > 0
        peak = score.masked_fill(~real, -torch.inf).amax(-1, keepdim=True).detach()
        # The difference is capped for padded rows alone: real ones lie below the peak.
        mass = (score - peak).clamp_max(0).exp() @ self.one_hot
        return mass.clamp_min(torch.finfo(mass.dtype).tiny).log() + peak


class MatchingNetworks(AdaptingMethod):
    """Matching Networks (Vinyals et al., NeurIPS 2016, arXiv 1606.04080), without full-context embeddings.

    ``P(y = c | x, S) = Σ_j a(x, x_j) [y_j = c]`` with ``a(x, x_j) = softmax_j(s cos(f(x), g(x_j)))``; the logits are its logarithm.

    ======== ============ =================================================
    symbol   here         paper
    ======== ============ =================================================
    f = g    `scaling`    convolutional network; here frozen features and a learned diagonal
    a        attention    softmax of cosines, equation 1
    s        `log_scale`  1; learned here, because frozen features cannot grow confident by themselves
    ======== ============ =================================================

    Full-context embeddings are left out: the bidirectional LSTM over the support makes the answer depend on the order in which the
    labelled items were listed, and its weights (16 dim²) would outweigh everything else here.

    Parameters
    ----------
    dim : int
        Columns of the features.
    diagonal : bool
        Learn one weight per column.
    """

    name: ClassVar[str] = "matching_networks"
    traits: ClassVar[Traits] = Traits(transductive=False, classifier=True)

    def __init__(self, dim: int, diagonal: bool = True) -> None:
        super().__init__()
        self.settings = {"dim": dim, "diagonal": diagonal}
        self.dim = dim
        self.scaling = FeatureScaling(dim, learned=diagonal)
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())

    def adapt(self, task: Task) -> SupportAttention:
        """Return the attention over a task's support."""
        check_shape(self.name, task, self.dim)
        support = normalize(self.scaling(task.support_x), dim=-1)
        return SupportAttention(support, task.support_one_hot, self.scaling.diagonal, self.log_scale.exp())
