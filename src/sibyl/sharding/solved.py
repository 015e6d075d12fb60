"""What solving a pile in shards ends in: what is said of a row, wherever it lies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from sibyl.methods.universal.fitted_rows import Fitted
from sibyl.sharding.held import Held, Setting
from sibyl.sharding.passes import Answers
from sibyl.tasks import Classifier
from sibyl.transduction.conflicts import Conflicts


@dataclass(frozen=True, eq=False)
class Solved:
    """A pile in shards, solved.

    Parameters
    ----------
    answer : callable
        ``answer(held, number) → Answers`` for all rows of a shard; it travels to the worker.
    classifier : callable
        For rows that come later.
    examples : mapping of int to mapping of int to str
        Shard → place → the label that was given.
    support_x : float32 array [labelled, dim]
        Features of the examples, in the order of `items`.
    items : list of str
        Examples.
    class_mix : float64 array [way]
        Estimated shares among the unlabelled rows.
    fell_back : bool
        The labels are the inductive ones.
    notes : tuple of str
        What a person should know.
    """

    answer: Callable[[Held, int], Answers]
    classifier: Classifier | None
    examples: Mapping[int, Mapping[int, str]]
    support_x: npt.NDArray[np.float32]
    items: list[str]
    class_mix: npt.NDArray[np.float64]
    fell_back: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Ask:
    """Answer the rows of a shard from what the passes ended in."""

    key: str
    setting: Callable[[], Setting]
    fitted: Fitted
    conflicts: Conflicts
    group_rows: npt.NDArray[np.float32]

    def __call__(self, held: Held, number: int) -> Answers:
        """Go over one shard."""
        setting = held.shared(self.key, self.setting)
        rows = held.rows(number, setting)
        answers, first = Answers.empty(rows.task.query_x.shape[1]), rows.first
        for part in rows:
            logits, alone, score, _ = self.fitted(part)
            here = slice(part.first - first, part.first - first + part.unit.shape[1])
            x = rows.task.query_x[0, here]
            answers.fill(here, self._divided(logits[0].mT, x), self._divided(alone[0].mT, x), score[0])
        return answers

    def _divided(self, logits: Tensor, x: Tensor) -> Tensor:
        if not self.conflicts.groups:
            return logits
        logits = logits.clone()
        self.conflicts.divide(logits, self.conflicts.twins(x.numpy(), self.group_rows))
        return logits


@dataclass(frozen=True, eq=False)
class Known:
    """Answers that are there already, of all rows."""

    answers: Answers

    def __call__(self, held: Held, number: int) -> Answers:
        """Take those of one shard."""
        first = held.shards.firsts[number]
        return self.answers.taken(slice(first, first + held.shards.shards[number].n_rows))
