"""Small inputs modelled on what users reported to tools of this kind: each through the command line, against what a user expects of it.

They lie in the folder named by SIBYL_CASES, or beside the data (see `tests.real_data`), and are passed over where they are absent.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd
import pytest

from sibyl.cli.app import main
from tests.encoders.tiny_onnx import write_tiny_encoder
from tests.real_data import DATA

CASES = Path(os.environ.get("SIBYL_CASES", DATA.parent / "cases"))
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"CASES ABSENT: {CASES} (set SIBYL_CASES)")

PRICES, SIZES, LATER, WINE, DATES = (
    f"{name}.json" for name in ("numbers/truth_prices", "numbers/truth_sizes", "with/truth_later", "kinds/truth", "parquet/truth")
)
KIND = ("--label-column", "kind")
WORDS = ("--encoder", "tfidf")


class Label(Protocol):
    """``sibyl label PATH --out OUT``, and more options."""

    def __call__(self, path: str | Path, *more: str, out: str = "out") -> Run: ...


@dataclass(frozen=True)
class Run:
    """What one command left: its exit code, what it said, and the table of labels."""

    code: int
    said: str
    table: pd.DataFrame

    def right(self, truth: str) -> float:
        """Share of the labelled rows that have their true class."""
        true = pd.Series(map(str, json.loads((CASES / truth).read_text())))
        assert len(true) == len(self.table)
        labelled = self.table["status"] == "labelled"
        return float((self.table["label"][labelled] == true[labelled]).mean())

    @property
    def labels(self) -> list[str]:
        """The labels in the order of the file."""
        return list(self.table["label"])

    @property
    def classes(self) -> set[str]:
        """All labels there are."""
        return set(self.labels) - {""}


@pytest.fixture
def label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Label:
    monkeypatch.setenv("SIBYL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(path: str | Path, *more: str, out: str = "out") -> Run:
        monkeypatch.setattr(sys, "argv", ["sibyl", "label", str(CASES / path), "--out", str(tmp_path / out), *more])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        written = tmp_path / out / "labels.csv"
        table = pd.read_csv(written, dtype=str, keep_default_na=False) if written.is_file() else pd.DataFrame()
        if code == 0:  # found = labelled + examples + skipped
            assert table["status"].str.match(r"labelled|example|skipped: ").all()
            probabilities = table.loc[table["status"] == "labelled", "confidence"].astype(float)
            assert probabilities.between(0, 1).all()
            assert "nan %" not in said.out
        assert "Traceback" not in said.out + said.err
        return Run(code, said.out + said.err, table)

    return run


@pytest.mark.parametrize(
    ("name", "more", "truth", "at_least", "said"),
    [
        ("numbers/plain.csv", KIND, PRICES, 1.0, "90 items found = 87 labelled + 3 examples + 0 skipped"),
        ("numbers/us_int_thousands.csv", KIND, PRICES, 1.0, "column 'price' is read as numbers: a comma between thousands"),
        ("numbers/ch_thousands.csv", KIND, PRICES, 1.0, "column 'price' is read as numbers: an apostrophe between thousands"),
        ("numbers/currency.csv", KIND, PRICES, 1.0, "column 'weight' is read as numbers: in kg"),
        ("numbers/datestr.csv", (), PRICES, 1.0, "3 columns used ('day', 'price', 'weight')"),
        ("rows/ragged.csv", (), PRICES, 1.0, "90 items found = 87 labelled + 3 examples + 0 skipped"),
        ("rows/dupid.csv", (), PRICES, 1.0, "column 'id' repeats: 30 different in 90 rows"),
        ("kinds/wine.csv", (), WINE, 1.0, "a table of values; 3 columns used ('content', 'price', 'weight')"),
        ("parquet/emb_nan.parquet", (), DATES, 1.0, "skipped 1: holds NaN or infinity (10)"),
        ("parquet/dates.parquet", (), DATES, 1.0, "4 columns used ('day', 'ts', 'dur', 't')"),
    ],
)
def test_rows_are_labelled_right(label: Label, name: str, more: tuple[str, ...], truth: str, at_least: float, said: str) -> None:
    run = label(name, *more)
    assert run.code == 0
    assert said in run.said
    assert run.right(truth) >= at_least


def test_gaps_are_named_and_an_example_of_gaps_alone_counts_as_the_middle(label: Label) -> None:
    alone = label("numbers/lod.csv")
    assert alone.code == 0
    assert "3 rows of gaps alone ('1'" in alone.said
    true = json.loads((CASES / PRICES).read_text())
    others = [f"{true[row]}={row + 1}" for row in (9, 10, 11)]
    run = label("numbers/lod.csv", *(part for one in others for part in ("--example", one)), out="others")
    assert run.code == 0
    assert "column 'price': 15 cells are no numbers and count as missing ('<LOD')" in run.said
    assert "column 'weight': 18 cells are no numbers and count as missing ('n.d.')" in run.said
    assert run.right(PRICES) > 0.8  # three rows hold gaps alone


def test_marks_of_thousands_change_no_label(label: Label) -> None:
    plain = label("numbers/us_plain.csv", *KIND)
    grouped = label("numbers/us_grouped.csv", *KIND, out="grouped")
    assert grouped.labels == plain.labels
    assert "it is read as 1495" in grouped.said
    assert plain.right(SIZES) == grouped.right(SIZES)


def test_the_name_of_a_column_makes_no_text_of_numbers(label: Label) -> None:
    assert label("kinds/wine.csv").labels == label("kinds/wine_control.csv", out="control").labels


def test_later_tables(label: Label, tmp_path: Path) -> None:
    first = label("with/a.csv", *KIND)
    assert first.code == 0
    thousands = label("with/thousands.csv", "--with", str(tmp_path / "out"), out="later")
    assert thousands.right(LATER) == 1
    assert "column 'price' is read as numbers: a comma between thousands" in thousands.said
    grams = label("with/grams.csv", "--with", str(tmp_path / "out"), out="grams")
    assert "column 'weight': its values lie far outside the earlier ones" in grams.said


@pytest.mark.parametrize(
    ("name", "found", "said"),
    [
        ("rows/dialogue.tsv", 30, "a quote that would swallow whole rows is read as a letter"),
        ("rows/lonely.csv", 38, "a quote that never closes is read as a letter (row 22)"),
        ("rows/sepline.csv", 36, "texts in column 'text'"),
        ("missing/t_na_real.csv", 45, "22 × 'NaN' count as not labelled"),
        ("missing/t_nan.csv", 45, "42 × 'nan' count as not labelled"),
        ("missing/t_qm.csv", 45, "42 × '?' count as not labelled"),
        ("missing/labellist.jsonl", 36, "3 examples of 3 classes"),
    ],
)
def test_no_row_is_lost_and_no_class_made_up(label: Label, name: str, found: int, said: str) -> None:
    run = label(name, *WORDS)
    assert run.code == 0
    assert f"{found} items found = {found - 3} labelled + 3 examples + 0 skipped" in run.said
    assert said in run.said
    assert run.classes <= {"banking", "travel", "weather"}
    assert len(run.table) == found


def test_a_class_whose_only_example_is_lost_stops_the_run(label: Label) -> None:
    run = label("rows/lostclass.csv", *WORDS)
    assert run.code == 2
    assert "no example of class 'weather' can be used: '5' is skipped (not valid UTF-8" in run.said
    assert run.table.empty


def test_two_labels_of_one_text_starve_no_class(label: Label) -> None:
    both = label("rows/conflict.csv", *WORDS)
    assert "'2' and '40' are equal and have different labels" in both.said
    assert both.classes == {"banking", "travel", "weather"}  # test_transduce holds that the others stay as they are
    twin = both.table.iloc[37]
    assert float(twin["confidence"]) == pytest.approx(0.5, abs=0.01)


def test_vectors_written_as_texts(label: Label) -> None:
    run = label("kinds/emb.csv")
    assert "features in column 'embedding', 32 numbers each" in run.said
    assert run.right(DATES) == 1


def test_a_list_of_files(label: Label, tmp_path: Path) -> None:
    if not (CASES.parent / "data" / "photos").is_dir():
        pytest.skip("the photographs are absent")
    write_tiny_encoder(tmp_path / "encoder.onnx")
    run = label("kinds/list.csv", "--encoder", str(tmp_path / "encoder.onnx"))
    assert run.code == 0
    assert "a list of files (image) in column 'path', relative to the list" in run.said
    assert "10 items found = 8 labelled + 2 examples + 0 skipped" in run.said


def test_one_row_of_nan_is_skipped_and_named(label: Label) -> None:
    run = label("arrays/nanrow.npy", "--example", "a=0", "--example", "b=59")
    assert run.code == 0
    assert "57 labelled + 2 examples + 1 skipped" in run.said
    assert "holds NaN or infinity" in run.said
