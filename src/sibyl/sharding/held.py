"""What a worker holds of the shards it goes over; all of it can be made again from the shard, should the worker die."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.errors import DataError
from sibyl.memmap import allocate_beside, for_many, has_room, is_mapped, release
from sibyl.methods.universal.neighbours import Nodes
from sibyl.methods.universal.rows import QueryRows, power_rows
from sibyl.methods.universal.sparse_graph import SparseGraph
from sibyl.methods.universal.universal import KEPT, rows_of_slice
from sibyl.sources.shards import Shards
from sibyl.tasks import Task
from sibyl.transduction.feature_rows import LARGEST

TOO_LARGE = "holds a number too large to be used"


@dataclass(frozen=True, eq=False)
class Setting:
    """What all workers need to know before the first pass.

    Parameters
    ----------
    key : str
        Changes when anything of it does.
    task : Task
        A batch of one: the labelled rows, and no queries.
    exponent : float [1, 1, 1]
        Of the power transform.
    nodes : Nodes
        The rows that messages come from, by their places among all rows.
    graph : SparseGraph
        Of the pile.
    firsts : tuple of int
        Place of each shard's first row among all rows.
    labelled : mapping of int to list of int
        Shard → places in it of labelled rows.
    offset : float64 array [dim], optional
        What is taken off every row.
    """

    key: str
    task: Task
    exponent: Float[Tensor, "1 1 1"]
    nodes: Nodes
    graph: SparseGraph
    firsts: tuple[int, ...]
    labelled: dict[int, list[int]]
    offset: npt.NDArray[np.float64] | None


@dataclass(eq=False)
class Raw:
    """The rows of a shard as they are.

    Parameters
    ----------
    matrix : float32 array [row, dim]
        In a file if it is large.
    bad : dict of int to str
        Place of a row that cannot be used → the reason.
    """

    matrix: npt.NDArray[np.float32]
    bad: dict[int, str]

    def task(self, labelled: list[int], offset: npt.NDArray[np.float64] | None) -> Task:
        """Return all rows as queries; those that are labelled or cannot be used are masked."""
        rows = torch.from_numpy(self.matrix)[None]
        mask = allocate_beside(rows, (1, len(self.matrix)), torch.bool)
        mask[:] = True
        mask[0, [*labelled, *self.bad]] = False
        if offset is not None:
            shifted = allocate_beside(rows, tuple(rows.shape))
            torch.sub(rows, torch.from_numpy(offset.astype(np.float32)), out=shifted)
            rows = shifted
        return Task(rows[:, :1], torch.zeros(1, 1, dtype=torch.long), rows, 1, query_mask=mask)


@dataclass(eq=False)
class Held:
    """The shards of one worker, read and prepared when they are first asked for."""

    shards: Shards
    _allocate: Callable[[tuple[int, ...]], npt.NDArray[np.float32]] = field(init=False)
    _raw: dict[int, Raw] = field(default_factory=dict)
    _rows: dict[int, tuple[str, QueryRows]] = field(default_factory=dict)
    _shared: dict[str, Any] = field(default_factory=dict)
    _lock: Any = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._allocate = for_many(4 * self.shards.n_rows * self.shards.layout.dim)

    def raw(self, number: int) -> Raw:
        """Return the rows of a shard."""
        if number not in self._raw:
            self.find(number, frozenset())
        return self._raw[number]

    def rows(self, number: int, setting: Setting) -> QueryRows:
        """Return the rows of a shard, prepared."""
        if self._rows.get(number, ("",))[0] != setting.key:
            self._rows[number] = setting.key, self._prepared(number, setting)
        return self._rows[number][1]

    def shared(self, key: str, get: Callable[[], Any]) -> Any:
        """Return a value that was fetched once; only the last is kept."""
        with self._lock:
            if key not in self._shared:
                self._shared = {key: get()}
            return self._shared[key]

    def find(self, number: int, wanted: frozenset[str]) -> dict[str, tuple[int, npt.NDArray[np.float32]]]:
        """Read a shard, and return the place and the features of the items that are wanted.

        Raises
        ------
        DataError
            If one of them is there twice.
        """
        n_rows, start = self.shards.shards[number].n_rows, 0
        matrix = self._allocate((n_rows, self.shards.layout.dim))
        bad: dict[int, str] = {}
        found: dict[str, tuple[int, npt.NDArray[np.float32]]] = {}
        for batch in self.shards.batches(number, names=bool(wanted)):
            for place in (place for place, name in enumerate(batch.names) if name in wanted):
                name = batch.names[place]
                if name in found:
                    raise DataError(f"{self.shards.place.uri}: two rows are named {name!r}, which is an example; names must differ")
                found[name] = start + place, batch.matrix[place].copy()
            end = min(start + len(batch.matrix), n_rows)
            part = batch.matrix[: end - start]
            large = np.flatnonzero((np.abs(part) >= LARGEST).any(1))
            part[large] = 0
            matrix[start:end] = part
            bad |= {start + place: why for place, why in batch.bad.items()} | {start + int(row): TOO_LARGE for row in large}
            release(matrix)
            start = end
        self._raw[number] = Raw(matrix, bad)
        return found

    def _prepared(self, number: int, setting: Setting) -> QueryRows:
        task = self.raw(number).task(setting.labelled.get(number, []), setting.offset)
        x, n_way = task.query_x, setting.task.n_way
        n_nodes = setting.nodes.unit.shape[1]
        n_rows = rows_of_slice(setting.task, n_nodes)
        graph = allocate_beside(x, (1, x.shape[1], n_way))
        for start in range(0, x.shape[1], n_rows):
            part = slice(start, start + n_rows)
            graph[:, part] = setting.graph.read(power_rows(x[:, part], setting.exponent)).mT
            release(x, graph)
        keep = x.numel() <= KEPT // max(1, len(self.shards.shards)) or (is_mapped(x) and has_room(x.nbytes))
        return QueryRows(
            task, setting.exponent, graph.mT, setting.nodes, n_rows,
            keep=keep, keep_products=False, first=setting.firsts[number], n_threads=1,
        )  # fmt: skip
