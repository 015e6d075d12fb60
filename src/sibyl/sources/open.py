"""open_source: from a path to a Source, whatever lies there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sibyl.errors import DataError
from sibyl.sources import audio, images, table_files, texts
from sibyl.sources.feature_files import load_features
from sibyl.sources.fitted import Fitted
from sibyl.sources.fitted_columns import FittedColumns
from sibyl.sources.folder import walk_folder
from sibyl.sources.item import FolderItems, Item, Skipped
from sibyl.sources.later_tables import values_as_before
from sibyl.sources.source import FolderLabels, Source
from sibyl.sources.tables import values_of_table
from sibyl.wording import counted

__all__ = ["Source", "open_source"]

_FEATURE_ENDINGS = (".npy", ".npz", ".safetensors")


@dataclass(frozen=True)
class _Kind:
    modality: str
    article: str
    belongs: Callable[[str | Path], bool]
    decode: Callable[..., Any]
    decoder: str


# The first wins a tie: photographs often have a text with a caption beside each.
_KINDS = (
    _Kind("image", "an image", images.is_image, images.decode_image, images.READER),
    _Kind("audio", "an audio clip", audio.is_audio, audio.decode_audio, audio.READER),
    _Kind("text", "a text", texts.is_text, texts.decode_text, texts.READER),
)


def open_source(
    path: str | Path,
    *,
    column: str | None = None,
    label_column: str | None = None,
    id_column: str | None = None,
    exclude: str | Path | Iterable[str | Path] | None = None,
    fitted: Fitted | None = None,
) -> Source:
    """Open a pile of data.

    A folder holds images, audio clips or texts: what most of its files are; the others are skipped and named. A table (csv, tsv,
    jsonl, parquet) holds texts if `column` is given, if a column is called ``text`` or alike, or if its only column reads like texts;
    otherwise values. A txt file holds one text a line. Features come as npy, npz, safetensors, as a parquet file with a column of
    lists, or as a folder of `Features.save`.

    Parameters
    ----------
    path : path
        A folder or a file.
    column : str, optional
        Column with the texts of a table.
    label_column : str, optional
        Column with labels, where it has none of the usual names; blank cells are unlabelled.
    id_column : str, optional
        Column with the items' names, where it is not called ``id`` or ``item``; without one, rows are called by their number from 1.
    exclude : path or iterable of path, optional
        Files and folders below `path` that are no data: the output, the list of examples.
    fitted : Fitted, optional
        `Source.fitted` of an earlier table of values: the rows of this one are scaled and encoded with it.

    Raises
    ------
    DataError
        If nothing lies there, or nothing that can be read; if a column does not exist, or holds something else than in `fitted`.
    CheckpointError
        If `fitted` is damaged.
    MissingExtra
        If audio clips lie there and soundfile is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_dir() and not (path / "features.json").is_file():
        if column is not None:
            raise DataError(f"{path}: is a folder, which has no column {column!r}; name a table, or leave --column out")
        return _folder(path, [exclude] if isinstance(exclude, str | Path) else list(exclude or []))
    ending = path.suffix.lower()
    if path.is_dir() or ending in _FEATURE_ENDINGS or (ending == ".parquet" and column is None and _holds_lists(path)):
        return _features(path, label_column, id_column)
    if ending not in table_files.ENDINGS:
        alone = next((kind for kind in _KINDS if kind.belongs(path)), None)
        hint = f"it is {alone.article}: name the folder it lies in" if alone else f"known: {', '.join(_known())}"
        raise DataError(f"{path}: expected a folder, a table or a file of features; {hint}")
    table = table_files.read_table(path)
    if fitted is not None:
        return values_as_before(table, FittedColumns.of(fitted), label_column, id_column)
    column = column or texts.text_column(table, (label_column, id_column))
    if column is not None:
        return texts.texts_of_table(table, column, label_column, id_column)
    return values_of_table(table, label_column, id_column)


def _known() -> list[str]:
    return sorted({*_FEATURE_ENDINGS, *table_files.ENDINGS})


def _folder(path: Path, leave_out: list[str | Path]) -> Source:
    found = walk_folder(path, leave_out, lambda file: "" if _kind_of(file) else "neither an image, an audio clip nor a text")
    if not found.items:
        tables = [one.name for one in found.skipped if Path(one.name).suffix.lower() in _known()]
        hint = f"name a table itself: {path / tables[0]}" if tables else "name another folder"
        what = f"none is among its {counted(len(found.skipped), 'file')}" if found.skipped else "it is empty"
        endings = ", ".join((*images.ENDINGS, *audio.ENDINGS, *texts.ENDINGS))
        raise DataError(f"{path}: expected a folder with images, audio clips or texts ({endings}), but {what}; {hint}")
    names = found.items.names
    kinds = [_kind_of(f"{path}/{name}") for name in names]
    counts = Counter(kinds)
    main = max(_KINDS, key=lambda kind: counts[kind])
    if main.modality == "audio":
        audio.need_soundfile()  # before work begins
    items = FolderItems(path, tuple(name for name, kind in zip(names, kinds, strict=True) if kind is main))
    others = [Skipped(name, f"not {main.article}") for name, kind in zip(names, kinds, strict=True) if kind is not main]
    skipped = tuple(sorted([*found.skipped, *others], key=lambda one: one.name))
    return Source(main.modality, path, items, skipped, FolderLabels(items.names), main.decode, main.decoder)


def _kind_of(file: str) -> _Kind | None:
    return next((kind for kind in _KINDS if kind.belongs(file)), None)


def _holds_lists(path: Path) -> bool:
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: damaged or not a parquet file ({' '.join(str(error).split())[:120]}); write it again") from None
    lists = [
        kind for kind in schema.types if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    ]
    return any(pa.types.is_integer(kind.value_type) or pa.types.is_floating(kind.value_type) for kind in lists)


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
