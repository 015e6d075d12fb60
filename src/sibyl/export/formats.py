"""What ``--export`` knows by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from sibyl.errors import DataError, UnknownName
from sibyl.export.class_folders import write_class_folders
from sibyl.export.cleanlab_arrays import write_cleanlab_arrays
from sibyl.export.fiftyone_dataset import write_fiftyone_dataset
from sibyl.export.hf_dataset import write_hf_dataset
from sibyl.export.label_studio import write_label_studio
from sibyl.export.labelled_items import LabelledItems
from sibyl.folders import absolute, atomic_folder, check_apart, check_replaceable
from sibyl.storage import write_errors

FORMATS: dict[str, Callable[[Path, LabelledItems], None]] = {
    "cleanlab": write_cleanlab_arrays,
    "datasets": write_hf_dataset,
    "fiftyone": write_fiftyone_dataset,
    "folders": write_class_folders,
    "label-studio": write_label_studio,
    "links": partial(write_class_folders, links=True),
}
"""Name → what writes into an empty folder."""
_KIND = "export"


def check_format(name: str) -> None:
    """Raise UnknownName if there is no such format."""
    if name not in FORMATS:
        raise UnknownName("export format", name, FORMATS)


def check_place(folder: Path, source: Path) -> None:
    """Check that an export may be written to `folder`: it is free, or holds an earlier export and not the source.

    Raises
    ------
    DataError
        If anything would be lost.
    """
    check_apart(folder, source)
    check_replaceable(folder, _KIND)


def export_items(name: str, folder: Path, labelled: LabelledItems) -> None:
    """Write labelled items in a format of another tool, whole or not at all; an earlier export there is replaced.

    Raises
    ------
    UnknownName
        If there is no such format.
    DataError
        If the format cannot hold such items, the folder cannot be written, or it holds anything but an earlier export.
    """
    check_format(name)
    check_place(folder, labelled.source.root)
    place = absolute(folder).resolve()
    if place.is_dir():
        inside = next((item.name for item in labelled.items if item.path.resolve().is_relative_to(place)), None)
        if inside is not None:
            raise DataError(f"{folder}: the item {inside!r} lies in it, so no export may replace it; choose another --out")
    with write_errors(folder), atomic_folder(folder, _KIND, {"format": name}) as partial_folder:
        FORMATS[name](partial_folder, labelled)
