"""What the label job says of texts in tables: what stands in each row, and what looks like a wrong column."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from sibyl.encoders import chosen
from sibyl.errors import DataError
from sibyl.labeling import run as label_run
from sibyl.labeling.label import label
from sibyl.labeling.report import print_summary
from sibyl.labeling.request import LabelRequest
from sibyl.labeling.run import label_items
from sibyl.sources.open import open_source


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    words = ("the card was lost", "my flight is late")
    rows = [(f"TCK-{1000 + i}", f"{words[i % 2]} and this is message {i}", i % 3) for i in range(24)]
    rows[4] = ("TCK-1004", "=cmd|'/c calc'!A1 " + "very long " * 40, 1)
    pd.DataFrame(rows, columns=["ticket", "message", "urgency"]).to_csv(tmp_path / "tickets.csv", index=False)
    return tmp_path / "tickets.csv"


EXAMPLES = {"1": "card", "2": "flight"}


def test_the_table_of_labels_shows_the_texts(tickets: Path) -> None:
    label(tickets, EXAMPLES, "tfidf", tickets.parent / "out", column="message")
    table = pd.read_csv(tickets.parent / "out" / "labels.csv")
    assert table["text"][0] == "the card was lost and this is message 0"
    assert table["text"][4].startswith("'=cmd")
    assert table["text"].str.len().max() == 201  # and cut
    later = label(tickets, out=tickets.parent / "later", earlier=tickets.parent / "out", column="message")
    assert later["text"][0] == table["text"][0]
    assert "text" not in label(tickets, EXAMPLES, "tfidf", column="message", keep_columns=True)


def test_a_column_of_codes_is_remarked_upon(tickets: Path) -> None:
    assert any("reads like codes ('TCK-1000')" in note for note in open_source(tickets, column="ticket").notes)
    assert not any("codes" in note for note in open_source(tickets, column="message").notes)


def test_the_encoder_chosen_is_no_remark(tickets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sibyl.encoders.catalogue import Choice
    from sibyl.encoders.tfidf import TfidfEncoder

    said = Choice(TfidfEncoder(), "tfidf (words and pieces of words)")
    monkeypatch.setattr(chosen, "default_encoder", lambda modality: said)
    summary = label_items(LabelRequest(tickets, EXAMPLES, column="message")).summary
    assert not [note for note in summary.notes if "encoder" in note]
    import io

    from rich.console import Console

    told = io.StringIO()
    print_summary(Console(file=told), summary)
    assert "encoder  tfidf (words and pieces of words)" in told.getvalue()


def test_corrections_are_called_by_the_name_of_their_file(tickets: Path) -> None:
    out = tickets.parent / "out"
    out.mkdir()
    (out / "corrections-ann.csv").write_text("item,label\n3,card\n")
    summary = label_items(LabelRequest(tickets, EXAMPLES, "tfidf", out, column="message")).summary
    assert summary.examples_from == "corrections-ann.csv (1), examples (2)"


def test_a_wrong_name_is_told_before_an_encoder_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")

    def loaded(name: str) -> None:
        raise AssertionError(name)

    for module in (label_run, chosen):
        monkeypatch.setattr(module, "encoder_by_name", loaded)
    with pytest.raises(DataError, match=r"no item 'd\.png'"):
        label(tmp_path, {"a.png": "one", "d.png": "two"}, "conv4-cifar-fs")


def test_a_list_of_examples_with_a_comma_in_its_name_is_one_list(tickets: Path) -> None:
    path = tickets.parent / "mine, all of them.csv"
    path.write_text("item,label\n" + "".join(f"{item},{label}\n" for item, label in EXAMPLES.items()))
    understood = label_items(LabelRequest(tickets, path, "tfidf", column="message")).summary.understood
    assert understood.endswith(f", from {path}")
