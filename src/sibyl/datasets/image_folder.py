"""A folder of one's own as an ImageSet, read as `sibyl label` reads it: for training a backbone."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from sibyl.datasets.images import ImageSet
from sibyl.errors import DataError
from sibyl.sources.centre_cut import centre_cut
from sibyl.sources.images import quiet_decoding
from sibyl.sources.item import Item, Skipped, Unreadable
from sibyl.sources.source import Source

_AHEAD = 256  # images


def image_set_of(
    source: Source, size: int, progress: Callable[[int, int], None] | None = None
) -> tuple[ImageSet, tuple[Skipped, ...]]:
    """Read the labelled images of a source at one size.

    Parameters
    ----------
    source : Source
        Of `open_source`, with images in class folders. Images without a class are left out.
    size : int
        Height and width: the short side is resized, then the centre is cut out.
    progress : callable, optional
        Called with the number of images read and the number of all.

    Returns
    -------
    ImageSet
        Its class names are the labels of the source, sorted.
    tuple of Skipped
        Images that cannot be read, with the reason.

    Raises
    ------
    DataError
        If the source holds no images, or none in class folders that can be read.
    """
    if source.modality != "image":
        raise DataError(f"{source.root}: expected images in class folders, got items of modality {source.modality}")
    items = [item for item in source.items if item.name in source.labels]
    pixels = np.empty((len(items), size, size, 3), np.uint8)
    kept: list[str] = []
    skipped: list[Skipped] = []

    def read(item: Item) -> npt.NDArray[np.uint8] | Skipped:
        try:
            return np.asarray(centre_cut(source.decode(item.read(), min_side=2 * size), size, size))
        except Unreadable as error:
            return Skipped(item.name, str(error))

    with quiet_decoding(), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for start in range(0, len(items), _AHEAD):
            part = items[start : start + _AHEAD]
            for item, found in zip(part, pool.map(read, part), strict=True):
                if isinstance(found, Skipped):
                    skipped.append(found)
                else:
                    pixels[len(kept)] = found
                    kept.append(item.name)
            if progress is not None:
                progress(start + len(part), len(items))
    if not kept:
        raise DataError(f"{source.root}: expected images in class folders ({source.root}/CLASS/1.jpg), found none that can be read")
    classes = tuple(sorted({source.labels[name] for name in kept}))
    number = {name: index for index, name in enumerate(classes)}
    labels = np.array([number[source.labels[name]] for name in kept], np.int64)
    return ImageSet(pixels[: len(kept)], labels, classes, tuple(kept)), tuple(skipped)
