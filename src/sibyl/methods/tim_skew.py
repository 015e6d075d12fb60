"""TIM at its authors' setting for queries that are not balanced, as a method of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sibyl.methods.method import Traits
from sibyl.methods.tim import TIM


@dataclass(frozen=True)
class TIMSkew(TIM):
    """TIM-GD with equal weights of its three terms: cross-entropy, marginal entropy, conditional entropy; see `TIM`.

    The setting that Veilleux et al. (2021, arXiv 2204.11181), among them authors of TIM, run it with on Dirichlet query sets: in the
    terms of `TIM`, λ = α = 1 where the balanced setting has 0.1. The marginal entropy still pulls towards balance, ten times more weakly.
    """

    solver: str = "gradient"
    support_weight: float = 1.0
    conditional_weight: float = 1.0

    name: ClassVar[str] = "tim_skew"
    traits: ClassVar[Traits] = TIM.traits
