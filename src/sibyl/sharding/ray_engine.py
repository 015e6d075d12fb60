"""Ray: actors that hold their shards, started again where they die, and asked again what they had not answered."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from sibyl.errors import MissingExtra, SibylError, UserError
from sibyl.sharding.held import Held
from sibyl.sources.shards import Shards
from sibyl.threads import n_cores

T = TypeVar("T")
_STORE = 256 << 20  # bytes of shared memory of a Ray that is started here: only sums and settings pass through it


class Worker:
    """Holds shards; lives in an actor."""

    def __init__(self, shards: Shards) -> None:
        torch.set_num_threads(1)
        torch.set_grad_enabled(False)
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

    A shard stays with its actor. An actor that dies is started again by Ray, where there is room, and reads its shards anew.

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
        try:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            os.environ.setdefault("RAY_worker_niceness", "0")  # beside other work, workers at Ray's own 15 hardly run
            os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
            import ray
        except ImportError:
            raise MissingExtra("ray", "ray", "--engine ray") from None
        self._ray, self._is_own = ray, not ray.is_initialized()
        if self._is_own:
            settings: dict[str, Any] = {"address": address}
            if address is None:
                settings = {"num_cpus": n_workers or n_cores(), "object_store_memory": _STORE, "include_dashboard": False}
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    ray.init(**settings, log_to_driver=False, logging_level=logging.ERROR)
            except Exception as error:  # a node that does not come up in time raises no narrower class
                where = f"the Ray cluster at {address}" if address else "a local Ray"
                raise UserError(f"{where} cannot be reached or started ({_short(error)})") from None
        n_cpus = int(ray.cluster_resources().get("CPU", 1))
        self.n_workers = max(1, min(n_workers or n_cpus, n_cpus, len(shards.shards)))
        actor = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)(Worker)
        self.workers = [actor.remote(shards) for _ in range(self.n_workers)]

    def share(self, value: Any) -> Callable[[], Any]:
        """Put a value into the object store."""
        return _Reference(self._ray.put(value))

    def map(self, call: Callable[[Held, int], T], numbers: Sequence[int]) -> Iterator[T]:
        """Ask each shard's actor, and yield the answers in order."""
        ray = self._ray
        put = ray.put(call)
        waiting = [self.workers[number % self.n_workers].call.remote(put, number) for number in numbers]
        try:
            for one in waiting:
                yield ray.get(one)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, SibylError):
                raise error.cause from None
            raise
        except ray.exceptions.ObjectStoreFullError:
            raise UserError("Ray's object store has no room left; give it more memory, or use fewer workers") from None
        except ray.exceptions.RayActorError as error:
            raise UserError(f"a worker died and could not be started again ({_short(error)})") from None
        finally:
            waiting.clear()

    def processes(self) -> list[int]:
        """Return the numbers of the actors' processes."""
        found: list[int] = self._ray.get([worker.process.remote() for worker in self.workers])
        return found

    def close(self) -> None:
        """End the actors, and the Ray that was started here."""
        for worker in self.workers:
            self._ray.kill(worker)
        self.workers = []
        if self._is_own:
            self._ray.shutdown()


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
