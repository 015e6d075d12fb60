"""Features of an ImageSet under a trained backbone, with augmented views, resumable after a kill."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from sibyl.backbones.augment import augment
from sibyl.backbones.checkpoint import TrainedBackbone
from sibyl.datasets.images import ImageSet
from sibyl.errors import DataError
from sibyl.features import KIND, Features, write_items
from sibyl.folders import absolute, check_replaceable, put_in_place, seal
from sibyl.growing import GrowingMatrix
from sibyl.mapped import slices
from sibyl.seeding import generator_for
from sibyl.storage import Json, content_key, held, write_errors


def embed_image_set(
    backbone: TrainedBackbone,
    images: ImageSet,
    out: str | Path,
    *,
    mirror: bool = False,
    n_views: int = 0,
    jitter: float = 0.4,
    seed: int = 0,
    batch_size: int = 256,
    provenance: Json | None = None,
    on_rows: Callable[[int, int], None] = lambda done, total: None,
) -> Features:
    """Compute the features of every image once, and of `n_views` augmented versions of each.

    The published system augments the images of every episode anew; a fixed number of views per image stands in for that, so that
    meta-training needs no backbone pass.

    Parameters
    ----------
    backbone : TrainedBackbone
        Frozen.
    images : ImageSet
        Of the backbone's image size.
    out : path
        Features folder; it appears when all rows are there. Killed in between, the same call goes on after the last finished batch.
    mirror : bool
        Rows are the mean over the image and its mirror image, at twice the time.
    n_views : int
        Augmented views of each image (crop, flip, jitter), kept in float16 beside the float32 matrix.
    jitter : float
        Strength of the colour jitter of the views.
    seed : int
        Of the views.
    batch_size : int
        Images per backbone pass.
    provenance : mapping, optional
        Kept with the features.
    on_rows : callable
        Called with rows done and rows in all, plain and augmented.

    Returns
    -------
    Features
        Memory-mapped.

    Raises
    ------
    DataError
        If the images have another size or other channels than the backbone takes, or `out` holds anything but features, or cannot be
        written.
    """
    out = absolute(out)
    check_replaceable(out, KIND)
    expected = (backbone.image_size, backbone.image_size, len(backbone.mean))
    if images.pixels.shape[1:] != expected:
        raise DataError(f"backbone {backbone.name} takes images {list(expected)}, got {list(images.pixels.shape[1:])}; resize them")
    origin = {**(provenance or {}), "encoder": backbone.name, "views": n_views, "jitter": jitter, "seed": seed}
    origin |= {"mirror": True} if mirror else {}  # features made before there was a choice keep their key
    key = content_key([origin, backbone.card, _checksum(backbone, images), images.ids])
    n, n_rows = len(images), len(images) * (1 + n_views)
    staging = out.with_name(f".sibyl-{content_key(out.name)[:8]}-{key}.resumable")
    with write_errors(out):
        staging.mkdir(parents=True, exist_ok=True)
        with held(staging, wait=False) as is_alone:
            if not is_alone:
                raise DataError(f"{out}: another process computes these features; wait for it, or choose another --out")
            plain = GrowingMatrix(staging / "matrix.npy", (n, backbone.dim), np.float32, key)
            while plain.n_done < n:
                pixels = images.pixels[plain.n_done : plain.n_done + batch_size]
                rows = backbone.encode(pixels)
                plain.append((rows + backbone.encode(pixels[:, :, ::-1])) / 2 if mirror else rows)
                on_rows(plain.n_done, n_rows)
            if n_views:
                views = GrowingMatrix(staging / "views.npy", (n, n_views, backbone.dim), np.float16, key)
                per_batch = max(1, batch_size // n_views)
                pad = max(1, backbone.image_size // 8 if backbone.image_size <= 40 else backbone.image_size // 10)
                while views.n_done < n:
                    drawn_from = torch.from_numpy(np.array(images.pixels[views.n_done : views.n_done + per_batch]))
                    draw = generator_for(seed, 3, views.n_done)
                    drawn = augment(drawn_from.repeat_interleave(n_views, 0), draw, pad=pad, jitter=jitter)
                    views.append(backbone.features(drawn).half().numpy().reshape(len(drawn_from), n_views, backbone.dim))
                    on_rows(n + views.n_done * n_views, n_rows)
                views.finish()
            plain.finish()
            write_items(staging, images.ids, images.labels, images.class_names, origin)
            seal(staging, KIND)
            put_in_place(staging, out, KIND)
    return Features.load(out)


def _checksum(backbone: TrainedBackbone, images: ImageSet) -> list[int]:
    """Return what changes if weights or pixels do."""
    weights, pixels = 0, 0
    for tensor in backbone.module.state_dict().values():
        weights = zlib.crc32(np.ascontiguousarray(tensor.cpu().numpy()).data, weights)
    for part in slices(images.pixels):
        pixels = zlib.crc32(np.ascontiguousarray(images.pixels[part]).data, pixels)
    return [weights, pixels]
