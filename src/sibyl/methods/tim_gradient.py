"""TIM by gradient descent, the paper's other solver, as a method of its own: its figures differ from the alternating one's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sibyl.methods.method import Traits
from sibyl.methods.tim import TIM


@dataclass(frozen=True)
class TIMGradient(TIM):
    """TIM-GD (Boudiaf et al. 2020, arXiv 2008.11297, section 3.2): 1,000 steps of Adam at 1e-4 from the class means; see `TIM`."""

    solver: str = "gradient"

    name: ClassVar[str] = "tim_gradient"
    traits: ClassVar[Traits] = TIM.traits
