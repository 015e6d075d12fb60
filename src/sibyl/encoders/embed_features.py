"""A Source and an encoder → a features folder, with augmented views of images where meta-training
wants them.
"""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console

from sibyl.encoders.backbone import BackboneEncoder
from sibyl.encoders.embed import Embedded
from sibyl.encoders.embed_source import embed_source
from sibyl.encoders.encoder import Encoder
from sibyl.errors import DataError
from sibyl.features import KIND, Features
from sibyl.folders import absolute, check_replaceable
from sibyl.growing import GrowingMatrix
from sibyl.locks import held
from sibyl.memmap import slices
from sibyl.messages import counted
from sibyl.sources.images import quiet_decoding
from sibyl.sources.item import Item, Unreadable
from sibyl.sources.source import Source
from sibyl.storage import Json, content_key, write_errors


def embed_features(
    source: Source,
    encoder: Encoder[Any, Any] | None,
    out: str | Path,
    *,
    n_views: int = 0,
    jitter: float = 0.4,
    seed: int = 0,
    batch_size: int = 32,
    cache: str | Path | None = None,
    embedded: Embedded | None = None,
    provenance: Json | None = None,
    console: Console | None = None,
    on_views: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Features, Embedded]:
    """Compute the rows of every item once, and write them with their labels.

    The published system augments the images of every episode anew. A fixed number of views of each
    image stands in for that, so that meta-training needs no backbone.

    Parameters
    ----------
    source : Source
        Items, with labels where they have any.
    encoder : Encoder, optional
        Of the source's modality; None for a table or features.
    out : path
        Features folder. It appears when all rows are there; killed in between, the same call goes
        on from there.
    n_views : int
        Augmented views of each image (shift, flip, colour jitter), kept in float16 beside the
        float32 matrix. Only a backbone of ``sibyl pretrain`` can make them.
    jitter : float
        Strength of the colour jitter of the views.
    seed : int
        Of the views.
    batch_size : int
        Items per run of the network.
    cache, console
        As in `embed_source`.
    embedded : Embedded, optional
        The rows, where they are there already.
    provenance : mapping, optional
        Kept with the features.
    on_views : callable
        Called with the number of items whose views are done, and the number of all.

    Returns
    -------
    Features
        As loaded from `out`.
    Embedded
        What `embed_source` returned, with the items that could not be read.

    Raises
    ------
    DataError
        If no item can be read, views are wanted of an encoder that cannot make them, or `out` holds
        anything but features or cannot be written.
    """
    out = absolute(out)
    check_replaceable(out, KIND)
    if n_views and not isinstance(encoder, BackboneEncoder):
        raise DataError(
            "augmented views need a backbone of sibyl pretrain (.safetensors) or one that ships; leave out --views for other encoders"
        )
    done = embedded or embed_source(source, encoder, cache, batch_size=batch_size, console=console)
    if not done.names:
        raise DataError(f"{source.root}: expected items that can be read, but of {counted(len(done.skipped), 'item')} none can")
    classes = tuple(sorted({source.labels[name] for name in done.names if name in source.labels}))
    number = {name: index for index, name in enumerate(classes)}
    labels = np.array([number[source.labels[name]] if name in source.labels else -1 for name in done.names], np.int64)
    origin: Json = {**(provenance or {}), "encoder": dict(done.encoder)}
    if not isinstance(encoder, BackboneEncoder) or not n_views:
        Features(done.matrix, labels, classes, done.names, origin).save(out)
        return Features.load(out), done
    origin |= {"views": n_views, "jitter": jitter, "seed": seed}
    key = content_key([encoder.key, source.decoder, origin, done.names, _checksum(done.matrix)])
    staging = out.with_name(f".sibyl-{content_key(out.name)[:8]}-{key}.resumable")
    with write_errors(out):
        staging.mkdir(parents=True, exist_ok=True)
        with held(staging, wait=False) as is_alone:
            if not is_alone:
                raise DataError(f"{out}: another process computes these features; wait for it, or choose another --out")
            by_name = {item.name: item for item in source.items}
            items = [by_name[name] for name in done.names]
            draw = partial(encoder.views, n_views=n_views, jitter=jitter, seed=seed)
            shape = (len(items), n_views, encoder.dim)
            views = _fill(staging / "views.npy", key, shape, items, source, encoder, draw, batch_size, on_views)
            Features(done.matrix, labels, classes, done.names, origin, views).save(out)
            shutil.rmtree(staging)
    return Features.load(out), done


def _fill(
    path: Path,
    key: str,
    shape: tuple[int, int, int],
    items: Sequence[Item],
    source: Source,
    encoder: BackboneEncoder,
    draw: Callable[..., npt.NDArray[np.float16]],
    batch_size: int,
    on_views: Callable[[int, int], None],
) -> npt.NDArray[np.float16]:
    """Return the views of all items, from the file that an earlier call left where it is whole."""

    def prepare(item: Item) -> npt.NDArray[np.uint8]:
        try:
            return encoder.prepare(source.decode(item.read(), min_side=encoder.enough_pixels))
        except Unreadable as error:  # it could be read a moment ago
            raise DataError(f"{source.root}: {item.name!r} cannot be read any more ({error}); start again") from None

    if not path.exists():
        views = GrowingMatrix(path, shape, np.float16, key)
        per_batch = max(1, batch_size // shape[1])
        with quiet_decoding(), ThreadPoolExecutor() as pool:
            while views.n_done < len(items):
                images = np.stack(list(pool.map(prepare, items[views.n_done : views.n_done + per_batch])))
                views.append(draw(images, first=views.n_done))
                on_views(views.n_done, len(items))
        views.finish()
    whole: npt.NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
    return whole


def _checksum(matrix: npt.NDArray[np.float32]) -> int:
    """Return what changes if weights or images do."""
    found = 0
    for part in slices(matrix):
        found = zlib.crc32(np.ascontiguousarray(matrix[part]).data, found)
    return found
