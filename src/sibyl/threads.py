"""How many threads compute: few, and none that waits by spinning.

Threads of OpenMP wait for each other in busy loops. Beside any other process on the same cores that costs ten times the time, and a child
that is forked after it has started waits for ever. So a solve runs on one thread, whatever the environment says, and a network on the
processor gets parts of a batch side by side, each on one thread: waits between Python's threads sleep.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

T = TypeVar("T")
R = TypeVar("R")
Rows = npt.NDArray[np.float32]


def n_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


KEEP = 30 << 20  # bytes; from 32 MB on, the C library learns nothing from a block


@cache
def keep_freed_memory() -> None:
    """Let the C library keep what is freed for what is asked for next, up to 64 MB of it in each thread.

    glibc hands the end of its memory back to the system whenever more of it is free than twice the
    largest block that it has yet mapped and freed. Passes over slices free and ask for blocks of
    some megabytes all the time, and each page of them was then a fault: a quarter of the time of a
    pile. One block that is never touched teaches it; other libraries are left as they are.
    """
    torch.empty(KEEP, dtype=torch.uint8)


@contextmanager
def torch_threads(number: int = 1) -> Iterator[None]:
    """Let torch compute an operation on so many threads, one when left out; also a decorator."""
    keep_freed_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def side_by_side(run: Callable[[Sequence[T]], Rows], batch: Sequence[T]) -> Rows:
    """Run a network on as many parts of a batch as there are cores, each on one thread; the rows in the order of the batch."""
    n_parts = max(1, min(n_cores(), len(batch)))
    size = -(-len(batch) // n_parts)
    parts = [batch[start : start + size] for start in range(0, len(batch), size)]
    with torch_threads(), ThreadPoolExecutor(n_parts) as pool:
        return np.concatenate(list(pool.map(run, parts)))


def in_order(call: Callable[[T], R], items: Iterable[T], n_threads: int | None = None) -> Iterator[R]:
    """Call a function on each item, on a thread of one core each, and yield the results in the order of the items.

    No more results wait than there are threads. Gradients are not recorded.

    Parameters
    ----------
    call : callable
        Item → result; it may run on any thread.
    items : iterable
        What to call it on.
    n_threads : int, optional
        As many as there are cores when left out.
    """
    n_threads = n_threads or n_cores()

    def quietly(item: T) -> R:
        with torch.no_grad():
            return call(item)

    with torch_threads():
        if n_threads == 1:
            yield from map(quietly, items)
            return
        waiting: deque[Future[R]] = deque()
        with ThreadPoolExecutor(n_threads) as pool:
            try:
                for item in items:
                    waiting.append(pool.submit(quietly, item))
                    if len(waiting) > n_threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for one in waiting:
                    one.cancel()


def sleeping(options: Any) -> Any:
    """Keep the threads of an onnxruntime session from waiting by spinning; return its options."""
    for kind in ("intra_op", "inter_op"):
        options.add_session_config_entry(f"session.{kind}.allow_spinning", "0")
    return options


if hasattr(os, "register_at_fork"):
    # The threads of the parent are not in the child, which would wait for them.
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))
