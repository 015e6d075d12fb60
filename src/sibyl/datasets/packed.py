"""A packed copy of many small image files, made once and memory-mapped ever after.

A pack is a folder ``<cache>/<key>`` with ``pixels.npy`` and ``pack.json``; a damaged one is made
anew. The key is drawn from the name, size and modification time of every file and from how they are
read: a changed file makes another pack, and a pack is never updated.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sibyl.datasets.class_folders import ImageFiles, Progress, fill_pixels, pixel_shape
from sibyl.datasets.images import ImageSet
from sibyl.errors import DataError
from sibyl.folders import MARK, atomic_folder, first_damage
from sibyl.growing import reserve_array
from sibyl.sources.images import READER
from sibyl.storage import cache_folder, content_key, read_json, write_json

_FORMAT = 2
_FILES = ("pixels.npy", "pack.json")


def cached_image_set(
    files: ImageFiles,
    *,
    size: int | None = None,
    grey: bool = False,
    cache: str | Path | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> ImageSet:
    """Return the images of a benchmark, from their pack where there is one, and make it where there
    is none.

    A benchmark's images are brought to their size as its authors did, which for most means squeezed
    to a square. Folders of one's own are read through `open_source` instead, which cuts out the
    centre (`image_folder`).

    Parameters
    ----------
    files : ImageFiles
        Image files with their classes.
    size : int, optional
        Resize to ``size × size`` pixels; without it all images must have one size.
    grey : bool
        Read one grey channel instead of RGB.
    cache : path, optional
        Folder of packs; by default ``images`` in `cache_folder`.
    n_threads, progress
        As in `fill_pixels`; a pack that is there is opened without progress.

    Returns
    -------
    ImageSet
        Its pixels are memory-mapped, read-only.

    Raises
    ------
    DataError
        If images cannot be read, or the pack cannot be written.
    """
    ids = tuple(item.name for item in files.items)
    folder = (Path(cache) if cache is not None else cache_folder() / "images") / _key(files, size, grey)
    pixels = _open(folder, len(ids))
    if pixels is None:
        try:
            _pack(folder, files, size, grey, n_threads, progress)
        except OSError as error:
            raise DataError(
                f"{folder}: the packed images cannot be written ({error.strerror or error}); set SIBYL_CACHE to a folder with room"
            ) from None
        pixels = _open(folder, len(ids))
        assert pixels is not None
    return ImageSet(pixels, files.labels, files.class_names, ids)


def _key(files: ImageFiles, size: int | None, grey: bool) -> str:
    states = [item.path.stat() for item in files.items]
    listing = [[item.name, state.st_size, state.st_mtime_ns] for item, state in zip(files.items, states, strict=True)]
    return content_key([_FORMAT, READER, size, grey, listing])


def _pack(folder: Path, files: ImageFiles, size: int | None, grey: bool, n_threads: int | None, progress: Progress | None) -> None:
    shape = pixel_shape(files, size, grey)
    with atomic_folder(folder, "packed images", ours=_FILES) as partial:
        reserve_array(partial / "pixels.npy", np.uint8, shape)
        pixels = np.lib.format.open_memmap(partial / "pixels.npy", mode="r+")
        paths = [item.path for item in files.items]
        fill_pixels(pixels, paths, size=size, grey=grey, n_threads=n_threads, progress=progress)
        pixels.flush()
        write_json(partial / "pack.json", {"format": _FORMAT, "shape": list(shape), "size": size, "grey": grey, "reader": READER})


def _open(folder: Path, n_images: int) -> np.memmap | None:
    if not (folder / MARK).is_file() or first_damage(folder) is not None:
        return None
    try:
        header = read_json(folder / "pack.json")
        pixels = np.load(folder / "pixels.npy", mmap_mode="r", allow_pickle=False)
    except (DataError, OSError, ValueError):  # absent or damaged: it is made again
        return None
    whole = list(pixels.shape) == header.get("shape") and len(pixels) == n_images and pixels.dtype == np.uint8
    return pixels if whole else None
