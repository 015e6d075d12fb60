"""One folder per class with its items: copies, or links where disk is dear. FiftyOne reads the same as an image classification tree."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from sibyl.export.labelled_items import LabelledItems
from sibyl.sources.item import Item

_WINDOWS = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_RESERVED = re.compile(r"(?i)^(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
_LONGEST = 120  # characters, so that names keep below the 255 bytes that file systems hold


def write_class_folders(folder: Path, labelled: LabelledItems, *, links: bool = False) -> None:
    """Write ``CLASS/ITEM`` for every labelled item.

    Names become safe on every system: what a file system may not hold becomes ``_``, folders in an item's name become ``__``, and where
    two items would meet, the later gets a number. Rows of a table of texts become txt files; files that have gone since are passed over.

    Parameters
    ----------
    folder : path
        An empty folder that is made whole elsewhere.
    labelled : LabelledItems
        Images, texts or clips.
    links : bool
        Symbolic links to the files instead of copies.

    Raises
    ------
    DataError
        If the items are no files or texts.
    """
    labelled.need("image", "text", "audio", purpose="a tree of class folders")
    class_folder: dict[str, str] = {}
    taken: set[str] = set()
    for name in labelled.class_names:
        class_folder[name] = _free(safe_name(name), taken)
        (folder / class_folder[name]).mkdir()
    used: dict[str, set[str]] = {name: set() for name in labelled.class_names}
    for row, item in enumerate(labelled.items):
        label = labelled.label_of(row)
        wanted = safe_name(item.name.replace("/", "__"))
        if item.content is not None:
            wanted += ".txt"
        _place(item, folder / class_folder[label] / _free(wanted, used[label]), links)


def write_fiftyone_tree(folder: Path, labelled: LabelledItems) -> None:
    """Write the images as FiftyOne's ``ImageClassificationDirectoryTree``: one folder per class, files as copies."""
    labelled.need("image", purpose="FiftyOne's tree of images")
    write_class_folders(folder, labelled)


def _place(item: Item, target: Path, links: bool) -> None:
    if item.content is not None:
        target.write_bytes(item.content)
    elif not item.path.is_file():
        return  # it was there when it was labelled; the others go on
    elif links:
        target.symlink_to(item.path.resolve())  # not by way of other links, which may be replaced
    else:
        shutil.copyfile(item.path, target)


def safe_name(name: str) -> str:
    """Return a name that every file system holds and no tool takes for a path."""
    safe = _WINDOWS.sub("_", name).strip().rstrip(".")
    if len(safe) > _LONGEST:
        _, dot, ending = safe.rpartition(".")
        ending = dot + ending if dot and len(ending) <= 8 else ""
        safe = safe[: _LONGEST - len(ending)] + ending
    while len(safe.encode("utf-8", "replace")) > 240:
        safe = safe[1:]
    if not safe or _RESERVED.match(safe) or safe.startswith("."):
        safe = "_" + safe
    return safe


def _free(wanted: str, taken: set[str]) -> str:
    """Return a name that is not taken, whatever the case of its letters, and take it."""
    stem, dot, ending = wanted.rpartition(".")
    stem, ending = (stem, dot + ending) if stem else (wanted, "")
    name, number = wanted, 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem} ({number}){ending}"
    taken.add(name.casefold())
    return name
