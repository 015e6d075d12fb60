"""What the driver of `benchmarks.distributed` does with what shards answer: taken from the passes of a small solve, so that they follow the code."""

from __future__ import annotations

import pickle
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.distributed_rows import DIM, N_WAY, SHARD, examples_of, make
from sibyl.labeling.examples import Examples
from sibyl.methods.named import method_by_name
from sibyl.methods.universal import UniversalSIB
from sibyl.sharding.engine import LocalEngine
from sibyl.sharding.solve import solve_shards
from sibyl.sources.shards import open_shards

ROWS = 2500  # enough for a pile, whose passes are those of any larger one


class _Listening(LocalEngine):
    """An engine that keeps what the first shard answers to each pass whose answers are added up."""

    def map(self, call: Any, numbers: Sequence[int]) -> Iterator[Any]:
        for place, one in enumerate(super().map(call, numbers)):
            if not place and isinstance(one, tuple) and all(isinstance(part, torch.Tensor) for part in one):
                self.heard.append(one)
            yield one

    def __post_init__(self) -> None:
        super().__post_init__()
        self.heard: list[tuple[torch.Tensor, ...]] = []


def answers_of_passes() -> list[tuple[torch.Tensor, ...]]:
    """Return what a shard answers to each pass of a solve, with no class mix given."""
    network = method_by_name("universal_sib", DIM, N_WAY)
    assert isinstance(network, UniversalSIB)
    labels = examples_of(ROWS)
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), ROWS)
        shards = open_shards(folder)
        engine = _Listening(shards, 1)
        solve_shards(engine, shards, Examples(labels, tuple(sorted(set(labels.values())))), network)
        engine.close()
    return engine.heard


def reduced() -> dict[str, float]:
    """Measure what the driver does with the largest answer: take it out of a message, and add it up."""
    answers = answers_of_passes()
    message, answer = max(((pickle.dumps(one), one) for one in answers), key=lambda pair: len(pair[0]))
    total, n_times = answer, 2000
    began = time.process_time()
    for _ in range(n_times):
        total = tuple(a + b for a, b in zip(total, pickle.loads(message), strict=True))  # noqa: S301
    seconds = (time.process_time() - began) / n_times
    kept = 4 * (2 * DIM + N_WAY)  # the row, prepared too, and what the graph says of it
    return {
        "seconds": seconds, "bytes": len(message), "passes": len(answers), "rows of a shard": SHARD, "bytes kept of a row": kept
    }  # fmt: skip
