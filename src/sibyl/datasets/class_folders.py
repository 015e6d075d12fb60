"""Class folders of a benchmark: ``root/<class>/<image>``, the layout in which most are passed on."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
from PIL import Image

from sibyl.errors import DataError
from sibyl.sources.images import ENDINGS, decode_image, find_images, quiet_decoding
from sibyl.sources.item import Item, Unreadable

Progress = Callable[[int, int], None]
"""Called with the number of images read so far and the number of all."""
_CHUNK = 64


@dataclass(frozen=True)
class ImageFiles:
    """Image files with the class of each.

    Parameters
    ----------
    items : tuple of Item
        Files; an item's name becomes its id.
    classes : tuple of str
        Class name of each file.
    """

    items: tuple[Item, ...]
    classes: tuple[str, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The different classes, sorted."""
        return tuple(sorted(set(self.classes)))

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Index of each file's class in `class_names`: int64 [file]."""
        number = {name: index for index, name in enumerate(self.class_names)}
        return np.array([number[name] for name in self.classes], np.int64)

    def take(self, rows: Sequence[int]) -> ImageFiles:
        """Return some of the files."""
        return ImageFiles(tuple(self.items[row] for row in rows), tuple(self.classes[row] for row in rows))


def list_class_folders(root: str | Path) -> ImageFiles:
    """List the images below a folder; every folder that directly holds images is a class, named by
    its path below `root`.

    Benchmarks name their classes so (``alphabet/character``). For folders of one's own,
    `Source.labels` says which class an item has.

    Raises
    ------
    DataError
        If there are no images in class folders, or a file that should be an image is empty or
        cannot be opened.
    """
    found = find_images(root)
    broken = [
        skipped
        for skipped in found.skipped
        if PurePosixPath(skipped.name).suffix.lower() in ENDINGS and skipped.reason[:6] != "hidden"
    ]
    if broken:
        raise DataError(f"{Path(root) / broken[0].name}: {broken[0].reason}; replace or remove it")
    items = tuple(item for item in found.items if "/" in item.name)
    if not items:
        raise DataError(f"{root}: its images lie in no class folders; expected {root}/<class>/<image>.png or similar")
    return ImageFiles(items, tuple(item.name.rpartition("/")[0] for item in items))


def read_image(path: Path, size: int | None, grey: bool) -> npt.NDArray[np.uint8]:
    """Read one image as uint8 [height, width, channel], resized to ``size × size`` where a size is
    given.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        # Large photographs are decoded at a fraction of their size, though never below twice the size that is wanted.
        image: Image.Image = decode_image(path.read_bytes(), None if size is None else 2 * size)
    except (Unreadable, OSError) as error:
        raise DataError(f"{path}: cannot be read as an image ({error}); replace or remove it") from None
    if grey:
        image = image.convert("L")
    if size is not None and image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[..., None] if grey else pixels


def fill_pixels(
    pixels: npt.NDArray[np.uint8],
    paths: Sequence[Path],
    *,
    size: int | None,
    grey: bool,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Read images into the rows of an array, in several threads.

    Parameters
    ----------
    pixels : uint8 array [item, height, width, channel]
        Filled in place; may be memory-mapped.
    paths : sequence of Path
        One file per row.
    size, grey
        As in `read_image`.
    n_threads : int, optional
        By default one per processor, at most eight.
    progress : callable, optional
        Called after every few images.

    Raises
    ------
    DataError
        If an image cannot be read, or has another size than the array.
    """

    def fill(start: int) -> int:
        for row in range(start, min(start + _CHUNK, len(paths))):
            image = read_image(paths[row], size, grey)
            if image.shape != pixels.shape[1:]:
                raise DataError(
                    f"{paths[row]}: size {image.shape[1]} × {image.shape[0]} differs from {pixels.shape[2]} × {pixels.shape[1]} "
                    "of the first image; give a size to which all are brought"
                )
            pixels[row] = image
        return min(start + _CHUNK, len(paths))

    threads = n_threads or min(8, os.cpu_count() or 1)
    with quiet_decoding(), ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(fill, start) for start in range(0, len(paths), _CHUNK)]
        try:
            for future in futures:
                n_done = future.result()
                if progress is not None:
                    progress(n_done, len(paths))
        finally:
            for future in futures:
                future.cancel()


def pixel_shape(files: ImageFiles, size: int | None, grey: bool) -> tuple[int, int, int, int]:
    """Shape of the array that holds all images: [item, height, width, channel]."""
    if size is not None:
        return len(files.items), size, size, 1 if grey else 3
    height, width, channels = read_image(files.items[0].path, None, grey).shape
    return len(files.items), height, width, channels
