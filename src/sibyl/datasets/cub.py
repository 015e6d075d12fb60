"""CUB-200-2011: 11,788 photographs of 200 kinds of birds (Wah et al. 2011), split 100 / 50 / 50.

The split is the usual one of Chen et al., "A closer look at few-shot classification", ICLR 2019: of the classes in the order of their
numbers, from 0, the even ones train, those with remainder 1 of 4 validate, those with remainder 3 test.
"""

from __future__ import annotations

from pathlib import Path

from sibyl.datasets.class_folders import Progress, list_class_folders
from sibyl.datasets.download import Remote
from sibyl.datasets.images import ImageSet
from sibyl.datasets.packed import cached_image_set
from sibyl.datasets.splits import check_split, split_folder
from sibyl.datasets.unpacked import unpacked_folder
from sibyl.errors import DataError

REMOTE = Remote(
    "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
    "CUB_200_2011.tgz",
    "md5:97eceeb196236b17998738112f37df78",
    max_bytes=2 << 30,
)
_REMAINDERS = {"train": (0, 2), "validation": (1,), "test": (3,)}


def load_cub(split: str, root: str | Path, *, size: int = 84, fetch: bool = False, progress: Progress | None = None) -> ImageSet:
    """Return one split of CUB: 100, 50 or 50 classes.

    Parameters
    ----------
    split : {"train", "validation", "test"}
        Which classes.
    root : path
        Folder with ``CUB_200_2011.tgz`` (unpacked beside itself), or with ``CUB_200_2011/images/<class>``, ``images/<class>``, or with
        already split class folders ``train/<class>``, ``val/…``, ``test/…``.
    size : int
        Height and width; whole photographs are squeezed into it, not cropped.
    fetch : bool
        Download the archive (1.2 GB) if there is nothing.
    progress : callable, optional
        Told how many image files are read.

    Raises
    ------
    DataError
        If the data is missing or damaged, or does not have 200 classes.
    """
    check_split("cub", split)
    root = Path(root)
    folder = split_folder(root, split)
    if folder is not None:
        return cached_image_set(list_class_folders(folder), size=size, progress=progress)
    images = _images(root, fetch)
    listed = list_class_folders(images)
    if len(listed.class_names) != 200:
        raise DataError(
            f"{images}: expected the 200 classes of CUB-200-2011, found {len(listed.class_names)}; fetch {REMOTE.address} again"
        )
    wanted = {name for number, name in enumerate(listed.class_names) if number % 4 in _REMAINDERS[split]}
    rows = [row for row, name in enumerate(listed.classes) if name in wanted]
    return cached_image_set(listed.take(rows), size=size, progress=progress)


def _images(root: Path, fetch: bool) -> Path:
    layouts = (root / "images", root / "CUB_200_2011" / "images")
    for layout in layouts:
        if layout.is_dir():
            return layout
    return unpacked_folder(REMOTE, root, "CUB_200_2011", "CUB_200_2011/images", fetch, "no CUB-200-2011") / "images"
