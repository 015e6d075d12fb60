"""SNAIL: the support as a sequence, read by causal convolutions and attention, with the query as its last element."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import pad

from sibyl.methods.adapting_method import AdaptingMethod
from sibyl.methods.feature_scaling import unit_scale_rows
from sibyl.methods.method import Traits
from sibyl.methods.query_objective import check_shape
from sibyl.tasks import Classifier, Task

# Layers are causal, so what they say about the support does not depend on the query behind it. Each layer therefore maps the
# support once per task, and each query as if it stood at the next place of the sequence: cost grows with support + query.
Sequence = tuple[Float[Tensor, "task support channel"], Float[Tensor, "task query channel"]]


class CausalConvolution(nn.Module):
    """Dense block: ``x → [x, tanh(a) ⊙ sigmoid(b)]``, a and b convolutions over an element and the one `dilation` places before."""

    def __init__(self, channels: int, filters: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.here = nn.Linear(channels, 2 * filters)
        self.before = nn.Linear(channels, 2 * filters, bias=False)

    def forward(self, support: Tensor, query: Tensor, n_support: Int[Tensor, " task"]) -> Sequence:
        """Map support [task, support, channel] and query [task, query, channel]; queries stand at place `n_support`."""
        past = self.before(support)
        earlier = pad(past, (0, 0, self.dilation, 0))[:, : support.shape[1]]
        place = n_support - self.dilation
        tap = past.gather(1, place.clamp_min(0)[:, None, None].expand(-1, 1, past.shape[-1])) * (place >= 0)[:, None, None]
        grown = []
        for rows, tail in ((support, earlier), (query, tap)):
            value, gate = (self.here(rows) + tail).chunk(2, -1)
            grown.append(torch.cat([rows, value.tanh() * gate.sigmoid()], -1))
        return grown[0], grown[1]


class CausalAttention(nn.Module):
    """Dense block: ``x → [x, softmax(q kᵀ / √key) v]`` over an element and all before it."""

    def __init__(self, channels: int, key: int, value: int) -> None:
        super().__init__()
        self.widths = (key, key, value)
        self.project = nn.Linear(channels, sum(self.widths))

    def forward(self, support: Tensor, query: Tensor, n_support: Int[Tensor, " task"]) -> Sequence:
        """Map support [task, support, channel] and query [task, query, channel]; queries see the first `n_support` and themselves."""
        asked, keys, values = self.project(support).split(self.widths, -1)
        asked_query, own_key, own_value = self.project(query).split(self.widths, -1)
        temperature = self.widths[0] ** -0.5
        place = torch.arange(support.shape[1], device=support.device)
        score = (temperature * asked @ keys.mT).masked_fill(place[:, None] < place, -torch.inf)
        read = score.softmax(-1) @ values
        score = (temperature * asked_query @ keys.mT).masked_fill((place >= n_support[:, None])[:, None], -torch.inf)
        own = temperature * (asked_query * own_key).sum(-1, keepdim=True)
        attention = torch.cat([score, own], -1).softmax(-1)
        read_query = attention[..., :-1] @ values + attention[..., -1:] * own_value
        return torch.cat([support, read], -1), torch.cat([query, read_query], -1)


class SNAIL(AdaptingMethod):
    """The head of SNAIL (Mishra et al., ICLR 2018, arXiv 1707.03141) on frozen features.

    The sequence ``(x_1, y_1) … (x_n, y_n), (x_query, 0)`` passes attention, convolutions, attention, convolutions, attention; the last
    element's channels give the logits. Convolutions have dilations 2, 4 … 2^⌈log₂ T⌉ for sequences of T.

    ============= ======================= =====================================================
    here          paper                   default
    ============= ======================= =====================================================
    `filters`     D = 128                 16, so that a network stays under 1 MB
    attention     (key, value) = (64, 32), (256, 128), (512, 256): here D/2, 2 D, 4 D and half of each
    `embedding`   a convolutional network trained with it; here a learned linear map of rows of length √dim to 64 columns
    `longest`     T = n_way n_shot + 1    five shots; longer supports are seen whole by attention, in part by convolutions
    ============= ======================= =====================================================

    The answer depends on the order of the classes and also on that of the support's rows: the network reads a sequence. There are no
    batch statistics in this head.

    Parameters
    ----------
    dim, n_way : int
        Columns of the features; classes of every task.
    filters : int
        D.
    embedding : int
        Columns that features are mapped to.
    longest : int, optional
        Labelled items that the convolutions span together; left out, 5 n_way.
    """

    name: ClassVar[str] = "snail"
    traits: ClassVar[Traits] = Traits(transductive=False, equivariant=False, classifier=True)

    def __init__(self, dim: int, n_way: int, filters: int = 16, embedding: int = 64, longest: int | None = None) -> None:
        super().__init__()
        self.settings = {"dim": dim, "n_way": n_way, "filters": filters, "embedding": embedding, "longest": longest}
        self.dim, self.n_way = dim, n_way
        self.embed = nn.Linear(dim, embedding)
        n_dilations = math.ceil(math.log2((longest or 5 * n_way) + 1))
        layers: list[nn.Module] = []
        channels = embedding + n_way
        for half_keys in (1, 4, 8):
            key = half_keys * filters // 2
            layers.append(CausalAttention(channels, key, key // 2))
            channels += key // 2
            for power in range(1, n_dilations + 1 if half_keys < 8 else 1):
                layers.append(CausalConvolution(channels, filters, 2**power))
                channels += filters
        self.layers = nn.ModuleList(layers)
        self.answer = nn.Linear(channels, n_way)

    def adapt(self, task: Task) -> Classifier:
        """Return the function from rows to logits behind a task's support."""
        check_shape(self.name, task, self.dim, self.n_way)
        # Real rows move to the front, in their order: padding is no element of the sequence.
        order = task.support_mask.to(torch.int8).argsort(dim=1, descending=True, stable=True)[..., None]
        labelled = torch.cat([self.embed(unit_scale_rows(task.support_x)), task.support_one_hot], -1)
        first = labelled.gather(1, order.expand_as(labelled))
        n_support = task.support_mask.sum(1)

        def answer(x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row way"]:
            support, query = first, pad(self.embed(unit_scale_rows(x)), (0, self.n_way))
            for layer in self.layers:
                support, query = layer(support, query, n_support)
            logits: Tensor = self.answer(query)
            return logits

        return answer
