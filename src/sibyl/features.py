"""Features: one row per item, computed once by a frozen encoder and memory-mapped from disk ever after.

On disk a Features is a folder: ``matrix.npy`` (rows), ``views.npy`` (optional augmented views),
``items.parquet`` (id and label of each row) and ``features.json`` (class names, provenance, format
version). The folder appears whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sibyl.errors import DataError
from sibyl.folders import atomic_folder, first_damage
from sibyl.messages import counted
from sibyl.storage import Json, read_json, write_errors, write_json

FORMAT = 1
KIND = "features"
"""Of the folder, see `sibyl.folders`."""


@dataclass(frozen=True, eq=False)
class Features:
    """A matrix of features with what is known of its rows.

    Parameters
    ----------
    matrix : float array [item, dim]
        One row per item; may be memory-mapped.
    labels : int64 array [item]
        Index into `class_names`; −1 where the class is unknown.
    class_names : tuple of str
        Names of the classes, each once.
    ids : tuple of str
        One unique name per item, for example a path relative to its folder. Left out, rows are
        numbered.
    provenance : mapping
        Where the rows come from: encoder, data set, split. Anything JSON can hold.
    views : float array [item, view, dim], optional
        Features of augmented views of each item, for meta-training.

    Raises
    ------
    DataError
        If lengths differ, a label has no class name, or ids or class names repeat.
    """

    matrix: npt.NDArray[np.floating[Any]]
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    ids: tuple[str, ...] = ()
    provenance: Json = field(default_factory=dict)
    views: npt.NDArray[np.floating[Any]] | None = None

    def __post_init__(self) -> None:
        n = len(self.matrix)
        if not self.ids:
            object.__setattr__(self, "ids", tuple(str(row) for row in range(n)))
        if self.matrix.ndim != 2:
            raise DataError(f"features must be a matrix [item, dim], got shape {list(self.matrix.shape)}")
        if len(self.labels) != n:
            raise DataError(f"{counted(n, 'row')} of features, but {counted(len(self.labels), 'label')}; give one label per row")
        if len(self.ids) != n or len(set(self.ids)) != n:
            raise DataError(
                f"features need a different id for each row ({n:,}); got {len(self.ids)}, {len(set(self.ids))} different"
            )
        if len(set(self.class_names)) != len(self.class_names):
            repeated = sorted({name for name in self.class_names if self.class_names.count(name) > 1})
            raise DataError(f"class names must differ; given twice: {', '.join(repeated[:5])}")
        if n and not -1 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.class_names):
            raise DataError(
                f"labels must lie in -1 … {len(self.class_names) - 1} (index into class_names), "
                f"got {int(self.labels.min())} … {int(self.labels.max())}"
            )
        if self.views is not None and (self.views.ndim != 3 or self.views.shape[::2] != self.matrix.shape):
            raise DataError(f"views must be [item, view, dim] for a matrix {list(self.matrix.shape)}, got {list(self.views.shape)}")

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def dim(self) -> int:
        """Number of feature columns."""
        return int(self.matrix.shape[1])

    def check_finite(self, slice_rows: int = 65536) -> None:
        """Raise DataError, naming rows, if any feature is NaN or infinite."""
        for start in range(0, len(self), slice_rows):
            part = self.matrix[start : start + slice_rows]
            bad = np.flatnonzero(~np.isfinite(part).all(1)) + start
            if len(bad):
                shown = ", ".join(f"{row} ({self.ids[row]})" for row in bad[:3])
                raise DataError(
                    f"features must be finite, but row {shown} holds NaN or infinity; "
                    f"{len(bad)} such rows from {start} on: remove or recompute them"
                )

    def take(self, rows: npt.NDArray[np.int64]) -> Features:
        """Return some rows, class names unchanged."""
        return replace(
            self,
            matrix=self.matrix[rows],
            labels=self.labels[rows],
            ids=tuple(self.ids[row] for row in rows),
            views=None if self.views is None else self.views[rows],
        )

    def of_classes(self, names: tuple[str, ...]) -> Features:
        """Return the rows of the named classes, labels renumbered in the order of `names`."""
        missing = [name for name in names if name not in self.class_names]
        if missing:
            raise DataError(f"no class {missing[0]!r} in these features; they hold {', '.join(self.class_names[:8])} …")
        number = np.full(len(self.class_names) + 1, -1, np.int64)
        number[[self.class_names.index(name) for name in names]] = np.arange(len(names))
        part = self.take(np.flatnonzero(number[self.labels] >= 0))
        return replace(part, labels=number[part.labels], class_names=names)

    def save(self, folder: str | Path) -> None:
        """Write to `folder`, whole or not at all; a features folder there is replaced.

        Raises
        ------
        DataError
            If `folder` holds anything else, or cannot be written.
        """
        with write_errors(folder), atomic_folder(folder, KIND) as partial:
            np.save(partial / "matrix.npy", self.matrix, allow_pickle=False)
            if self.views is not None:
                np.save(partial / "views.npy", self.views, allow_pickle=False)
            write_items(partial, self.ids, self.labels, self.class_names, self.provenance)

    @classmethod
    def load(cls, folder: str | Path) -> Features:
        """Read what `save` wrote; the matrix is memory-mapped.

        Raises
        ------
        DataError
            If the folder is missing, incomplete or damaged.
        """
        folder = Path(folder)
        if not (folder / "features.json").is_file():
            raise DataError(f"{folder}: expected a features folder with features.json (made by: sibyl embed)")
        damaged = first_damage(folder)
        if damaged is not None:
            raise DataError(f"{folder}: damaged features ({damaged} is not what was written); embed again")
        header = read_json(folder / "features.json")
        if header.get("format") != FORMAT:
            raise DataError(f"{folder}: features format {header.get('format')!r}, this sibyl reads {FORMAT}; embed again")
        try:
            matrix = np.load(folder / "matrix.npy", mmap_mode="r", allow_pickle=False)
            views_path = folder / "views.npy"
            views = np.load(views_path, mmap_mode="r", allow_pickle=False) if views_path.exists() else None
            items = pd.read_parquet(folder / "items.parquet")
        except (OSError, ValueError) as error:
            raise DataError(f"{folder}: damaged features ({error}); embed again") from None
        return cls(
            matrix,
            items["label"].to_numpy(np.int64),
            tuple(header["class_names"]),
            tuple(items["id"].astype(str)),
            header["provenance"],
            views,
        )


def write_items(
    folder: Path, ids: tuple[str, ...], labels: npt.NDArray[np.int64], class_names: tuple[str, ...], provenance: Json
) -> None:
    """Write what a features folder holds beside its matrices; `features.json` comes last and marks the folder as complete."""
    pd.DataFrame({"id": list(ids), "label": labels}).to_parquet(folder / "items.parquet", index=False)
    write_json(folder / "features.json", {"format": FORMAT, "class_names": list(class_names), "provenance": provenance})


def check_disjoint(splits: Mapping[str, tuple[str, ...]]) -> None:
    """Raise DataError if two splits share a class.

    Parameters
    ----------
    splits : mapping of str to tuple of str
        Class names of each split.
    """
    names = list(splits)
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            shared = sorted(set(splits[first]) & set(splits[second]))
            if shared:
                raise DataError(
                    f"splits {first!r} and {second!r} share {counted(len(shared), 'class', 'classes')} ({', '.join(shared[:5])}); "
                    "classes of training, validation and test must differ: move each class to one split"
                )
