"""The files that CLINC150 is passed on in: the official JSON, and a table."""

from __future__ import annotations

import csv
from pathlib import Path

from sibyl.datasets.download import Remote, download, missing
from sibyl.errors import DataError
from sibyl.messages import counted
from sibyl.storage import read_json

REMOTE = Remote(
    "https://raw.githubusercontent.com/clinc/oos-eval/master/data/data_full.json",
    "data_full.json",
    "sha256:36923c3705a59e08fe9c3883d8bc2dd966ef93e22cb78ac41171782a698d56e0",
    max_bytes=1 << 24,
)
_COLUMNS = ("split", "label", "domain", "text")
Row = tuple[str, str, str]
"""Part of the original (train, val, test, oos_train, …), intent, text."""


def read_rows(root: Path, fetch: bool) -> tuple[Path, list[Row]]:
    """Return the file of requests that is there, or is fetched, and its rows; DataError where there is none, or it is damaged."""
    path = (
        root
        if root.is_file()
        else next((found for name in ("clinc150.tsv", REMOTE.file_name) if (found := root / name).is_file()), None)
    )
    if path is None and fetch:
        path = download(REMOTE, root)
    if path is None:
        raise missing(REMOTE, root, "no CLINC150")
    return path, _read_json(path) if path.suffix.lower() == ".json" else _read_table(path)


def _read_json(path: Path) -> list[Row]:
    rows = []
    for part, pairs in read_json(path).items():
        if not isinstance(pairs, list):
            raise DataError(f"{path}: expected a list of [text, intent] pairs under {part!r}, got {type(pairs).__name__}")
        for place, pair in enumerate(pairs):
            if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(value, str) for value in pair)):
                raise DataError(f"{path}: entry {place} of {part!r} is no [text, intent] pair; fetch {REMOTE.address} again")
            rows.append((part, pair[1], pair[0]))
    return rows


def _read_table(path: Path) -> list[Row]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a table ({error}); restore it") from None
    if not lines or tuple(lines[0]) != _COLUMNS:
        raise DataError(f"{path}: expected the columns {', '.join(_COLUMNS)} separated by tabs in its first line")
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(_COLUMNS):
            raise DataError(f"{path}: line {number} has {counted(len(line), 'column')}, expected {len(_COLUMNS)}")
    return [(part, intent, text) for part, intent, _, text in lines[1:]]
