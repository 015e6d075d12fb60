"""What a run writes into its output folder: all files whole, or none."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path

import pandas as pd

from sibyl.export.formats import FORMATS
from sibyl.labeling.file_names import OTHERS, TABLES
from sibyl.labeling.report import Summary
from sibyl.labeling.table import write_labels_csv, write_labels_jsonl, write_labels_parquet
from sibyl.storage import atomic_path, write_errors
from sibyl.together import settle, together

_WRITERS = {".csv": write_labels_csv, ".jsonl": write_labels_jsonl, ".parquet": write_labels_parquet}
CLASSIFIER = "classifier.onnx"
NAMES = frozenset((*TABLES, *OTHERS, CLASSIFIER, *FORMATS))
"""All that a run may write into its output folder."""


def finish_output(out: str | Path) -> None:
    """Put the files of an output in their places where the run that wrote them was killed; on a disk that cannot be written, do nothing."""
    with suppress(OSError):
        settle(out, NAMES)


def write_outputs(
    folder: str | Path,
    table: pd.DataFrame,
    summary: Summary,
    others: Mapping[str, Callable[[Path], None]] | None = None,
    table_name: str = TABLES[0],
    gone: Collection[str] = (),
) -> None:
    """Write the table, ``summary.json`` and other files to a folder, together; what was there under these names is replaced.

    Parameters
    ----------
    folder : path
        Made where it does not exist.
    table : DataFrame
        Written in the format that the ending of `table_name` names.
    summary : Summary
        Of the run.
    others : mapping of str to callable
        Name of a further file → what writes it to a given path.
    table_name : str
        Its ending chooses the format.
    gone : collection of str
        Files of an earlier run that go, as this one writes none of that name.

    Raises
    ------
    DataError
        If the folder cannot be written; then all files are as they were.
    """
    folder = Path(folder)
    writers: dict[str, Callable[[Path], None]] = {
        table_name: lambda path: _WRITERS[Path(table_name).suffix](path, table),
        **(others or {}),
        "summary.json": lambda path: _write_summary(path, summary),
    }
    with write_errors(folder), together(folder, NAMES, gone):
        for name, write in writers.items():
            with atomic_path(folder / name) as path:
                write(path)


def _write_summary(path: Path, summary: Summary) -> None:
    path.write_bytes((json.dumps(summary.to_json(), indent=2, ensure_ascii=False) + "\n").encode("utf-8"))
