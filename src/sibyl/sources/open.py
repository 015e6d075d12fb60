"""open_source: from a path to a Source, whatever lies there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sibyl.errors import DataError
from sibyl.sources.feature_files import load_features
from sibyl.sources.images import READER, decode_image, find_images
from sibyl.sources.item import Item
from sibyl.sources.source import Source, folder_labels

__all__ = ["Source", "open_source"]


def open_source(
    path: str | Path,
    *,
    column: str | None = None,
    label_column: str | None = None,
    id_column: str | None = None,
    exclude: str | Path | Iterable[str | Path] | None = None,
) -> Source:
    """Open a pile of data.

    Parameters
    ----------
    path : path
        A folder of images, or a file of features.
    column : str, optional
        Column with the texts of a table.
    label_column : str, optional
        Column with labels, where it has none of the usual names; blank cells are unlabelled.
    id_column : str, optional
        Column with the items' names, where it has none of the usual names.
    exclude : path or iterable of path, optional
        Files and folders below `path` that are no data: the output, the list of examples.

    Raises
    ------
    DataError
        If nothing lies there, or nothing that can be read.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_dir() and not (path / "features.json").is_file():
        leave_out = [exclude] if isinstance(exclude, str | Path) else list(exclude or [])
        found = find_images(path, leave_out)
        return Source("image", path, found.items, found.skipped, folder_labels(found.items), decode_image, READER)
    return _features(path, label_column, id_column)


def _features(path: Path, label_column: str | None, id_column: str | None) -> Source:
    features = load_features(path, label_name=label_column, id_name=id_column)
    labels = {
        name: features.class_names[label] for name, label in zip(features.ids, features.labels.tolist(), strict=True) if label >= 0
    }
    return Source(
        "features",
        path,
        tuple(Item(name, path) for name in features.ids),
        labels=labels,
        matrix=np.asarray(features.matrix, np.float32),
    )
