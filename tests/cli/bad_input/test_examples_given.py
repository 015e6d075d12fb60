"""Bad examples are one sentence; every good way to give them is understood."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sibyl.cli.app import main
from sibyl.errors import DataError
from sibyl.labeling.label import label
from tests.cli.bad_input.mean_colour import COLOURS, MeanColour, rows
from tests.encoders.tiny_onnx import write_tiny_encoder


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("item,label\nred/0.png,red\nred/0.png,blue\n", "two labels"),
        ("item,label\nred/0.png,red\nred/00.png,blue\n", "no item 'red/00.png'; did you mean"),
        ("item,label\nred/0.png,red\ngreen/0.png,=1+1\n", "formula"),
        ("item,label\nred/0.png,red\ngreen/0.png,red\n", "at least two classes, found only 'red'"),
        ("item,label\nred/0.png,red\nbroken.png,blue\n", "no example of class 'blue' can be used"),
    ],
)
def test_bad_examples_are_one_sentence(tmp_path: Path, photos: Path, content: str, part: str) -> None:
    (photos / "broken.png").write_bytes(b"")
    (tmp_path / "examples.csv").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=part.replace("(", r"\(")) as caught:
        label(photos, tmp_path / "examples.csv", MeanColour(), tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffitem;label\r\n./red/0.png;red\r\nred/0.png;red\r\ngreen/0.png;green\r\n",
        "label\titem\nred\tred/0.png\ngreen\tgreen/0.png\n",
    ],
)
def test_spreadsheets_and_repeated_rows_are_understood(tmp_path: Path, photos: Path, content: str) -> None:
    (tmp_path / "examples.csv").write_text(content, encoding="utf-8")
    table = label(photos, tmp_path / "examples.csv", MeanColour())
    assert (table["status"] == "example").sum() == 2


def test_every_way_to_give_examples(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tiny_encoder(tmp_path / "encoder.onnx")
    monkeypatch.chdir(tmp_path)

    def labels(*arguments: str) -> dict[str, str]:
        out = f"out-{Path(arguments[0]).stem}"
        monkeypatch.setattr(sys, "argv", ["sibyl", "label", *arguments, "--out", out, "--json"])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert not end.value.code, said.err
        assert json.loads(said.out)["examples"] == 3
        return {row["item"]: row["label"] for row in rows(tmp_path / out / "labels.csv")}

    one_by_one = [part for name in COLOURS for part in ("--example", f"{name}=photos/{name}/0.png")]  # as a shell completes them
    first = labels("photos", *one_by_one, "--encoder", "encoder.onnx")
    assert first["red/7.png"] == "red"
    below = [part for name in COLOURS for part in ("--example", f"{name}={name}/0.png")]
    assert labels("photos", *below, "--encoder", "encoder.onnx") == first
    (photos / "unlabelled").mkdir()
    for name in COLOURS:
        for number in range(1, 12):
            (photos / name / f"{number}.png").rename(photos / "unlabelled" / f"{name}{number}.png")
    assert labels("photos", "--encoder", "encoder.onnx")["unlabelled/red7.png"] == "red"
    frame = pd.DataFrame(np.eye(3)[np.arange(60) % 3] * 5 + np.random.default_rng(0).normal(size=(60, 3)), columns=["a", "b", "c"])
    frame["kind"] = [name if number < 3 else "" for number, name in enumerate(list(COLOURS) * 20)]
    frame.to_csv(tmp_path / "table.csv", index=False)
    assert len(labels("table.csv", "--label-column", "kind")) == 60


def test_nothing_left_to_label_and_nothing_labelled(photos: Path) -> None:
    with pytest.raises(DataError, match="nothing is left to label"):
        label(photos, encoder=MeanColour())
    flat = photos / "red"
    with pytest.raises(DataError, match="no item is labelled"):
        label(flat, encoder=MeanColour())


def test_names_with_blanks_at_their_ends_are_examples(tmp_path: Path, photos: Path) -> None:
    (photos / "red" / "0.png").rename(photos / "red" / "0.png ")
    (tmp_path / "examples.csv").write_text("item,label\nred/0.png ,red\nblue/0.png,blue\n", encoding="utf-8")
    table = label(photos, tmp_path / "examples.csv", MeanColour()).set_index("item")
    assert table.loc["red/0.png ", "status"] == "example"
