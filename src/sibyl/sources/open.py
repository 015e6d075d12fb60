"""open_source: from a path to a Source, whatever lies there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from sibyl.errors import DataError, UnknownName
from sibyl.messages import counted, quoted
from sibyl.sources import audio, images, table_files, texts
from sibyl.sources.embedded_files import file_columns, files_in_cells
from sibyl.sources.feature_files import features_source
from sibyl.sources.feature_tables import vectors_of_table
from sibyl.sources.fitted import Fitted
from sibyl.sources.fitted_columns import FittedColumns
from sibyl.sources.folder import walk_folder
from sibyl.sources.folder_items import FolderItems
from sibyl.sources.folder_labels import FolderLabels, is_labelled
from sibyl.sources.item import Skipped
from sibyl.sources.kinds import IMAGE, KINDS, TEXT, Kind
from sibyl.sources.later_tables import values_as_before
from sibyl.sources.manifests import file_column, files_of_table, has_values, lies_there
from sibyl.sources.objects import held_in
from sibyl.sources.rows import name_rows
from sibyl.sources.source import MODALITIES, Source
from sibyl.sources.table_files import RawTable, column_named
from sibyl.sources.tables import values_of_table
from sibyl.sources.vectors import vector_column

__all__ = ["Source", "open_source"]

_FEATURE_ENDINGS = (".npy", ".npz", ".safetensors")
_DESCRIPTIONS = ("readme", "license", "licence", "copying", "changelog", "citation", "dataset_card")  # of a whole folder, no items
_SHARDS = "features in shards are never read whole; label them with the command sibyl label or with sibyl.label_shards"


def open_source(
    path: Any,
    *,
    column: str | None = None,
    label_column: str | None = None,
    id_column: str | None = None,
    exclude: str | Path | Iterable[str | Path] | None = None,
    fitted: Fitted | None = None,
    kind: str | None = None,
    ignore: Sequence[str] = (),
) -> Source:
    """Open a pile of data.

    A folder holds images, audio clips or texts: what most of its files are; the others are skipped and named. A table (csv, tsv, json,
    jsonl, parquet) holds features if a column holds vectors; names files if a column names some that exist; holds texts if `column` is
    given, if a column is called ``text`` or alike and reads so, or if its only column reads like texts; otherwise values. A txt file
    holds one text a line. Features come as npy, npz, safetensors, or as a folder of `Features.save`. A column of files (parquet of Hugging
    Face) holds images or clips. What is in memory is opened as it is: see `held_in`.

    Parameters
    ----------
    path : path or object
        A folder, a file, or a DataFrame, an array, a list or a ``datasets.Dataset``.
    column : str, optional
        Column of a table with the texts, or with what `kind` says.
    label_column : str, optional
        Column with labels, where it has none of the usual names; blank cells are unlabelled.
    id_column : str, optional
        Column with the items' names, where it has none of the usual ones; without one, rows are called by their number from 1.
    exclude : path or iterable of path, optional
        Files and folders below `path` that are no data: the output, the list of examples.
    fitted : Fitted, optional
        `Source.fitted` of an earlier table of values: the rows of this one are scaled and encoded with it.
    kind : str, optional
        One of `MODALITIES`, where what lies there could be taken for several.
    ignore : sequence of str
        Columns of a table that are not looked at.

    Raises
    ------
    DataError
        If nothing lies there, or nothing that can be read; if a column does not exist, or holds something else than in `fitted`.
    CheckpointError
        If `fitted` is damaged.
    MissingExtra
        If audio clips lie there and soundfile is not installed.
    """
    if kind is not None and kind not in MODALITIES:
        raise UnknownName("kind", kind, MODALITIES)
    if not isinstance(path, str | Path):
        held = held_in(path)
        if isinstance(held, table_files.RawTable):
            return _of_table(held, column, label_column, id_column, fitted, kind, ignore)
        if column is not None or ignore or kind not in (None, held.modality):
            raise DataError(f"{held.root}: holds {held.modality} and no columns; leave column, ignore and kind out")
        return held
    written, path = str(path), Path(path)
    try:
        is_there, is_folder = path.exists(), path.is_dir()
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror})") from None
    except ValueError:  # a NUL in the name
        is_there = is_folder = False
    if not is_there:
        if "://" in written:
            from sibyl.sources.shards import is_uri

            if is_uri(written):
                raise DataError(f"{written}: {_SHARDS}")
        raise DataError(f"{path}: no such file or folder")
    if is_folder and not (path / "features.json").is_file():
        if column is not None or ignore:
            raise DataError(
                f"{path}: is a folder, which has no column {column or ignore[0]!r}; name a table, or leave --column out"
            )
        try:
            return _folder(path, [exclude] if isinstance(exclude, str | Path) else list(exclude or []), kind)
        except DataError:
            if any(path.rglob("*.parquet")):
                from sibyl.sources.shards import holds_shards  # brings parquet, which few need

                if holds_shards(path):
                    raise DataError(f"{path}: {_SHARDS}") from None
            raise
    ending = path.suffix.lower()
    if is_folder or ending in _FEATURE_ENDINGS:
        if kind not in (None, "features"):
            raise DataError(f"{path}: holds features, and no items of kind {kind}")
        return features_source(path, label_column, id_column)
    if ending not in table_files.ENDINGS:
        alone = next((one for one in KINDS if one.belongs(path)), None)
        hint = f"it is {alone.article}: name the folder it lies in" if alone else f"known: {', '.join(_known())}"
        raise DataError(f"{path}: expected a folder, a table or a file of features; {hint}")
    return _of_table(table_files.read_table(path), column, label_column, id_column, fitted, kind, ignore)


def _of_table(
    table: RawTable,
    column: str | None,
    label_column: str | None,
    id_column: str | None,
    fitted: Fitted | None,
    kind: str | None,
    ignore: Sequence[str],
) -> Source:
    for name in ignore:
        column_named(table, name)
    table = replace(table, frame=table.frame.drop(columns=list(ignore)))
    source = _table(table, column, label_column, id_column, fitted, kind)
    return replace(source, understood=f"{source.understood}; ignored {quoted(ignore)}") if ignore else source


def _known() -> list[str]:
    return sorted({*_FEATURE_ENDINGS, *table_files.ENDINGS})


def _table(
    table: RawTable, column: str | None, label_column: str | None, id_column: str | None, fitted: Fitted | None, kind: str | None
) -> Source:
    in_cells = file_columns(table)
    if column in in_cells or (in_cells and column is None and kind in (None, "image", "audio") and fitted is None):
        return files_in_cells(table, in_cells, column, kind, label_column, id_column)
    table = replace(table, frame=table.frame.drop(columns=in_cells)) if in_cells else table
    if fitted is not None:
        return values_as_before(table, FittedColumns.of(fitted), label_column, id_column)
    if column is not None and kind in (None, "text"):
        return texts.texts_of_table(table, column, label_column, id_column)
    if column is not None:
        column_named(table, column)
    if kind in (None, "features"):
        vectors = column or vector_column(table, (label_column, id_column))
        if vectors is not None:
            return vectors_of_table(table, vectors, label_column, id_column)
        if kind is not None:
            raise DataError(
                f"{table.path}: no column holds vectors; name it with --column, or use --kind table for columns of numbers"
            )
    for one in KINDS:
        if kind not in (None, one.modality) or (kind is None and table.path.suffix.lower() == ".txt"):
            continue
        files = column or file_column(table, one.endings, label_column)
        if files is None or (kind is None and not _are_items(table, files, label_column, id_column)):
            continue
        if one.modality == "audio":
            audio.need_soundfile()
        return files_of_table(table, files, one, label_column, id_column)
    if kind in ("image", "audio"):
        raise DataError(f"{table.path}: no column names files of kind {kind}; name it with --column")
    text = None if kind == "table" else texts.text_column(table, (label_column, id_column))
    if text is not None:
        return texts.texts_of_table(table, text, label_column, id_column)
    if kind == "text":
        raise DataError(f"{table.path}: no column reads like texts; name it with --column")
    return values_of_table(table, label_column, id_column)


def _are_items(table: RawTable, column: str, label_column: str | None, id_column: str | None) -> bool:
    """Tell whether the files that a column names are meant, and not only name the rows of a table of values."""
    if has_values(table, column, label_column):
        return False
    rest = [name for name in name_rows(table, label_column, id_column).frame.columns if name != column]
    return not rest or lies_there(table, column)


def _folder(path: Path, leave_out: list[str | Path], wanted: str | None) -> Source:
    found = walk_folder(path, leave_out, _refuse)
    if wanted in ("table", "features"):
        raise DataError(f"{path}: is a folder; for a {'table' if wanted == 'table' else 'file of features'}, name the file itself")
    names = found.items.names
    kinds = [_kind_of(f"{path}/{name}") for name in names]
    pictures = {name.rpartition(".")[0] for name, kind in zip(names, kinds, strict=True) if kind is IMAGE}
    beside = {
        name: "caption of an image" if name.rpartition(".")[0] in pictures else "describes the folder"
        for name, kind in zip(names, kinds, strict=True)
        if kind is TEXT and (name.rpartition(".")[0] in pictures or _describes(name))
    }
    counts = Counter(kind for name, kind in zip(names, kinds, strict=True) if name not in beside)
    main = max(KINDS, key=lambda kind: counts[kind])
    if wanted is not None:
        main = next(one for one in KINDS if one.modality == wanted)
    if not counts[main] and not _tables(found.skipped):  # a folder of a readme alone holds that; one of a data set's table does not
        beside, counts = {}, Counter(kinds)
    if not counts[main]:
        raise DataError(_nothing(path, found.skipped, len(names), main if wanted else None))
    if main.modality == "audio":
        audio.need_soundfile()  # before work begins
    if main is TEXT:
        beside = {name: why for name, why in beside.items() if _describes(name)}
    items = FolderItems(path, tuple(name for name, kind in zip(names, kinds, strict=True) if kind is main and name not in beside))
    others = [
        Skipped(name, beside.get(name, f"not {main.article}"))
        for name, kind in zip(names, kinds, strict=True)
        if kind is not main or name in beside
    ]
    skipped = tuple(sorted([*found.skipped, *others], key=lambda one: one.name))
    # A folder whose every picture is unreadable is a class all the same.
    lost = {
        one.name: one.name.split("/", 1)[0]
        for one in found.skipped
        if is_labelled(one.name)
        and (PurePosixPath(one.name).suffix.lower() in main.endings or one.reason in images.FOREIGN.values())
    }
    understood = f"{main.modality} files in a folder, {len(items):,} of {counted(len(items) + len(skipped), 'file')}"
    return Source(
        main.modality, path, items, skipped, FolderLabels(items.names), main.decode, main.decoder, lost=lost, understood=understood
    )


def _describes(name: str) -> bool:
    return "/" not in name and name.lower().split(".")[0] in _DESCRIPTIONS


def _nothing(path: Path, skipped: Sequence[Skipped], n_others: int, wanted: Kind | None) -> str:
    tables = _tables(skipped)
    foreign = [one for one in skipped if one.reason in images.FOREIGN.values()]
    hint = f"name a table itself: {path / tables[0]}" if tables else "name another folder"
    if foreign:
        hint = f"{foreign[0].name}: {foreign[0].reason}"
    what = f"none is among its {counted(len(skipped) + n_others, 'file')}" if skipped or n_others else "it is empty"
    if wanted is not None:
        return f"{path}: expected {wanted.modality} files ({', '.join(wanted.endings)}), but {what}; {hint}"
    endings = ", ".join((*images.ENDINGS, *audio.ENDINGS, *texts.ENDINGS))
    return f"{path}: expected a folder with images, audio clips or texts ({endings}), but {what}; {hint}"


def _tables(skipped: Sequence[Skipped]) -> list[str]:
    return [one.name for one in skipped if Path(one.name).suffix.lower() in _known()]


def _refuse(file: str) -> str:
    if _kind_of(file):
        return ""
    return images.foreign(file) or "neither an image, an audio clip nor a text"


def _kind_of(file: str) -> Kind | None:
    return next((kind for kind in KINDS if kind.belongs(file)), None)
