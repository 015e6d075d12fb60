"""Engines: who goes over the shards. A map and a broadcast, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

from sibyl.errors import UnknownName
from sibyl.sharding.held import Held
from sibyl.sources.shards import Shards
from sibyl.threads import in_order, n_cores

T = TypeVar("T")
Call = Callable[[Held, int], T]
ENGINES = ("local", "ray")


@runtime_checkable
class Engine(Protocol):
    """Calls functions on shards, wherever those are held."""

    n_workers: int

    def share(self, value: Any) -> Callable[[], Any]:
        """Hand a value to all workers once; what comes back yields it there."""

    def map(self, call: Call[T], numbers: Sequence[int]) -> Iterator[T]:
        """Yield what ``call(held, number)`` returns for each shard, in order; one that fails raises here."""

    def close(self) -> None:
        """Let go of all that is held."""


@dataclass(frozen=True)
class Value:
    """A value that lies in this process."""

    value: Any

    def __call__(self) -> Any:
        """Return it."""
        return self.value


@dataclass(eq=False)
class LocalEngine:
    """Threads of this process, each of one core.

    Parameters
    ----------
    shards : Shards
        What they go over.
    n_workers : int, optional
        As many as there are cores when left out.
    """

    shards: Shards
    n_workers: int = field(default_factory=n_cores)

    def __post_init__(self) -> None:
        self.n_workers = max(1, min(self.n_workers, len(self.shards.shards)))
        self._held = Held(self.shards)

    def share(self, value: Any) -> Callable[[], Any]:
        """Keep it where it is."""
        return Value(value)

    def map(self, call: Call[T], numbers: Sequence[int]) -> Iterator[T]:
        """Go over shards side by side."""
        return in_order(lambda number: call(self._held, number), numbers, self.n_workers)

    def close(self) -> None:
        """Let go of the rows."""
        self._held = Held(self.shards)


def engine_by_name(name: str, shards: Shards, n_workers: int | None = None, address: str | None = None) -> Engine:
    """Return an engine: ``local`` or ``ray``.

    Parameters
    ----------
    name : str
        Which one.
    shards : Shards
        What it goes over.
    n_workers : int, optional
        Threads or actors; as many as there are cores when left out.
    address : str, optional
        Of a Ray cluster that runs; one is started here when left out.

    Raises
    ------
    UnknownName
        If there is no such engine.
    MissingExtra
        If Ray is not installed.
    UserError
        If the cluster cannot be reached.
    """
    if name == "local":
        return LocalEngine(shards, n_workers or n_cores())
    if name == "ray":
        from sibyl.sharding.ray_engine import RayEngine

        return RayEngine(shards, n_workers, address)
    raise UnknownName("engine", name, ENGINES)
