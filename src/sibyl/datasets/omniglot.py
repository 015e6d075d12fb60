"""Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn by 20 people (Lake, Salakhutdinov, Tenenbaum, Science 2015).

Training classes are the 30 background alphabets less five, which are the validation classes; test classes are the 20 evaluation
alphabets. The five have no near relative among the other 25 (not one of three Canadian syllabaries, not one of two Georgian scripts).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sibyl.datasets.class_folders import Progress, list_class_folders
from sibyl.datasets.download import Remote
from sibyl.datasets.images import ImageSet
from sibyl.datasets.packed import cached_image_set
from sibyl.datasets.splits import check_split
from sibyl.datasets.unpacked import unpacked_folder
from sibyl.errors import DataError

_ADDRESS = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
REMOTES = {
    "images_background": Remote(
        f"{_ADDRESS}/images_background.zip", "images_background.zip", "md5:68d2efa1b9178cc56df9314c21c6e718", 1 << 26
    ),
    "images_evaluation": Remote(
        f"{_ADDRESS}/images_evaluation.zip", "images_evaluation.zip", "md5:6b91aef0f799c5bb55b94e3f2daec811", 1 << 26
    ),
}
VALIDATION_ALPHABETS = ("Burmese_(Myanmar)", "Futurama", "Korean", "Tagalog", "Tifinagh")


def load_omniglot(
    split: str, root: str | Path, *, size: int = 28, rotations: bool = False, fetch: bool = False, progress: Progress | None = None
) -> ImageSet:
    """Return one split of Omniglot as grey images, black ink on white; classes are named ``Alphabet/character01``.

    Parameters
    ----------
    split : {"train", "validation", "test"}
        Which classes.
    root : path
        Folder with ``images_background`` and ``images_evaluation``, as folders or as the official zip archives, which are then unpacked
        beside themselves.
    size : int
        Height and width; the originals have 105.
    rotations : bool
        Add each character turned by 90, 180 and 270 degrees as new classes (``…/character01@90``), as is usual for training.
    fetch : bool
        Download the archives (9 and 6 MB) if there is nothing.
    progress : callable, optional
        Told how many image files are read.

    Raises
    ------
    DataError
        If the data is missing or damaged, or holds none of the split's alphabets.
    """
    check_split("omniglot", split)
    part = "images_evaluation" if split == "test" else "images_background"
    folder, remote = Path(root) / part, REMOTES[part]
    if not folder.is_dir():
        folder = unpacked_folder(remote, Path(root), part, part, fetch, f"neither {part} nor {remote.file_name}")
    listed = list_class_folders(folder)
    if split == "test":
        files = listed
    else:
        rows = [
            row
            for row, name in enumerate(listed.classes)
            if (name.split("/")[0] in VALIDATION_ALPHABETS) == (split == "validation")
        ]
        if not rows:
            raise DataError(
                f"{folder}: no alphabets of the {split} split there (validation: {', '.join(VALIDATION_ALPHABETS)}); "
                f"fetch {remote.address}"
            )
        files = listed.take(rows)
    images = cached_image_set(files, size=size, grey=True, progress=progress)
    return with_rotations(images) if rotations else images


def with_rotations(images: ImageSet) -> ImageSet:
    """Return the images and, as new classes, the same turned by 90, 180 and 270 degrees; four times as many of both."""
    turns = range(4)
    return replace(
        images,
        pixels=np.concatenate([np.rot90(images.pixels, turn, axes=(1, 2)) for turn in turns]),
        labels=np.concatenate([images.labels + turn * len(images.class_names) for turn in turns]),
        class_names=tuple(_turned(name, turn) for turn in turns for name in images.class_names),
        ids=tuple(_turned(name, turn) for turn in turns for name in images.ids),
    )


def _turned(name: str, turn: int) -> str:
    return f"{name}@{90 * turn}" if turn else name
