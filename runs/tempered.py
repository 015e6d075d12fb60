"""Inductive methods whose confidence is scaled by a temperature that validation classes chose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.optimize import minimize_scalar
from torch.nn.functional import cross_entropy

from sibyl.episodes import EpisodeSampler
from sibyl.features import Features
from sibyl.methods import Method, Traits, build_method
from sibyl.tasks import ClassPrior, Solution, Task


@dataclass(frozen=True)
class Tempered(Method):
    """A method whose logits are divided by a temperature (Guo et al. 2017)."""

    inner: Method
    temperature: float

    name: ClassVar[str] = "tempered"
    traits: ClassVar[Traits] = Traits(transductive=False)

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        return Solution(self.inner.solve(task, class_prior).logits / self.temperature)


def tempered(name: str, validation: Features, shot: int) -> Tempered:
    """Return the named method at the temperature of least negative log-likelihood on 200 episodes of validation classes."""
    episode = EpisodeSampler(validation, n_shot=shot, seed=5).sample(0, 200)
    logits = build_method(name).solve(episode.task).logits[episode.scored]
    labels = episode.query_y[episode.scored]

    def misfit(log_temperature: float) -> float:
        return float(cross_entropy(logits / np.exp(log_temperature), labels))

    return Tempered(build_method(name), float(np.exp(minimize_scalar(misfit, bounds=(-6, 6), method="bounded").x)))
