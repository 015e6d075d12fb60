"""Names of files in an output folder, and whether a run may write there; nothing heavy is imported."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from sibyl.errors import DataError
from sibyl.storage import read_json

RUN = "run.safetensors"
CORRECTIONS = "corrections.csv"
TABLES = ("labels.csv", "labels.jsonl", "labels.parquet")
OTHERS = ("summary.json", "report.html", RUN)
_CORRECTIONS = "corrections*.csv"


def correction_files(out: str | Path) -> list[Path]:
    """Return the files of corrections in an output folder, in order of their names."""
    return sorted(path for path in Path(out).glob(_CORRECTIONS) if path.is_file())


def output_place(out: str | Path) -> tuple[Path, str]:
    """Return the folder and the name of the table: ``out/`` means ``out/labels.csv``, ``out/labels.parquet`` is itself.

    No other name of a file is taken for a table, lest a slip of the keyboard replaces the list of
    examples.
    """
    out = Path(out)
    if not out.is_dir() and out.name in TABLES:
        return out.parent, out.name
    return out, TABLES[0]


def output_files(out: str | Path) -> list[Path]:
    """Return what a run writes to, or reads from, its output folder, so that none of it is taken for data."""
    folder, table_name = output_place(out)
    return [folder, *(folder / name for name in (table_name, *TABLES, *OTHERS)), *correction_files(folder)]


def check_output(out: str | Path) -> None:
    """Refuse an output that cannot be written before hours are spent on encoding.

    Raises
    ------
    DataError
        If it is a file, or there is no permission.
    """
    place = Path(out)
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise DataError(f"{place}: is a file; the output needs a folder that labels.csv is written to")
    if not os.access(place, os.W_OK):
        raise DataError(f"{place}: no permission to write; choose another output folder")


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


def check_same_pile(folder: str | Path, source: Path) -> None:
    """Check that an output folder holds no labels of another pile: they, and the corrections beside them, would be lost.

    Raises
    ------
    DataError
        If it does, and that pile still exists.
    """
    earlier = _pile_of(Path(folder))
    if earlier is not None and earlier.exists() and not _is_one_pile(earlier, source):
        raise DataError(
            f"{folder}: holds the labels of {earlier}, and {source} is another pile; choose another --out, or move that folder away"
        )


def _pile_of(folder: Path) -> Path | None:
    """Return the pile that a run in a folder labelled."""
    try:
        said = read_json(folder / "summary.json").get("source")
    except DataError:
        return None
    return Path(said) if isinstance(said, str) and said else None


def _is_one_pile(one: Path, other: Path) -> bool:
    """Whether two paths are one, or one lies below the other, as a list of files below its folder."""
    one, other = Path(os.path.realpath(one)), Path(os.path.realpath(other))
    return one == other or one in other.parents or other in one.parents


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
