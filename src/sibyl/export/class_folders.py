"""One folder per class with its items: copies, or links where disk is dear."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

from sibyl.export.labelled_items import LabelledItems, write_whole
from sibyl.sources.item import Item

_WINDOWS = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_RESERVED = re.compile(r"(?i)^(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
_LONGEST = 120  # letters
_MOST_BYTES = 230  # file systems hold 255; a number may follow


def write_class_folders(folder: Path, labelled: LabelledItems, *, links: bool = False) -> None:
    """Write ``CLASS/ITEM`` for every labelled item.

    ``classes.json`` is the key from folders to classes. Names become safe on every system: what a file system may not hold becomes ``_``, folders in an item's name become ``__``, and where
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
        class_folder[name] = free_name(safe_name(name), taken)
        (folder / class_folder[name]).mkdir()
    used: dict[str, set[str]] = {name: set() for name in labelled.class_names}
    for row, item in enumerate(labelled.items):
        label = labelled.label_of(row)
        wanted = safe_name(item.name.replace("/", "__"))
        if item.content is not None:
            wanted += ".txt"
        place(item, folder / class_folder[label] / free_name(wanted, used[label]), links)
    key = {of_class: name for name, of_class in class_folder.items()}
    write_whole(folder / "classes.json", json.dumps(key, ensure_ascii=False, indent=1) + "\n")


def place(item: Item, target: Path, links: bool = False) -> None:
    """Put an item where an export wants it; one that has gone since it was labelled is passed over."""
    if item.content is not None:
        target.write_bytes(item.read())
    elif not item.path.is_file():
        return  # it was there when it was labelled; the others go on
    elif links:
        target.symlink_to(item.path.resolve())  # not by way of other links, which may be replaced
    else:
        shutil.copyfile(item.path, target)


def safe_name(name: str) -> str:
    """Return a name that every file system holds and no tool takes for a path.

    Of a long name the end is kept, where the file's own name and its ending are, behind a checksum of the whole.
    """
    safe, shortened = _WINDOWS.sub("_", name).strip().rstrip("."), False
    if len(safe) > _LONGEST:
        safe = safe[9 - _LONGEST :]
        shortened = True
    while len(safe.encode("utf-8", "replace")) > _MOST_BYTES:
        safe, shortened = safe[1:], True
    if shortened:
        safe = f"{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}_{safe}"
    if not safe or _RESERVED.match(safe) or safe.startswith("."):
        safe = "_" + safe
    return safe


def free_name(wanted: str, taken: set[str]) -> str:
    """Return a name that is not taken, whatever the case of its letters, and take it."""
    stem, dot, ending = wanted.rpartition(".")
    stem, ending = (stem, dot + ending) if stem else (wanted, "")
    name, number = wanted, 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem} ({number}){ending}"
    taken.add(name.casefold())
    return name
