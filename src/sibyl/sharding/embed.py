"""Items to rows of features by Ray actors, each of which holds the encoder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from sibyl.encoders.chosen import encoder_for
from sibyl.encoders.embed import Embedded
from sibyl.encoders.embed_source import embed_source
from sibyl.encoders.encoder import Encoder
from sibyl.errors import DataError
from sibyl.memmap import allocate, release
from sibyl.sharding.ray_actors import RayActors
from sibyl.sources.item import Item, Skipped
from sibyl.sources.source import Source
from sibyl.storage import cache_folder

_BLOCKS = 8  # of items, for each worker: what dies with a worker and is in no cache is done again
_LARGEST = 8192


class Worker:
    """Holds the encoder, made anew from its name; lives in an actor."""

    def __init__(self, source: Source, name: str | None, key: str, cache: str, batch_size: int) -> None:
        torch.set_num_threads(1)
        self._source, self._name, self._key, self._cache, self._batch_size = source, name, key, cache, batch_size
        self._encoder: Encoder[Any, Any] | None = None

    def call(self, items: Sequence[Item]) -> Embedded:
        """Return the rows of some items."""
        if self._encoder is None:
            self._encoder, _ = encoder_for(self._source, self._name)
            assert self._encoder is not None  # rows of numbers are never sent here
            if self._encoder.key != self._key:
                raise DataError(
                    f"encoder {self._encoder.name} of a Ray worker is not the one here; install the same packages and files on all machines"
                )
        return embed_source(replace(self._source, items=items), self._encoder, self._cache, batch_size=self._batch_size)

    def process(self) -> int:
        """Return the number of the process."""
        return os.getpid()


def embed_on_ray(
    source: Source,
    encoder: Encoder[Any, Any],
    name: str | None,
    n_workers: int | None = None,
    address: str | None = None,
    *,
    cache: str | None = None,
    batch_size: int = 32,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Embedded:
    """Turn the items of a source into features as `embed_source` does, by actors on a Ray cluster.

    Each worker keeps its rows in the feature cache, which one that is started again, and the next run, take them from: where workers
    share a disk, no row that was kept is computed twice. The rows are those of `embed_source`, bit for bit if the encoder runs one item
    at a time, as those of the extra ``encoders`` do; others round by what else is in a batch, which unreadable and cached items shift.

    Parameters
    ----------
    source : Source
        Images, texts or audio clips.
    encoder : Encoder
        Of the source's modality, frozen.
    name : str, optional
        What `encoder_by_name` makes it from; the default of the modality when left out.
    n_workers : int, optional
        Actors; as many as the cluster has cores when left out.
    address : str, optional
        Of a cluster that runs; one is started here when left out.
    cache, batch_size
        As in `embed_source`.
    report : callable
        Told how many items are done, and of how many.

    Raises
    ------
    DataError
        If the encoder learns from the items, or is another one on a worker.
    UserError
        If the cluster cannot be reached or started.
    """
    if type(encoder).fitted_to is not Encoder.fitted_to:
        raise DataError(f"encoder {encoder.name} learns from all items at once; leave --engine ray out, or choose another encoder")
    n_items = len(source.items)
    bare = replace(source, items=(), labels={}, skipped=(), order=(), frame=None)
    arguments = (bare, name, encoder.key, str(cache or cache_folder()), batch_size)
    actors = RayActors(Worker, arguments, n_workers, address)
    try:
        n_batches = min(_LARGEST, -(-n_items // (_BLOCKS * actors.n_workers))) // batch_size
        size = max(1, n_batches) * batch_size
        starts = range(0, n_items, size)
        matrix, filled = allocate((n_items, encoder.dim)), 0
        names, skipped, n_cached, problem = list[str](), list[Skipped](), 0, ""
        questions = ((number, (source.items[start : start + size],)) for number, start in enumerate(starts))
        for start, one in zip(starts, actors.ask(questions), strict=True):
            matrix[filled : filled + len(one.names)] = one.matrix
            filled += len(one.names)
            release(matrix)
            names += one.names
            skipped += one.skipped
            n_cached, problem = n_cached + one.n_cached, problem or one.problem
            report(min(start + size, n_items), n_items)
    finally:
        actors.close()
    return Embedded(tuple(names), matrix[:filled], tuple(skipped), n_cached, problem, encoder.description, encoder.key)
