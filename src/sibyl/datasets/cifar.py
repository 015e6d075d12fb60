"""CIFAR-FS and FC100: the classes of CIFAR-100, split for few-shot learning; 600 images of 32 × 32 pixels in each class.

Read from class folders (``root/{train,val,test}/<class>/*.png`` or ``root/<class>/*.png``) or from the official binary archive. The
archive for Python holds pickles, which can run code when they are read; it is refused.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from sibyl.datasets.archives import read_members
from sibyl.datasets.cifar100_classes import CIFAR_FS, CLASSES, FC100, SUPERCLASSES
from sibyl.datasets.class_folders import ImageFiles, Progress, list_class_folders
from sibyl.datasets.download import Remote, download, missing
from sibyl.datasets.images import ImageSet
from sibyl.datasets.packed import cached_image_set
from sibyl.datasets.splits import check_split
from sibyl.errors import DataError
from sibyl.features import check_disjoint

REMOTE = Remote(
    "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    "cifar-100-binary.tar.gz",
    "md5:03b5dce01913d631647c71ecec9e9cb8",
    max_bytes=1 << 28,
)
_PICKLES = ("cifar-100-python.tar.gz", "cifar-100-python")
_PARTS = {"train.bin": 50_000, "test.bin": 10_000}
_RECORD = 2 + 3 * 32 * 32  # superclass, class, then red, green and blue planes


def load_cifar_fs(split: str, root: str | Path, *, fetch: bool = False, progress: Progress | None = None) -> ImageSet:
    """Return one split of CIFAR-FS: 64, 16 or 20 classes.

    Parameters
    ----------
    split : {"train", "validation", "test"}
        Which classes.
    root : path
        Folder with class folders, or with ``cifar-100-binary.tar.gz``, packed or unpacked; or the archive itself.
    fetch : bool
        Download the archive (161 MB) into `root` if there is nothing.
    progress : callable, optional
        Told how many image files are read.

    Raises
    ------
    DataError
        If the data is missing, incomplete or damaged, or a class lies in another split's folder.
    """
    return _load("cifar-fs", CIFAR_FS, split, Path(root), fetch, progress)


def load_fc100(split: str, root: str | Path, *, fetch: bool = False, progress: Progress | None = None) -> ImageSet:
    """Return one split of FC100: 60, 20 or 20 classes, whole superclasses; parameters as in `load_cifar_fs`.

    Folders that are sorted as CIFAR-FS serve too: only the class names count.
    """
    return _load("fc100", FC100, split, Path(root), fetch, progress)


def _load(
    dataset: str, classes: dict[str, tuple[str, ...]], split: str, root: Path, fetch: bool, progress: Progress | None
) -> ImageSet:
    check_split(dataset, split)
    check_disjoint(classes)
    names = classes[split]
    if root.is_file():
        return _from_archive(root, names)
    if fetch and not _found(root):
        download(REMOTE, root)
    archive, unpacked = root / REMOTE.file_name, root / "cifar-100-binary"
    if archive.is_file():
        return _from_archive(archive, names)
    for folder in (unpacked, root):
        if all((folder / part).is_file() for part in _PARTS):
            return _from_records({part: (folder / part).read_bytes() for part in _PARTS}, folder, names)
    if any((root / name).exists() for name in _PICKLES):
        raise _pickles(next(root / name for name in _PICKLES if (root / name).exists()))
    return _from_folders(root, names, progress)


def _found(root: Path) -> bool:
    return root.is_dir() and any(root.iterdir())


def _pickles(path: Path) -> DataError:
    return DataError(
        f"{path}: the edition for Python holds pickles, which can run code when they are read, so it is not opened; "
        f"take the binary edition: {REMOTE.address}"
    )


def _from_folders(root: Path, names: tuple[str, ...], progress: Progress | None) -> ImageSet:
    if not _found(root):
        raise missing(REMOTE, root, "no CIFAR-100")
    listed = list_class_folders(root)
    names_of_rows = [PurePosixPath(name).name for name in listed.classes]
    rows = [row for row, name in enumerate(names_of_rows) if name in names]
    where = {names_of_rows[row]: listed.classes[row] for row in rows}
    absent = [name for name in names if name not in where]
    if absent:
        raise DataError(
            f"{root}: {len(absent)} of {len(names)} classes are missing (the first is {absent[0]!r}); "
            f"expected {root}/{{train,val,test}}/<class>/*.png, or {REMOTE.file_name} from {REMOTE.address}"
        )
    twice = [row for row in rows if where[names_of_rows[row]] != listed.classes[row]]
    if twice:
        name = names_of_rows[twice[0]]
        raise DataError(f"{root}: class {name!r} lies in {where[name]} and in {listed.classes[twice[0]]}; keep one of them")
    files = ImageFiles(tuple(listed.items[row] for row in rows), tuple(names_of_rows[row] for row in rows))
    images = cached_image_set(files, progress=progress)
    if images.pixels.shape[1:] != (32, 32, 3):
        raise DataError(f"{root}: expected images of 32 × 32 pixels, found {images.pixels.shape[2]} × {images.pixels.shape[1]}")
    return images


def _from_archive(archive: Path, names: tuple[str, ...]) -> ImageSet:
    if archive.name in _PICKLES:
        raise _pickles(archive)
    parts = {part: n * _RECORD + 1 for part, n in _PARTS.items()}
    return _from_records(read_members(archive, parts), archive, names)


def _from_records(parts: dict[str, bytes], where: Path, names: tuple[str, ...]) -> ImageSet:
    for part, n in _PARTS.items():
        if len(parts[part]) != n * _RECORD:
            raise DataError(f"{where}: {part} has {len(parts[part])} bytes, expected {n * _RECORD}; fetch {REMOTE.address} again")
    records = np.concatenate([np.frombuffer(parts[part], np.uint8).reshape(-1, _RECORD) for part in _PARTS])
    number = {name: index for index, name in enumerate(CLASSES)}
    superclass = np.array([next(row for row, group in enumerate(SUPERCLASSES.values()) if name in group) for name in CLASSES])
    if records[:, 1].max() >= len(CLASSES) or (superclass[records[:, 1]] != records[:, 0]).any():
        raise DataError(f"{where}: its labels are not those of CIFAR-100; fetch {REMOTE.address} again")
    rows = np.concatenate([np.flatnonzero(records[:, 1] == number[name]) for name in names])
    counts = [int((records[:, 1] == number[name]).sum()) for name in names]
    pixels = np.ascontiguousarray(records[rows, 2:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    ids = tuple(f"{name}/{name}_{place:03d}" for name, n in zip(names, counts, strict=True) for place in range(n))
    return ImageSet(pixels, np.repeat(np.arange(len(names), dtype=np.int64), counts), names, ids)
