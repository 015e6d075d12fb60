"""CLINC150: short requests to an assistant, 150 intents of 10 domains (Larson et al., EMNLP-IJCNLP 2019; CC BY 3.0).

Its own splits divide sentences; here whole domains are divided, so that the intents of a test are unseen: six domains train, utility and
work validate, small talk and meta test. Requests that fit no intent (*out of scope*) come separately, unlabelled.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from sibyl.datasets.clinc150_intents import DOMAINS
from sibyl.datasets.download import Remote, download, missing
from sibyl.datasets.splits import check_split
from sibyl.datasets.texts import TextSet
from sibyl.errors import DataError
from sibyl.features import check_disjoint
from sibyl.messages import counted
from sibyl.storage import read_json

REMOTE = Remote(
    "https://raw.githubusercontent.com/clinc/oos-eval/master/data/data_full.json",
    "data_full.json",
    "sha256:36923c3705a59e08fe9c3883d8bc2dd966ef93e22cb78ac41171782a698d56e0",
    max_bytes=1 << 24,
)
SPLIT_DOMAINS = {
    "train": ("banking", "credit_cards", "kitchen_and_dining", "home", "auto_and_commute", "travel"),
    "validation": ("utility", "work"),
    "test": ("small_talk", "meta"),
}
_OUT_OF_SCOPE = "oos"
_COLUMNS = ("split", "label", "domain", "text")
Row = tuple[str, str, str]
"""Part of the original (train, val, test, oos_train, …), intent, text."""


def load_clinc150(split: str, root: str | Path, *, fetch: bool = False) -> TextSet:
    """Return the requests of one split's intents: 90, 30 or 30 classes of 150 texts.

    Parameters
    ----------
    split : {"train", "validation", "test"}
        Which domains.
    root : path
        The official ``data_full.json``, a table ``clinc150.tsv`` (columns split, label, domain, text), or a folder with one of them.
    fetch : bool
        Download the official file (2.5 MB) into `root` if there is nothing.

    Raises
    ------
    DataError
        If the file is missing or damaged, or intents are missing.
    """
    check_split("clinc150", split)
    classes = {
        name: tuple(sorted(intent for domain in domains for intent in DOMAINS[domain])) for name, domains in SPLIT_DOMAINS.items()
    }
    check_disjoint(classes)
    path, rows = _rows(Path(root), fetch)
    number = {name: index for index, name in enumerate(classes[split])}
    chosen = [(place, intent, text) for place, (_, intent, text) in enumerate(rows) if intent in number]
    absent = sorted(set(number) - {intent for _, intent, _ in chosen})
    if absent:
        raise DataError(
            f"{path}: {len(absent)} intents of the {split} split are missing (the first is {absent[0]!r}); fetch {REMOTE.address}"
        )
    chosen.sort(key=lambda row: number[row[1]])
    return TextSet(
        tuple(text for _, _, text in chosen),
        np.array([number[intent] for _, intent, _ in chosen], np.int64),
        classes[split],
        tuple(f"{rows[place][0]}/{place:05d}" for place, _, _ in chosen),
    )


def load_out_of_scope(root: str | Path, *, fetch: bool = False) -> TextSet:
    """Return the 1,200 requests that fit none of the 150 intents, all with label −1; parameters as in `load_clinc150`."""
    _, rows = _rows(Path(root), fetch)
    chosen = [(place, text) for place, (_, intent, text) in enumerate(rows) if intent == _OUT_OF_SCOPE]
    labels = np.full(len(chosen), -1, np.int64)
    return TextSet(tuple(text for _, text in chosen), labels, (), tuple(f"{rows[place][0]}/{place:05d}" for place, _ in chosen))


def _rows(root: Path, fetch: bool) -> tuple[Path, list[Row]]:
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
