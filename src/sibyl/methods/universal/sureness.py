"""How sure an answer is, and the factor on its logits that makes it as sure as another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.methods.universal.balance import Score
from sibyl.methods.universal.rows import Rows, Slice, Totals

N_HALVINGS = 22


def as_sure_as(wanted: Float[Tensor, "task 1"], score: Score, rows: Rows, least: float, most: float) -> Float[Tensor, "task 1"]:
    """Return the factor on the logits of `score`, between `least` and `most`, at which its doubt adds up to what is wanted."""
    low, high = (torch.full_like(rows.count, math.log(end)) for end in (least, most))
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        is_surer = rows.total(Doubt(score, middle.exp()))[0] < wanted
        low, high = torch.where(is_surer, low, middle), torch.where(is_surer, middle, high)
    return ((low + high) / 2).exp()


def doubt_of(probability: Float[Tensor, "task way row"]) -> Float[Tensor, "task row"]:
    """Return the probabilities of all classes but the likeliest, added up.

    1 less the largest would round away what is nearly sure.
    """
    return probability.scatter(1, probability.argmax(1, keepdim=True), 0.0).sum(1)


@dataclass(frozen=True, eq=False)
class Doubt:
    """Sum over a slice of what an answer leaves open."""

    score: Score
    factor: Float[Tensor, "task 1"]

    def __call__(self, part: Slice) -> Totals:
        """Go over one slice."""
        others = doubt_of((self.factor[..., None] * self.score(part)).softmax(1))
        return ((others * part.weight[:, 0]).sum(1, keepdim=True),)
