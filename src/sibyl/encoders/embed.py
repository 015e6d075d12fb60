"""Run an encoder over the items of a source: cached, batched, reading ahead of the network, with
time left shown.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console

from sibyl.encoders.encoder import Encoder
from sibyl.encoders.feature_cache import FeatureCache
from sibyl.errors import DataError
from sibyl.memmap import allocate, release
from sibyl.sources.fitted import Fitted
from sibyl.sources.item import Item, Skipped, Unreadable
from sibyl.stages import steps
from sibyl.threads import n_cores, side_by_side, torch_threads

_FLUSH_SECONDS = 5.0  # what a killed run may lose
_MOVED_ROWS = 4096  # moved at once; by then, what lies in files leaves the memory


@dataclass(frozen=True, eq=False)
class Embedded:
    """Features of the items that could be read, and the reason for each of the others.

    Parameters
    ----------
    names : tuple of str
        Item of each row.
    matrix : float32 array [item, dim]
    skipped : tuple of Skipped
    n_cached : int
        Rows that came from the cache.
    problem : str
        Why new rows could not be cached; empty if they could, or if there is no cache.
    encoder : mapping
        `Encoder.description` of what computed the rows.
    key : str
        `Encoder.key` of it; empty where the source held rows already.
    fitted : Fitted, optional
        What the encoder, or the reader of a table, learned from these items.
    """

    names: tuple[str, ...]
    matrix: npt.NDArray[np.float32]
    skipped: tuple[Skipped, ...]
    n_cached: int = 0
    problem: str = ""
    encoder: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    fitted: Fitted | None = None


@dataclass(frozen=True, eq=False)
class _Read:
    """One item after reading: a cached row, a prepared input, or a reason."""

    key: bytes = b""
    row: npt.NDArray[np.float32] | None = None
    prepared: Any = None
    reason: str = ""


def embed(
    items: Sequence[Item],
    decode: Callable[[bytes], Any],
    encoder: Encoder[Any, Any],
    cache: FeatureCache | None = None,
    *,
    decoder: str = "",
    batch_size: int = 32,
    n_threads: int | None = None,
    console: Console | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Embedded:
    """Turn items into features.

    A row in the cache belongs to the content of the item, not to its name: renamed files are not
    encoded again, changed ones are.

    Parameters
    ----------
    items : sequence of Item
        What to encode.
    decode : callable
        Bytes of an item → what the encoder prepares; raises `Unreadable` with the reason. Runs in
        several threads.
    encoder : Encoder
        Frozen.
    cache : FeatureCache, optional
        Of this very encoder.
    decoder : str
        Names the version of `decode`; part of the cache's keys.
    batch_size : int
        Items per run of the network.
    n_threads : int, optional
        Threads that read and prepare; one per core when left out.
    console : rich Console, optional
        Where progress is shown, by a bar or by lines; nowhere when left out.
    report : callable, optional
        Told how many items are done, and of how many, now and then.

    Raises
    ------
    DataError
        If the encoder returns NaN or infinity; the message names the item.
    """
    n_threads = n_threads or n_cores()
    matrix = allocate((len(items), encoder.dim))
    is_done = np.zeros(len(items), bool)
    skipped: list[Skipped] = []
    n_cached = 0
    waiting: list[tuple[int, _Read]] = []
    last_flush = time.monotonic()

    def read(item: Item) -> _Read:
        try:
            content = item.read()
        except Unreadable as error:
            return _Read(reason=str(error))
        key = hashlib.sha256(hashlib.sha256(content).digest() + decoder.encode()).digest()
        row = cache.get(key) if cache is not None else None
        if row is not None:
            return _Read(key, row)
        try:
            return _Read(key, prepared=encoder.prepare(decode(content)))
        except Unreadable as error:
            return _Read(reason=str(error))

    def encode_waiting() -> None:
        prepared = [one.prepared for _, one in waiting]
        if encoder.splits:
            encoded = side_by_side(encoder.encode, prepared)
        else:
            with torch_threads(max(1, n_cores() // 2)):
                encoded = encoder.encode(prepared)
        bad = np.flatnonzero(~np.isfinite(encoded).all(1))
        if len(bad):
            name = items[waiting[int(bad[0])][0]].name
            raise DataError(f"encoder {encoder.name} returns NaN or infinity for {name!r}; use another encoder, or remove the item")
        for (index, one), row in zip(waiting, encoded, strict=True):
            matrix[index], is_done[index] = row, True
            if cache is not None:
                cache.add(one.key, row)
        waiting.clear()

    with ThreadPoolExecutor(n_threads) as pool, steps(console, f"encoding with {encoder.name}", len(items)) as advance:
        try:
            for index, one in _in_order(pool, read, items, ahead=batch_size + 2 * n_threads):
                if one.reason:
                    skipped.append(Skipped(items[index].name, one.reason))
                elif one.row is not None:
                    matrix[index], is_done[index] = one.row, True
                    n_cached += 1
                else:
                    waiting.append((index, one))
                if len(waiting) >= batch_size or (waiting and index + 1 == len(items)):
                    encode_waiting()
                advance(index + 1 - len(waiting))
                if report is not None:
                    report(index + 1 - len(waiting), len(items))
                if index % _MOVED_ROWS == 0:
                    release(matrix, *(cache.mapped if cache is not None else ()))
                if cache is not None and (cache.is_full or time.monotonic() - last_flush > _FLUSH_SECONDS):
                    cache.flush()
                    last_flush = time.monotonic()
        finally:  # an interrupted run keeps what it has computed
            if cache is not None:
                cache.flush()
    done = np.flatnonzero(is_done)
    for start in range(0, len(done), _MOVED_ROWS):  # rows close ranks in place: a second matrix would cost as much as the first
        moved = done[start : start + _MOVED_ROWS]
        matrix[start : start + len(moved)] = matrix[moved]
        release(matrix)
    names = tuple(items[index].name for index in done.tolist())
    problem = cache.problem if cache is not None else ""
    return Embedded(names, matrix[: len(done)], tuple(skipped), n_cached, problem, encoder.description, encoder.key, encoder.fitted)


def _in_order(
    pool: ThreadPoolExecutor, read: Callable[[Item], _Read], items: Sequence[Item], ahead: int
) -> Iterator[tuple[int, _Read]]:
    """Yield the items read, in order, with at most `ahead` of them in memory."""
    running: deque[tuple[int, Future[_Read]]] = deque()
    try:
        for index, item in enumerate(items):
            running.append((index, pool.submit(read, item)))
            if len(running) >= ahead:
                first, future = running.popleft()
                yield first, future.result()
        while running:
            first, future = running.popleft()
            yield first, future.result()
    finally:
        for _, future in running:
            future.cancel()
