"""What is asked of each shard, pass by pass: functions that travel to where the rows are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from sibyl.memmap import slices
from sibyl.methods.universal.landmarks import hashes
from sibyl.methods.universal.rows import Slice, Totals
from sibyl.sharding.engine import Engine
from sibyl.sharding.held import Held, Setting


@dataclass(frozen=True, eq=False)
class Found:
    """What a first look at a shard finds.

    Parameters
    ----------
    examples : mapping of str to (int, float32 array [dim])
        Labelled items: place in the shard, features.
    spoilt : mapping of str to str
        Those of them that cannot be used → the reason.
    n_bad : int
        Rows that cannot be used.
    total, square : float64 array [dim], float
        Sum of the rows, and of their squared lengths.
    """

    examples: Mapping[str, tuple[int, npt.NDArray[np.float32]]]
    spoilt: Mapping[str, str]
    n_bad: int
    total: npt.NDArray[np.float64]
    square: float


@dataclass(frozen=True)
class Look:
    """Read a shard, and find the labelled items in it."""

    wanted: frozenset[str]

    def __call__(self, held: Held, number: int) -> Found:
        """Look at one shard."""
        examples, raw = held.find(number, self.wanted), held.raw(number)
        total, square = np.zeros(held.shards.layout.dim), 0.0
        for part in slices(raw.matrix):
            rows = raw.matrix[part]
            total += rows.sum(0, dtype=np.float64)
            square += float(np.einsum("ij,ij->", rows, rows, dtype=np.float64))
        spoilt = {name: raw.bad[place] for name, (place, _) in examples.items() if place in raw.bad}
        return Found(examples, spoilt, len(raw.bad), total, square)


@dataclass(frozen=True)
class Bad:
    """Tell the places of the rows of a shard that cannot be used."""

    def __call__(self, held: Held, number: int) -> list[int]:
        """Look at one shard."""
        return list(held.raw(number).bad)


@dataclass(frozen=True, eq=False)
class Keys:
    """Hash the rows of a shard: the smallest hashes, and the places of their rows."""

    n_nodes: int
    labelled: Mapping[int, list[int]]
    offset: npt.NDArray[np.float64] | None

    def __call__(self, held: Held, number: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Go over one shard."""
        task = held.raw(number).task(self.labelled.get(number, []), self.offset)
        n_real = int(task.query_mask.sum())
        found = hashes(task)[0].topk(min(self.n_nodes, n_real), largest=False)
        return found.values.numpy(), found.indices.numpy()


@dataclass(frozen=True, eq=False)
class Gather:
    """Fetch rows of shards: shard → places."""

    places: Mapping[int, npt.NDArray[np.int64]]
    offset: npt.NDArray[np.float64] | None

    def __call__(self, held: Held, number: int) -> npt.NDArray[np.float32]:
        """Fetch those of one shard."""
        rows = held.raw(number).matrix[self.places[number]]
        return rows if self.offset is None else (rows - self.offset.astype(np.float32))


@dataclass(frozen=True, eq=False)
class _Total:
    """Add up over the slices of a shard."""

    key: str
    setting: Callable[[], Setting]
    call: Callable[[Slice], Totals]

    def __call__(self, held: Held, number: int) -> Totals:
        setting = held.shared(self.key, self.setting)
        return held.rows(number, setting).total(self.call)


@dataclass(frozen=True, eq=False)
class ShardedRows:
    """Query rows that lie in shards; see `sibyl.methods.universal.rows.Rows`.

    Parameters
    ----------
    engine : Engine
        Holds the shards.
    numbers : range
        Their numbers.
    key, setting : str, callable
        Of `Setting`, which is with the workers.
    count : float [1, 1]
        Rows.
    passed : callable
        Called after each shard of each pass.
    """

    engine: Engine
    numbers: range
    key: str
    setting: Callable[[], Setting]
    count: Tensor
    passed: Callable[[], None]

    def total(self, call: Callable[[Slice], Totals]) -> Totals:
        """Add up over shards, in float64 and in order, as `sibyl.methods.universal.rows.add_up` does."""
        total: Totals = ()
        for one in self.engine.map(_Total(self.key, self.setting, call), self.numbers):
            total = tuple(a + b for a, b in zip(total, one, strict=True)) if total else one
            self.passed()
        return total


@dataclass(frozen=True, eq=False)
class Mix:
    """Sums over a slice: of the class probabilities [task, way], and of the largest of each row [task, 1]."""

    fitted: Any

    def __call__(self, part: Slice) -> Totals:
        """Go over one slice."""
        logits, _, _, mix = self.fitted(part)
        return mix, (logits.softmax(1).amax(1, keepdim=True) * part.weight).sum(2)


@dataclass(frozen=True, eq=False)
class Answers:
    """What is said of every row of a shard, as short as can be.

    Parameters
    ----------
    best : float32 array [row, 2]
        The two largest probabilities.
    classes : int64 array [row, 2]
        Their classes.
    alone : int64 array [row]
        The class by the inductive answer.
    outlier : float32 array [row]
        Outlier score.
    """

    best: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    alone: npt.NDArray[np.int64]
    outlier: npt.NDArray[np.float32]

    @classmethod
    def empty(cls, n_rows: int) -> Answers:
        """Make room for so many rows."""
        return cls(
            np.empty((n_rows, 2), np.float32), np.empty((n_rows, 2), np.int64), np.empty(n_rows, np.int64), np.empty(n_rows, np.float32)
        )  # fmt: skip

    def fill(self, here: slice, logits: Tensor, alone: Tensor, outlier: Tensor) -> None:
        """Fill in some rows: logits [row, way], inductive logits [row, way], outlier scores [row]."""
        values, classes = logits.softmax(-1).topk(2, dim=-1)
        self.best[here], self.classes[here] = values.numpy(), classes.numpy()
        self.alone[here], self.outlier[here] = alone.argmax(-1).numpy(), outlier.numpy()

    def taken(self, here: slice) -> Answers:
        """Return what is said of some rows."""
        return Answers(self.best[here], self.classes[here], self.alone[here], self.outlier[here])
