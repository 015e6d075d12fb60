"""``--classes``: names of classes as evidence of the label job."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

import sibyl
from sibyl.encoders.encoder import Encoder, Rows
from sibyl.errors import DataError
from sibyl.labeling.class_list import read_classes
from sibyl.labeling.label import label_and_write
from sibyl.labeling.next_labels import next_labels
from sibyl.labeling.request import LabelRequest
from sibyl.labeling.saved_run import SavedRun

WORDS = {
    "travel": ["flight", "hotel", "airport", "travel", "trip"],
    "billing": ["invoice", "refund", "billing", "payment", "bank"],
    "lost_password": ["password", "login", "lost", "account", "reset"],
}


class BagOfWords(Encoder[str, str]):
    """A sentence encoder of sorts: the sum of one direction a word."""

    name, key, dim, modality = "bag", "bag 1", 48, "text"  # constants in place of properties
    description: ClassVar[dict[str, Any]] = {"kind": "bag", "name": "bag", "dim": 48}

    def prepare(self, item: str) -> str:
        return item

    def encode(self, batch: Sequence[str]) -> Rows:
        rows = [sum(_direction(word) for word in text.lower().replace(":", " ").split()) for text in batch]
        return np.stack(rows).astype(np.float32)


def _direction(word: str) -> Any:
    return np.random.default_rng(zlib.crc32(word.encode())).standard_normal(48)


@pytest.fixture
def requests(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    generator = np.random.default_rng(0)
    lines = {
        f"{generator.choice(words)} {generator.choice(words)} {generator.choice(words)} please {number}": name
        for name, words in WORDS.items()
        for number in range(20)
    }
    path = tmp_path / "requests.csv"
    pd.DataFrame({"id": [f"r{n}" for n in range(len(lines))], "text": list(lines)}).to_csv(path, index=False)
    return path, {f"r{n}": name for n, name in enumerate(lines.values())}


def right(table: pd.DataFrame, truth: dict[str, str]) -> float:
    return float(np.mean([truth[item] == found for item, found in zip(table["item"], table["label"], strict=True)]))


def test_names_alone_label_a_pile_and_the_run_is_taken_up(requests: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    path, truth = requests
    out = tmp_path / "out"
    table = sibyl.label(path, encoder=BagOfWords(), out=out, classes="travel,billing,lost_password", column="text", cache=tmp_path)
    assert right(table, truth) > 0.85
    summary = json.loads((out / "summary.json").read_text())
    assert summary["names"] == dict.fromkeys(sorted(WORDS), "name used, nothing to compare it with")
    assert summary["examples_from"] == "the names of the classes alone"
    page = (out / "report.html").read_text()
    assert "name used, nothing to compare it with" in page
    assert "The names of the classes alone labelled" in page
    run = SavedRun.read(out)
    assert set(run.examples.vectors) == set(WORDS)
    assert next_labels(out, 3).items
    (out / "corrections.csv").write_text("item,label\nr3,billing\n")
    assert len(next_labels(out, 3).items) == 3


def test_names_that_are_mixed_up_change_no_label(requests: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    path, _ = requests
    examples = {"r0": "travel", "r20": "billing", "r40": "lost_password"}
    mixed = {"travel": "payment", "billing": "password", "lost_password": "flight"}
    untold, told = (
        sibyl.label(path, examples, BagOfWords(), column="text", cache=tmp_path, classes=classes) for classes in (None, mixed)
    )
    pd.testing.assert_frame_equal(untold, told)


def test_a_table_of_classes_with_descriptions(tmp_path: Path) -> None:
    table = tmp_path / "classes.csv"
    table.write_text("class,description\nlost_password,cannot log in\nbilling,\n")
    assert read_classes(table) == {"lost_password": "lost password: cannot log in", "billing": "billing"}
    one_column = tmp_path / "plain.csv"
    one_column.write_text("class\ntravel\nbilling\n")
    assert read_classes(one_column) == {"travel": "travel", "billing": "billing"}
    assert read_classes(["a-b", "c"]) == {"a-b": "a b", "c": "c"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("a,a", "names 'a' twice"),
        ("a,,b", "empty name"),
        ("=cmd(),b", "would run as a formula"),
        ("classes.csv", "no such file"),
    ],
)
def test_what_is_no_list_of_classes_is_one_sentence(given: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_classes(given)


def test_what_has_no_space_for_names_refuses(requests: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    path, _ = requests
    with pytest.raises(DataError, match="encoder tfidf has no space that items and names of classes share"):
        sibyl.label(path, encoder="tfidf", classes="travel,billing", column="text")
    rows = tmp_path / "rows.npy"
    np.save(rows, np.eye(5, dtype=np.float32))
    with pytest.raises(DataError, match="holds rows of numbers, in which names of classes mean nothing"):
        sibyl.label(rows, classes="travel,billing")
    with pytest.raises(DataError, match="at least two classes, found only 'travel'"):
        sibyl.label(path, encoder=BagOfWords(), classes="travel", column="text")


def test_an_earlier_run_takes_no_classes(requests: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    path, truth = requests
    out = tmp_path / "out"
    sibyl.label(path, encoder=BagOfWords(), out=out, classes=list(WORDS), column="text", cache=tmp_path)
    later, _ = label_and_write(LabelRequest(path, encoder=BagOfWords(), earlier=out, column="text", cache=tmp_path))
    assert right(later.table, truth) > 0.85
    with pytest.raises(DataError, match="the examples and classes are those of the run"):
        sibyl.label(path, earlier=out, classes="a,b")
