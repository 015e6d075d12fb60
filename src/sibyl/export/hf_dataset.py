"""Hugging Face ``datasets``: a folder that ``load_dataset`` opens, written as plain parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sibyl.export.labelled_items import LabelledItems, write_whole
from sibyl.messages import counted
from sibyl.sources.item import Item, Unreadable

_ROWS = 100  # in memory at once
_FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_COLUMNS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "image": ("image", _FILE, {"_type": "Image"}),
    "audio": ("audio", _FILE, {"_type": "Audio"}),
    "text": ("text", pa.string(), {"dtype": "string", "_type": "Value"}),
}
_FEATURES = ("features", pa.list_(pa.float32()), {"feature": {"dtype": "float32", "_type": "Value"}, "_type": "Sequence"})


def write_hf_dataset(folder: Path, labelled: LabelledItems) -> None:
    """Write ``data/train-00000-of-00001.parquet`` and a ``README.md`` that says how it came about.

    Columns: the item itself (image, audio, text, or the row of features), ``label`` as a class label, ``confidence``, ``by_person`` and
    ``item``. Files are inside the parquet file, a hundred at a time in memory.
    """
    name, kind, feature = _COLUMNS.get(labelled.source.modality, _FEATURES)
    features = {
        "item": {"dtype": "string", "_type": "Value"},
        name: feature,
        "label": {"names": list(labelled.class_names), "_type": "ClassLabel"},
        "confidence": {"dtype": "float32", "_type": "Value"},
        "by_person": {"dtype": "bool", "_type": "Value"},
    }
    described = json.dumps({"info": {"features": features}})
    schema = pa.schema(
        [("item", pa.string()), (name, kind), ("label", pa.int64()), ("confidence", pa.float32()), ("by_person", pa.bool_())],
        metadata={"huggingface": described},
    )
    (folder / "data").mkdir()
    with pq.ParquetWriter(folder / "data" / "train-00000-of-00001.parquet", schema) as writer:
        for start in range(0, len(labelled.names), _ROWS):
            rows = range(start, min(start + _ROWS, len(labelled.names)))
            writer.write_batch(
                pa.record_batch(
                    [
                        pa.array([labelled.names[row] for row in rows], pa.string()),
                        pa.array(_contents(labelled, rows), kind),
                        pa.array(labelled.labels[rows.start : rows.stop]),
                        pa.array(labelled.probabilities[rows.start : rows.stop].max(1)),
                        pa.array(labelled.by_person[rows.start : rows.stop]),
                    ],
                    schema=schema,
                )
            )
    write_whole(folder / "README.md", _card(labelled))


def _contents(labelled: LabelledItems, rows: range) -> list[Any]:
    if labelled.source.modality not in _COLUMNS:
        return [labelled.matrix[row].tolist() for row in rows]
    found = {item.name: item for item in labelled.source.items}
    return list(_read(labelled.source.modality, [found[labelled.names[row]] for row in rows]))


def _read(modality: str, items: list[Item]) -> Iterator[Any]:
    for item in items:
        try:
            content = item.read()
        except Unreadable:  # gone since it was encoded
            yield None
            continue
        yield content.decode("utf-8", "replace") if modality == "text" else {"bytes": content, "path": item.name.rsplit("/", 1)[-1]}


def _card(labelled: LabelledItems) -> str:
    n_person = int(labelled.by_person.sum())
    items, classes = counted(len(labelled.names), "item"), counted(len(labelled.class_names), "class", "classes")
    return (
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n---\n\n"
        f"{items} in {classes}. {n_person:,} {'was' if n_person == 1 else 'were'} labelled by a person (`by_person`); the others by "
        f"Sibyl's method `{labelled.method}`, which learned from them and from the unlabelled items: take `confidence` into account.\n"
    )
