"""CLINC150: short requests to an assistant, 150 intents of 10 domains (Larson et al., EMNLP-IJCNLP 2019; CC BY 3.0).

Its own splits divide sentences; here whole domains are divided, so that the intents of a test are unseen: six domains train, utility and
work validate, small talk and meta test. Requests that fit no intent (*out of scope*) are left out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sibyl.datasets.clinc150_files import REMOTE, read_rows
from sibyl.datasets.clinc150_intents import DOMAINS
from sibyl.datasets.splits import check_split
from sibyl.datasets.texts import TextSet
from sibyl.errors import DataError
from sibyl.features import check_disjoint

SPLIT_DOMAINS = {
    "train": ("banking", "credit_cards", "kitchen_and_dining", "home", "auto_and_commute", "travel"),
    "validation": ("utility", "work"),
    "test": ("small_talk", "meta"),
}


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
    path, rows = read_rows(Path(root), fetch)
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
