"""Actors on a Ray cluster: started again where they die, and asked again what they had not answered."""

from __future__ import annotations

import logging
import os
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from sibyl.errors import MissingExtra, SibylError, UserError, reason_of
from sibyl.threads import n_cores

_STORE = 256 << 20  # bytes of shared memory of a Ray that is started here: only sums, settings and parts of results pass through it
_SMALL = 1 << 16  # bytes of an argument that travels with the request to start an actor; Ray could lose larger ones
_AHEAD = 4  # questions that wait at each actor


class RayActors:
    """Actors of one class, which has a method ``call``. An actor that dies is started again by Ray, where there is room.

    Parameters
    ----------
    worker : type
        The class.
    arguments : tuple
        Of its constructor.
    n_workers : int, optional
        Actors; as many as the cluster has cores when left out.
    address : str, optional
        Of a cluster that runs; one is started here, and ended with `close`, when left out.
    n_most : int
        More are of no use.

    Raises
    ------
    MissingExtra
        If Ray is not installed.
    UserError
        If the cluster cannot be reached or started.
    """

    def __init__(
        self,
        worker: type,
        arguments: tuple[Any, ...],
        n_workers: int | None = None,
        address: str | None = None,
        n_most: int = 1 << 20,
    ) -> None:
        try:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            os.environ.setdefault("RAY_worker_niceness", "0")  # beside other work, workers at Ray's own 15 hardly run
            os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
            import ray
        except ImportError:
            raise MissingExtra("ray", "ray", "--engine ray") from None
        self.ray, self._is_own = ray, not ray.is_initialized()
        if self._is_own:
            settings: dict[str, Any] = {"address": address}
            if address is None:
                settings = {
                    "address": "local", "num_cpus": n_workers or n_cores(), "object_store_memory": _STORE, "include_dashboard": False
                }  # fmt: skip
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    ray.init(**settings, log_to_driver=False, logging_level=logging.ERROR)
            except Exception as error:  # a node that does not come up in time raises no narrower class
                where = f"the Ray cluster at {address}" if address else "a local Ray"
                raise UserError(f"{where} cannot be reached or started ({reason_of(error)})") from None
        n_cpus = int(ray.cluster_resources().get("CPU", 1))
        self.n_workers = max(1, min(n_workers or n_cpus, n_cpus, n_most))
        actor = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)(worker)
        try:
            # Those that are put are held here: an actor that is started again is given them again. Small ones are not put, as Ray
            # warns of it; to pickle ten thousand shards for their size takes a few hundredths of a second.
            self.arguments = [one if len(ray.cloudpickle.dumps(one)) < _SMALL else ray.put(one) for one in arguments]
            self._actors = [actor.remote(*self.arguments) for _ in range(self.n_workers)]
        except BaseException:
            self.close()
            raise

    def ask(self, questions: Iterable[tuple[int, tuple[Any, ...]]]) -> Iterator[Any]:
        """Ask actors, by number, and yield the answers in the order of the questions; few wait at a time.

        Raises
        ------
        SibylError
            That the actor raised.
        UserError
            If an actor cannot be started again, or the object store is full.
        """
        exceptions, waiting = self.ray.exceptions, deque[Any]()
        try:
            for number, arguments in questions:
                waiting.append(self._actors[number % self.n_workers].call.remote(*arguments))
                if len(waiting) >= _AHEAD * self.n_workers:
                    yield self.ray.get(waiting.popleft())
            while waiting:
                yield self.ray.get(waiting.popleft())
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, SibylError):
                raise error.cause from None
            raise
        except (exceptions.ObjectStoreFullError, exceptions.OutOfDiskError):
            raise UserError("Ray's object store has no room left; give it more memory, or use fewer workers") from None
        except exceptions.RayActorError as error:
            raise UserError(f"a worker died and could not be started again ({reason_of(error)})") from None

    def processes(self) -> list[int]:
        """Return the numbers of the actors' processes."""
        found: list[int] = self.ray.get([actor.process.remote() for actor in self._actors])
        return found

    def close(self) -> None:
        """End the actors, and the Ray that was started here."""
        for actor in getattr(self, "_actors", ()):
            self.ray.kill(actor)
        self._actors = []
        if self._is_own:
            self.ray.shutdown()
