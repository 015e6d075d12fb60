"""embed_source: a Source and an encoder → rows of features, whatever the modality."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from sibyl.encoders.embed import Embedded, embed
from sibyl.encoders.encoder import Encoder
from sibyl.encoders.feature_cache import FeatureCache
from sibyl.errors import DataError
from sibyl.sources.folder_items import with_first
from sibyl.sources.images import quiet_decoding
from sibyl.sources.item import Unreadable
from sibyl.sources.source import Source
from sibyl.storage import cache_folder

_FITTED_BATCH = 1024  # there is no network to fill, and each call costs more than a hundred texts


def embed_source(
    source: Source,
    encoder: Encoder[Any, Any] | None = None,
    cache: str | Path | None = None,
    *,
    first: Collection[str] = (),
    batch_size: int = 32,
    console: Console | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Embedded:
    """Turn the items of a source into features.

    Parameters
    ----------
    source : Source
        Of `open_source`. The rows of a table or of features are handed on as they are.
    encoder : Encoder, optional
        Of the source's modality; None for a table or features.
    cache : path, optional
        Folder of the feature caches; `cache_folder()` when left out. An encoder that is fitted to
        the source has no cache: fitting is what takes its time.
    first : collection of str
        Items whose rows come before the others', so that the others can be used as they lie,
        without a copy.
    batch_size : int
        Items per run of the network.
    console : rich Console, optional
        Where progress is shown.
    report : callable, optional
        Told how many items are encoded, and of how many.

    Returns
    -------
    Embedded
        Its `skipped` are the items that could not be read, beyond those of the source.

    Raises
    ------
    DataError
        If the source needs an encoder and none is given, or the encoder reads something else.
    """
    if source.matrix is not None:
        description = {"kind": source.modality, "name": f"the rows of {source.root.name}", "dim": int(source.matrix.shape[1])}
        return Embedded(source.names, source.matrix, (), encoder=description, fitted=source.fitted)
    if encoder is None:
        raise DataError(f"{source.root}: items of modality {source.modality} need an encoder; see: sibyl encoders")
    if encoder.modality != source.modality:
        raise DataError(
            f"{source.root}: encoder {encoder.name} reads modality {encoder.modality}, but the items are {source.modality}; "
            f"choose an encoder of {source.modality}, see: sibyl encoders"
        )
    network = encoder.fitted_to(_decoded(source))
    stored = None
    if network.fitted is None:
        stored = FeatureCache(cache_folder() if cache is None else cache, network.key, network.dim)
    else:
        batch_size = max(batch_size, _FITTED_BATCH)
    is_image = source.modality == "image"
    decode = partial(source.decode, min_side=network.enough_pixels) if is_image else source.decode
    quiet: AbstractContextManager[None] = quiet_decoding() if is_image else nullcontext()
    items = with_first(source.items, first)
    with quiet:
        return embed(items, decode, network, stored, decoder=source.decoder, batch_size=batch_size, console=console, report=report)


def _decoded(source: Source) -> Iterator[Any]:
    for item in source.items:
        with suppress(Unreadable):  # embedding names it
            yield source.decode(item.read())
