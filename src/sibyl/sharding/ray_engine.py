"""Ray as an engine: actors that hold their shards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from sibyl.sharding.held import Held
from sibyl.sharding.ray_actors import RayActors
from sibyl.sources.shards import Shards

T = TypeVar("T")


class Worker:
    """Holds shards; lives in an actor."""

    def __init__(self, shards: Shards) -> None:
        torch.set_num_threads(1)
        self._held = Held(shards)

    def call(self, call: Callable[[Held, int], T], number: int) -> T:
        """Call a function on a shard."""
        with torch.no_grad():
            return call(self._held, number)

    def process(self) -> int:
        """Return the number of the process."""
        return os.getpid()


@dataclass(frozen=True)
class _Reference:
    """A value in Ray's object store."""

    reference: Any

    def __call__(self) -> Any:
        import ray

        return ray.get(self.reference)


class RayEngine:
    """Actors on a Ray cluster, each with its share of the shards.

    A shard stays with its actor. An actor that dies is started again and reads its shards anew.

    Parameters
    ----------
    shards : Shards
        What they go over.
    n_workers : int, optional
        Actors; as many as the cluster has cores when left out.
    address : str, optional
        Of a cluster that runs; one is started here, and ended with `close`, when left out.
    """

    def __init__(self, shards: Shards, n_workers: int | None = None, address: str | None = None) -> None:
        self._actors = RayActors(Worker, (shards,), n_workers, address, len(shards.shards))
        self.n_workers, self.processes, self.close = self._actors.n_workers, self._actors.processes, self._actors.close

    def share(self, value: Any) -> Callable[[], Any]:
        """Put a value into the object store."""
        return _Reference(self._actors.ray.put(value))

    def map(self, call: Callable[[Held, int], T], numbers: Sequence[int]) -> Iterator[T]:
        """Ask each shard's actor, and yield the answers in order."""
        put = self._actors.ray.put(call)
        return self._actors.ask((number, (put, number)) for number in numbers)
