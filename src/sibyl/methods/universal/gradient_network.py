"""The gradient network: for each pair of an unlabelled row and a class, how far the row pulls on the class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from types import ModuleType

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, linear

N_FEATURES = 18
GRAPH_FEATURES = slice(13, 15)  # those of `entry_features` that come from the labels spread over a graph
MESSAGE_FEATURES = slice(15, 18)  # those that come from the row's neighbours

Entries = Callable[[Sequence[Tensor]], tuple[Tensor, Tensor]]  # columns that describe pairs → offsets, weights of rows


@cache
def machine_code() -> ModuleType | None:
    """Return `sibyl.methods.universal.compiled`, which takes a moment to import; None where its code does not say what torch says."""
    try:
        from sibyl.methods.universal import compiled

        return compiled if compiled.agrees() else None
    except Exception:  # an llvmlite that is missing, old or broken is no reason not to answer
        return None


def entry_features(
    cosine: Float[Tensor, "task way row"],
    logits: Float[Tensor, "task way row"],
    first: Float[Tensor, "task way row"],
    graph: Float[Tensor, "task way row"],
    length: Float[Tensor, "task 1 row"],
    share: Float[Tensor, "task way 1"],
    compactness: Float[Tensor, "task way 1"],
    shots: Float[Tensor, "task way 1"],
    message: Float[Tensor, "task way row"],
    density: Float[Tensor, "task 1 row"],
    prior_given: bool,
    place: float,
) -> tuple[tuple[Tensor, ...], Float[Tensor, "task way row"]]:
    """Describe each pair (row, class) by `N_FEATURES` columns, and return the probabilities beside them.

    Columns are float [task, way, row]; one that does not depend on task, class or row has a size of
    one there.

    Parameters
    ----------
    cosine, logits : float [task, way, row]
        Of the present model.
    first : float [task, way, row]
        Cosines with the means of the labelled rows.
    graph : float [task, way, row]
        Probabilities of the labels that were spread over a graph.
    length : float [task, 1, row]
        Distance of the row from the middle of the labelled ones.
    share, compactness, shots : float [task, way, 1]
        Of a class: its share of the queries, the mean cosine of the rows assigned to it, its
        labelled rows.
    message : float [task, way, row]
        What the row's neighbours were assigned to.
    density : float [task, 1, row]
        How dense the rows lie around it.
    prior_given : bool
        The class mix is known.
    place : float
        0 for the first step, towards 1 for the last.
    """
    n_way = cosine.shape[1]
    log_probability = logits.log_softmax(1)
    probability = log_probability.exp()
    best = logits.amax(1, keepdim=True)
    is_best = logits >= best
    second = logits.masked_fill(is_best, -torch.inf).amax(1, keepdim=True)
    gap = logits - torch.where(is_best, torch.where(is_best.sum(1, keepdim=True) > 1, best, second), best)
    entropy = -(probability * log_probability).sum(1, keepdim=True) / torch.log(cosine.new_tensor(n_way))
    columns = (
        3 * cosine, probability, (log_probability / 5).clamp_min(-4), (gap / 5).clamp(-4, 4), entropy, 3 * first,
        (share * n_way + 0.01).log() / 2, shots.clamp_min(1e-6).log() / 2, 3 * compactness, 3 * (cosine - compactness), 2 * length,
        cosine.new_full((1, 1, 1), float(prior_given)), cosine.new_full((1, 1, 1), place), graph, graph.clamp_min(1e-6).log().clamp_min(-10) / 5,
        message, message.clamp_min(1e-6).log().clamp_min(-10) / 5, density,
    )  # fmt: skip
    return columns, probability


class GradientNetwork(nn.Module):
    """An offset δ on the logit of each pair of row and class, and how much each row counts, ω; the step makes ``ξ = λ ω p − r`` of them.

    The network is exchangeable (Hartford et al. 2018; Zaheer et al. 2017): it treats every pair
    alike and sees its row's other pairs through their mean and the whole column through sums that
    `entry_features` is given. So any number of classes and rows fits, in any order, and rows can be
    computed in slices. There is no batch normalisation.

    Parameters
    ----------
    n_channels : int
        Channels of each pair.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.enter = nn.Linear(N_FEATURES, n_channels)
        self.mix = nn.Linear(2 * n_channels, n_channels)
        self.leave = nn.Linear(n_channels, 2)
        nn.init.zeros_(self.leave.weight)
        self.leave.bias.data = torch.tensor([0.0, 3.0])  # no offset, and nearly every row counts

    def forward(self, features: Sequence[Tensor]) -> tuple[Float[Tensor, "task way row"], Float[Tensor, "task 1 row"]]:
        """Return offsets, which sum to zero over the classes, and the weight of each row, 0 … 1; from `entry_features`."""
        hidden = gelu(self.enter(torch.stack(torch.broadcast_tensors(*features), -1)))
        of_pair, of_row = self.mix.weight.chunk(2, 1)  # of a pair and the mean of its row, side by side
        # Added in place: of what these layers give, no gradient needs the numbers that it held before.
        mixed = linear(hidden, of_pair, self.mix.bias).add_(linear(hidden.mean(1, keepdim=True), of_row))
        hidden = gelu(mixed).add_(hidden)
        offset, count = self.leave(hidden).unbind(-1)
        return offset - offset.mean(1, keepdim=True), torch.sigmoid(count.mean(1, keepdim=True))

    def compiled(self) -> Entries | None:
        """Return the present weights as machine code for slices of one task; None where that cannot be, or gradients are recorded.

        What it cannot answer (few rows, batches) it leaves to the network.
        """
        weight = self.enter.weight
        if torch.is_grad_enabled() or self._forward_pre_hooks or weight.device.type != "cpu" or weight.dtype != torch.float32:
            return None
        code = machine_code()
        return code.Program(self) if code is not None and self.enter.out_features % code.GROUP == 0 else None
