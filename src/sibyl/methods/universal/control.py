"""The numbers that steer one step, and the control network that decides them for each task; the step itself is in `step`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sibyl.methods.universal.perceptron import perceptron

# scale, mix_weight, shift, query_share, support_share, rate, anchor, shrinkage, smoothing, sharpness, before `Controls.of` brings them into their
# ranges: untrained, nearly a mixture of clusters that is anchored to the labelled rows (s 15, β 1, ρ 0.5, λ 0.12, η 1, κ 3, τ 0.14).
USUAL = (math.log(15.0), 1.0, 0.0, -2.0, -2.0, 0.0, math.log(3.0), -2.0, -2.0, math.log(12.0))


@dataclass(frozen=True, eq=False)
class Controls:
    """Numbers that steer a step, one of each for every task; all [task, 1, 1].

    Parameters
    ----------
    scale : float
        s: inverse temperature of the cosines.
    mix_weight : float
        β: how far the estimated class mix is believed; below 0 it is worked against, which evens it
        out.
    shift : float
        ρ: how far the point that rows are seen from lies towards the queries' mean, 0 … 1.
    query_share, support_share : float
        λ of unlabelled and λ' of labelled rows: 0 moves class means as a mixture model does, 1 as
        logistic regression does.
    rate : float
        η: step size.
    anchor : float
        κ: unlabelled rows that a labelled one counts for.
    shrinkage : float
        τ: strength of the pull of class means to their middle, in rows; the prior of `Posterior`
        has a width of its own.
    smoothing : float
        ε: share of an even class mix that is blended into the estimated one.
    sharpness : float
        Inverse temperature of the cosines between rows that exchange messages.
    """

    scale: Tensor
    mix_weight: Tensor
    shift: Tensor
    query_share: Tensor
    support_share: Tensor
    rate: Tensor
    anchor: Tensor
    shrinkage: Tensor
    smoothing: Tensor
    sharpness: Tensor

    @classmethod
    def of(cls, raw: Float[Tensor, "task number"]) -> Controls:
        """Bring the network's numbers into their ranges."""
        scale, mix_weight, shift, query_share, support_share, rate, anchor, shrinkage, smoothing, sharpness = raw[
            ..., None, None
        ].unbind(1)
        squash = torch.sigmoid
        return cls(
            scale.exp().clamp_max(100.0), mix_weight, squash(shift), squash(query_share), squash(support_share),
            rate.exp(), anchor.exp(), shrinkage.exp(), squash(smoothing), sharpness.exp().clamp_max(100.0),
        )  # fmt: skip


class ControlNetwork(nn.Module):
    """Task and state → `Controls`: the usual numbers of each step, learned, and a correction for the task at hand.

    Parameters
    ----------
    n_descriptors : int
        Numbers that describe a task and its present state.
    n_hidden, n_steps : int
        Hidden units; steps. One more set of numbers is for the answer, which uses s, β, ρ and ε of
        them.
    """

    def __init__(self, n_descriptors: int, n_hidden: int, n_steps: int) -> None:
        super().__init__()
        self.usual = nn.Parameter(torch.tensor(USUAL).repeat(n_steps + 1, 1))
        self.correction = perceptron(n_descriptors + 1, n_hidden, len(USUAL))

    def forward(self, number: int, descriptors: Float[Tensor, "task descriptor"]) -> Controls:
        """Return step `number` (n_steps: the answer) of tasks with these descriptors."""
        place = descriptors.new_full((len(descriptors), 1), number / (len(self.usual) - 1))
        return Controls.of(self.usual[number] + self.correction(torch.cat([descriptors, place], -1)))
