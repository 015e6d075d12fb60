"""What people labelled in Label Studio: its exports JSON, JSON_MIN and CSV as examples, and its addresses of files as items."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from sibyl.errors import DataError
from sibyl.messages import quoted
from sibyl.sources.naming import LABEL_NAMES, NAME_NAMES, TEXT_NAMES, label_text, named
from sibyl.sources.table_files import RawTable, cell_text

_KEPT = {"annotation_id", "annotator", "lead_time"}  # columns of every flat export
_OWN = _KEPT | {"id", "created_at", "updated_at", "agreement", "history"}
_CONTROLS = (*LABEL_NAMES, "choice", "choices", "sentiment", "category", "topic")
_ADDRESS = re.compile(r"/data/|[a-z][a-z0-9+-]{1,30}://")
_UPLOADED = re.compile(r"[0-9a-f]{8}-")
_UNUSUAL = re.compile(r"[^-\w.]")  # what is left out of the name of an uploaded file


def pairs_of_export(table: RawTable) -> list[tuple[str, str, str]] | None:
    """Return what an export says, one label an item; None if the table is no export of Label Studio.

    Tasks without an annotation, and annotations that were cancelled, say nothing; predictions are
    no person's.

    Returns
    -------
    list of (str, str, str), optional
        Which task, the item as written, the label.

    Raises
    ------
    DataError
        If no label is in it, an item has several, or no one column holds the labels.
    """
    columns = {str(name) for name in table.frame.columns}
    rows = table.frame.to_dict("records")
    if {"annotations", "data"} <= columns:
        pairs = [pair for row in rows for pair in _of_task(table, row)]
    elif columns >= _KEPT:
        pairs = _of_columns(table, rows)
    else:
        return None
    if not pairs:
        raise DataError(
            f"{table.path}: is an export of Label Studio in which no item has a choice; label one item of each class there, with one "
            "<Choices> a task"
        )
    return pairs


def _of_task(table: RawTable, row: Mapping[Any, Any]) -> list[tuple[str, str, str]]:
    where = f"task {cell_text(row.get('id')) or '?'}"
    data, annotations = row["data"], row["annotations"]
    if not isinstance(data, dict) or not isinstance(annotations, list):
        return []
    results = [
        result
        for one in annotations
        if isinstance(one, dict) and not one.get("was_cancelled") and isinstance(one.get("result"), list)
        for result in one["result"]
        if isinstance(result, dict) and isinstance(result.get("value"), dict) and result["value"].get("choices")
    ]
    controls = sorted({str(one.get("from_name")) for one in results})
    control = _one_control(table, controls) if controls else None
    chosen = [one["value"]["choices"] for one in results if str(one.get("from_name")) == control]
    return [(where, _item(data), _label(table, where, one)) for one in chosen]


def _of_columns(table: RawTable, rows: Sequence[Mapping[Any, Any]]) -> list[tuple[str, str, str]]:
    columns = [str(name) for name in table.frame.columns if str(name) not in _OWN]
    control = _one_control(table, [name for name in columns if not _is_data(name, rows)])
    pairs = []
    for row in rows:
        where = f"task {cell_text(row.get('id')) or '?'}"
        label = _label(table, where, row[control])
        if label:
            pairs.append((where, _item({name: row[name] for name in columns if name != control}), label))
    return pairs


def _is_data(name: str, rows: Sequence[Mapping[Any, Any]]) -> bool:
    """Tell whether a column is surely of the items, and not of what people chose."""
    return name.lower() in (*NAME_NAMES, *TEXT_NAMES) or any(_is_address(row[name]) for row in rows)


def _one_control(table: RawTable, names: Sequence[str]) -> str:
    control = names[0] if len(names) == 1 else named(names, _CONTROLS)
    if control is None:
        held = f"they may be in {quoted(names)}" if names else "there is none"
        raise DataError(
            f"{table.path}: an export of Label Studio in which no one column holds the labels: {held}; call the <Choices> of the classes "
            "'label'"
        )
    return control


def _label(table: RawTable, where: str, value: Any) -> str:
    if isinstance(value, str) and value.startswith('{"choices"'):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    if isinstance(value, dict):
        value = value.get("choices")
    try:
        return label_text(value)
    except ValueError as error:
        raise DataError(f"{table.path}: {where} {error}; choose one in Label Studio") from None


def _item(data: Mapping[str, Any]) -> str:
    """Return what names a task's item: the name that Sibyl's own export gave it, an address, a usual name, or the first text."""
    if "name" in data and "item" in data:
        return cell_text(data["name"])
    address = next((str(value) for value in data.values() if _is_address(value)), None)
    name = named(map(str, data), (*NAME_NAMES[2:], *TEXT_NAMES))
    texts = [value for value in data.values() if isinstance(value, str) and value]
    return address or (cell_text(data[name]) if name is not None else texts[0] if texts else "")


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and _ADDRESS.match(value) is not None


def addressed(names: Collection[str]) -> Callable[[str], str | None]:
    """Return what tells the item that an address of Label Studio means.

    ``/data/local-files/?d=PATH`` and addresses of stores (``s3://…``) mean the item whose name
    their path ends with; of ``/data/upload/1/01234567-NAME``, which lost its folder, the name must
    be that of one item alone.

    Parameters
    ----------
    names : collection of str
        Of the items.
    """
    by_base: dict[str, list[str]] = {}

    def item_of(written: str) -> str | None:
        if not _is_address(written):
            return None
        if not by_base:
            for name in names:
                by_base.setdefault(_plain(PurePosixPath(name).name), []).append(name)
        try:
            parts = urlsplit(written)
        except ValueError:
            return None
        is_local = parts.path == "/data/local-files/"
        path = unquote(parts.query.removeprefix("d=").split("&")[0] if is_local else parts.path).strip("/")
        is_upload = not parts.scheme and not is_local
        if is_upload:
            path = _UPLOADED.sub("", path.rpartition("/")[2], count=1)
        found = _ending_alike(path, by_base.get(_plain(path.rpartition("/")[2]), []), is_upload)
        if len(found) > 1:
            raise DataError(
                f"{written[:200]!r} could be {' or '.join(map(repr, sorted(found)[:3]))}; serve the files by Label Studio's local storage, "
                "which keeps their folders, or name the items in a table"
            )
        return found[0] if found else None

    return item_of


def _plain(name: str) -> str:
    return _UNUSUAL.sub("", name.replace(" ", "_"))


def _ending_alike(path: str, candidates: Sequence[str], is_upload: bool) -> list[str]:
    """Return the items that a path ends with, the longest; else those that end with the path."""
    if is_upload:
        exact = [name for name in candidates if PurePosixPath(name).name == path]
        return exact or list(candidates)
    within = [name for name in candidates if f"/{path}".endswith(f"/{name}")]
    if within:
        return [max(within, key=len)]
    return [name for name in candidates if name.endswith(f"/{path}")]
