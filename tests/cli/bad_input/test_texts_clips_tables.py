"""Bad texts, clips and tables, from the file to the table of labels: named, counted, and the rest labelled."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sibyl.labeling.label import label
from tests.cli.bad_input.mean_colour import rows

SENTENCES = {
    "weather": "rain and wind today with clouds over the {} hills and a cold sky",
    "food": "bake the bread with butter and {} flour in a hot oven for dinner",
}


def counted(out: Path) -> dict[str, str]:
    """Item → status, after checking that everything found is accounted for."""
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    table = rows(out / "labels.csv")
    assert summary["found"] == len(table) == summary["labelled"] + summary["examples"] + summary["skipped"]
    return {row["item"]: row["status"] for row in table}


def test_a_folder_of_texts(tmp_path: Path) -> None:
    folder, examples = tmp_path / "texts", {}
    folder.mkdir()
    for name, sentence in SENTENCES.items():
        for number in range(6):
            (folder / f"{name} {number}.txt").write_text(sentence.format(f"word{number}"), encoding="utf-8")
        examples[f"{name} 0.txt"] = name
    (folder / "with a mark.txt").write_bytes(b"\xef\xbb\xbf" + SENTENCES["food"].encode())
    (folder / "empty.txt").write_bytes(b"")
    (folder / "binary.txt").write_bytes(b"\x00\x01\x02" * 50)
    (folder / "odd \xe4 name\n'.txt").write_text(SENTENCES["weather"], encoding="utf-8")
    label(folder, examples, "tfidf", tmp_path / "out")
    status = counted(tmp_path / "out")
    assert status["with a mark.txt"] == status["odd \xe4 name\n'.txt"] == "labelled"
    assert status["empty.txt"] == "skipped: empty file"
    assert status["binary.txt"].startswith("skipped: ")
    assert sum(one == "labelled" for one in status.values()) == 12


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_of_texts(tmp_path: Path, delimiter: str) -> None:
    lines = [delimiter.join(("id", "text", "label"))]
    for number in range(12):
        name = list(SENTENCES)[number % 2]
        lines.append(delimiter.join((f"r{number}", f'"{SENTENCES[name].format(number)}"', name if number < 2 else "")))
    lines += [delimiter.join(("blank", "", "")), delimiter.join(("formula", "=cmd rain and wind", ""))]
    (tmp_path / "texts.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    label(tmp_path / "texts.csv", encoder="tfidf", out=tmp_path / "out", column="text", id_column="id")
    status = counted(tmp_path / "out")
    assert status["blank"] == "skipped: empty text"
    assert status["formula"] == "labelled"
    assert sum(one == "example" for one in status.values()) == 2


def test_a_folder_of_clips(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile", reason="SOUNDFILE ABSENT: install the extra 'audio'")
    folder = tmp_path / "clips"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for number in range(10):
        hertz = 300 if number % 2 else 1500
        samples = np.sin(2 * np.pi * hertz * np.arange(8000) / 16_000) * 0.5 + draw.normal(size=8000) * 0.01
        soundfile.write(folder / f"{number}.wav", samples, 16_000)
    whole = (folder / "4.wav").read_bytes()
    (folder / "truncated.wav").write_bytes(whole[:30])
    (folder / "empty.wav").write_bytes(b"")
    (folder / "really wav.mp3").write_bytes(whole)
    (folder / "a text.flac").write_bytes(b"no clip at all")
    label(folder, {"0.wav": "high", "1.wav": "low"}, "log-mel", tmp_path / "out")
    status = counted(tmp_path / "out")
    assert status["empty.wav"] == "skipped: empty file"
    assert all(status[name].startswith("skipped: ") for name in ("truncated.wav", "a text.flac"))
    assert status["really wav.mp3"] == "labelled"
    assert sum(one == "labelled" for one in status.values()) == 9


def test_a_table_of_numbers(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(20, 3)) + 4 * (np.arange(20) % 2)[:, None], columns=["a", "b", "c"])
    frame["never"], frame["always"] = np.nan, 7.0
    frame["kind"] = ["even", "odd"] + [""] * 18
    frame.loc[5, "a"] = np.inf
    frame.loc[6, ["a", "b", "c"]] = np.nan
    frame.to_csv(tmp_path / "table.csv", index=False)
    label(tmp_path / "table.csv", out=tmp_path / "out", label_column="kind")
    status = counted(tmp_path / "out")
    assert len(status) == 20
    assert sum(one == "example" for one in status.values()) == 2
    assert sum(one.startswith("skipped: ") for one in status.values()) <= 1
    text = io.StringIO((tmp_path / "table.csv").read_text()).getvalue().splitlines()
    text[4] += ",9,9"  # a row that is longer than the heading
    (tmp_path / "ragged.csv").write_text("\n".join(text) + "\n")
    label(tmp_path / "ragged.csv", out=tmp_path / "ragged", label_column="kind")
    ragged = counted(tmp_path / "ragged")
    assert sum(one.startswith("skipped: ") for one in ragged.values()) >= 1
    assert sum(one == "labelled" for one in ragged.values()) >= 16
