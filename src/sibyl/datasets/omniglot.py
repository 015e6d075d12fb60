"""Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn by 20 people (Lake, Salakhutdinov, Tenenbaum, Science 2015).

Training classes are the 30 background alphabets less five, which are the validation classes; test classes are the 20 evaluation
alphabets. The five have no near relative among the other 25 (not one of three Canadian syllabaries, not one of two Georgian scripts).
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from sibyl.datasets.archives import unpack
from sibyl.datasets.class_folders import ImageFiles, Progress, list_class_folders
from sibyl.datasets.download import Remote, download
from sibyl.datasets.images import ImageSet
from sibyl.datasets.packed import cached_image_set
from sibyl.datasets.splits import check_split
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
    listed = list_class_folders(_folder(Path(root), part, fetch))
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
                f"{Path(root) / part}: no alphabets of the {split} split there (validation: {', '.join(VALIDATION_ALPHABETS)}); "
                f"fetch {REMOTES[part].address}"
            )
        files = ImageFiles(tuple(listed.items[row] for row in rows), tuple(listed.classes[row] for row in rows))
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


def _folder(root: Path, part: str, fetch: bool) -> Path:
    folder, remote = root / part, REMOTES[part]
    if folder.is_dir():
        return folder
    if fetch:
        download(remote, root)
    archive = root / remote.file_name
    if not archive.is_file():
        raise DataError(
            f"{root}: neither {part} nor {archive.name} there; fetch {remote.address} and put it at {archive}, or download it (--fetch on the command line, fetch=True in Python)"
        )
    # The archives hold one folder of their own name; it is unpacked beside its final place and moved when it is whole.
    unpacked = unpack(archive, root / f"{part}.unpacked")
    if not (unpacked / part).is_dir():
        raise DataError(f"{archive}: holds no folder {part}; is this the right archive? fetch {remote.address}")
    (unpacked / part).rename(folder)
    shutil.rmtree(unpacked)
    return folder
