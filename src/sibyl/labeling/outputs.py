"""What a run writes into its output folder: all files whole, or none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import pandas as pd

from sibyl.errors import DataError
from sibyl.export.formats import FORMATS
from sibyl.labeling.file_names import RUN
from sibyl.labeling.report import Summary
from sibyl.labeling.table import write_labels_csv, write_labels_jsonl, write_labels_parquet
from sibyl.storage import atomic_path, read_json, write_errors
from sibyl.together import settle, together

TABLES = ("labels.csv", "labels.jsonl", "labels.parquet")
_WRITERS = {".csv": write_labels_csv, ".jsonl": write_labels_jsonl, ".parquet": write_labels_parquet}
OTHERS = ("summary.json", "report.html", RUN)
CLASSIFIER = "classifier.onnx"
NAMES = frozenset((*TABLES, *OTHERS, CLASSIFIER, *FORMATS))
"""All that a run may write into its output folder."""


def output_place(out: str | Path) -> tuple[Path, str]:
    """Return the folder and the name of the table: ``out/`` means ``out/labels.csv``, ``out/labels.parquet`` is itself.

    No other name of a file is taken for a table, lest a slip of the keyboard replaces the list of examples.
    """
    out = Path(out)
    if not out.is_dir() and out.name in TABLES:
        return out.parent, out.name
    return out, TABLES[0]


def finish_output(out: str | Path) -> None:
    """Put the files of an output in their places where the run that wrote them was killed; on a disk that cannot be written, do nothing."""
    with suppress(OSError):
        settle(out, NAMES)


def check_replaceable_outputs(out: str | Path, inputs: Iterable[str | Path]) -> None:
    """Check that a run would replace nothing but the output of an earlier one.

    Parameters
    ----------
    out : path
        As for `output_place`.
    inputs : iterable of path
        Files that the run reads.

    Raises
    ------
    DataError
        If a file of that name is read by the run, or no run of Sibyl wrote it.
    """
    folder, table_name = output_place(out)
    there = [folder / name for name in (table_name, *OTHERS) if os.path.lexists(folder / name)]
    read = [Path(one) for one in inputs]
    lost = next((file for file in there if any(_is_same(file, one) for one in read)), None)
    if lost is not None:
        raise DataError(f"{lost}: is read by this run, which would write its output over it; choose another --out")
    if there and not _is_output(folder):
        raise DataError(
            f"{there[0]}: was not written by sibyl label, and stays as it is; choose another --out, or move that file away"
        )


def _is_same(file: Path, other: Path) -> bool:
    try:
        return file.samefile(other)
    except OSError:
        return False


def _is_output(folder: Path) -> bool:
    """Whether the folder holds what a run says of itself; it is what a run puts in place first."""
    if (folder / "run.safetensors").is_file() and (folder / "report.html").is_file():
        return True
    try:
        return {"found", "labelled", "method"} <= set(read_json(folder / "summary.json"))
    except DataError:
        return False


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
