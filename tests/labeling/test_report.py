"""What a run writes: both files or neither."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from rich.console import Console

from sibyl.errors import DataError
from sibyl.labeling import outputs as module
from sibyl.labeling.examples import Examples
from sibyl.labeling.outputs import write_outputs
from sibyl.labeling.report import Counts, Summary, print_summary
from sibyl.labeling.table import labels_table
from sibyl.sources.item import Skipped
from sibyl.tasks import Solution


def outputs(tmp_path: Path) -> tuple[pd.DataFrame, Summary]:
    examples = Examples({"p": "[red]cat[/red]", "q": "dog"}, ("[red]cat[/red]", "dog"))
    logits = torch.tensor([[[1.0, 0.0]]])
    table = labels_table(("p", "q", "x"), examples, Solution(logits, logits), [Skipped("z", "odd \x1b[31m name")])
    return table, Summary(Counts.of(table), False, "anchored_means", {"name": "m.onnx"}, 0, 1.5)


def test_both_files_are_written_and_replaced(tmp_path: Path) -> None:
    table, summary = outputs(tmp_path)
    for method in ("first", "second"):
        write_outputs(tmp_path / "new" / "out", table, replace(summary, method=method))
    out = tmp_path / "new" / "out"
    assert sorted(path.name for path in out.iterdir()) == ["labels.csv", "summary.json"]
    assert json.loads((out / "summary.json").read_text())["method"] == "second"
    assert len(pd.read_csv(out / "labels.csv")) == 4


@pytest.mark.parametrize("full_at", ["labels.csv", "summary.json"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_at: str) -> None:
    table, summary = outputs(tmp_path)
    write_outputs(tmp_path / "old", table, replace(summary, method="before"))
    before = {path: path.read_bytes() for path in (tmp_path / "old").iterdir()}

    def full(path: Path, *_: object) -> None:
        path.write_bytes(b"half a fi")
        raise OSError(28, "No space left on device")

    if full_at == "labels.csv":
        monkeypatch.setitem(module._WRITERS, ".csv", full)
    else:
        monkeypatch.setattr(module, "_write_summary", full)
    for folder in ("old", "new"):
        with pytest.raises(DataError, match="No space left on device"):
            write_outputs(tmp_path / folder, table, summary)
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in (tmp_path / "old").iterdir()} == before
    assert not (tmp_path / "new").exists()


def test_the_summary_shows_names_as_they_are_and_steers_no_terminal(tmp_path: Path) -> None:
    _, summary = outputs(tmp_path)
    text = io.StringIO()
    print_summary(Console(file=text, width=100), summary)
    shown = text.getvalue()
    assert "[red]cat[/red]" in shown
    assert "\x1b" not in shown
    assert "4 files found = 1 labelled + 2 examples + 1 skipped" in shown


def test_that_no_label_changed_is_said_where_it_was_looked_at(tmp_path: Path) -> None:
    _, summary = outputs(tmp_path)
    told = []
    for compared in (True, False):
        text = io.StringIO()
        print_summary(Console(file=text, width=100), replace(summary, compared=compared))
        told.append("the unlabelled items changed 0 labels (0%)" in text.getvalue())
    assert told == [True, False]


def test_the_terminal_promises_of_a_table_no_more_than_the_report(tmp_path: Path) -> None:
    _, summary = outputs(tmp_path)
    text = io.StringIO()
    print_summary(Console(file=text, width=100), replace(summary, modality="table"))
    assert "it is not known how far this table's confidence can be trusted: check some at random" in text.getvalue()


def test_the_report_says_whose_figures_of_trust_it_shows() -> None:
    from sibyl.labeling.report_page import _measured

    own, words = _measured("universal_sib", "minilm-int8", "text")
    assert {one.encoder for one in own} == {"MiniLM"}
    assert words == "with minilm-int8"
    others, words = _measured("universal_sib", "dinov2", "image")
    assert len(others) > len(own)
    assert words == "with other encoders than yours; for yours, no comparison of confidence with the truth is at hand"
    assert "other features than yours" in _measured("universal_sib", "none", "features")[1]
    assert {one.encoder for one in _measured("universal_sib", "the rows of squeezenet.csv", "table")[0]} == {"table"}


def test_settings_of_an_encoder_show_four_digits() -> None:
    from sibyl.labeling.report_page import _plain

    assert _plain([0.4980392156862745, 0.5]) == "[0.498, 0.5]"
    assert [_plain(one) for one in (True, 260, "bicubic")] == ["True", "260", "bicubic"]


def test_cells_show_four_digits_of_a_decimal_number() -> None:
    from sibyl.labeling.previews import _figure

    shown = {
        "0.123456789012345": "0.1235",
        "-12345.678": "-12346",
        "1.5e-07": "1.5e-07",
        "13.0": "13",
        "2024": "2024",
        "1.2.3": "1.2.3",
    }
    assert {text: _figure(text) for text in shown} == shown
