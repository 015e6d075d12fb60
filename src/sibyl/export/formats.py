"""What ``--export`` knows by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from sibyl.errors import UnknownName
from sibyl.export.class_folders import write_class_folders, write_fiftyone_tree
from sibyl.export.cleanlab_arrays import write_cleanlab_arrays
from sibyl.export.hf_dataset import write_hf_dataset
from sibyl.export.label_studio import write_label_studio
from sibyl.export.labelled_items import LabelledItems
from sibyl.storage import atomic_folder, write_errors

FORMATS: dict[str, Callable[[Path, LabelledItems], None]] = {
    "cleanlab": write_cleanlab_arrays,
    "datasets": write_hf_dataset,
    "fiftyone": write_fiftyone_tree,
    "folders": write_class_folders,
    "label-studio": write_label_studio,
    "links": partial(write_class_folders, links=True),
}
"""Name → what writes into an empty folder."""


def check_format(name: str) -> None:
    """Raise UnknownName if there is no such format."""
    if name not in FORMATS:
        raise UnknownName("export format", name, FORMATS)


def export_items(name: str, folder: Path, labelled: LabelledItems) -> None:
    """Write labelled items in a format of another tool, whole or not at all; what was there before is replaced.

    Raises
    ------
    UnknownName
        If there is no such format.
    DataError
        If the format cannot hold such items, or the folder cannot be written.
    """
    check_format(name)
    with write_errors(folder), atomic_folder(folder) as partial_folder:
        FORMATS[name](partial_folder, labelled)
