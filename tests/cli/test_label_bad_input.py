"""Bad input, nothing lost: each kind is named in the summary and the rest is still labelled; output is whole or absent."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
import random
import resource
import signal
import struct
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sibyl.cli.app import main
from sibyl.encoders.encoder import Encoder
from sibyl.errors import DataError
from sibyl.labeling.label import label
from sibyl.labeling.run import label_items
from tests.encoders.tiny_onnx import write_tiny_encoder

COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}
EXAMPLES = {f"{name}/0.png": name for name in COLOURS}


class MeanColour(Encoder[Any, Any]):
    """Mean of each channel; slow on request, so that a run can be stopped in its middle."""

    name = "mean-colour"
    key = "mean-colour-1"
    dim = 3
    description: ClassVar[dict[str, Any]] = {"name": "mean-colour"}

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay

    def prepare(self, item: Any) -> Any:
        time.sleep(self.delay)
        return np.asarray(item, np.float32).mean((0, 1)) / 255

    def encode(self, batch: Sequence[Any]) -> Any:
        return np.stack(batch).astype(np.float32)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBYL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """12 images of each colour."""
    draw = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            pixels = np.clip(np.array(colour) + draw.normal(size=3) * 20 + draw.normal(size=(16, 12, 3)) * 20, 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


def red(**options: Any) -> bytes:
    file = io.BytesIO()
    image = Image.new("RGB", (20, 12), COLOURS["red"])
    mode = options.pop("mode", "RGB")
    image.convert(mode).save(file, **options)
    return file.getvalue()


def bomb() -> bytes:
    """A PNG of some hundred bytes that claims 60,000 × 60,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def sixteen_bit() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(file, "PNG")
    return file.getvalue()


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return red(format="JPEG", exif=exif)


READABLE = {
    "cmyk.jpg": red(format="JPEG", mode="CMYK"),
    "sixteen bit.png": sixteen_bit(),
    "animated.gif": red(format="GIF", save_all=True, append_images=[Image.new("RGB", (20, 12), (0, 0, 0))]),
    "rotated.jpg": rotated(),
    "really a jpeg.png": red(format="JPEG"),
    "no ending": red(format="PNG"),
    "emoji 😀 \"quoted\" 'name'\nof two lines, comma.png": red(format="PNG"),
    "=cmd|'!A0.png": red(format="PNG"),
}
UNREADABLE = {
    "corrupt.png": (b"\x89PNG\r\n\x1a\n" + b"garbage" * 40, ""),
    "truncated.jpg": (red(format="JPEG")[:300], ""),
    "zero bytes.jpg": (b"", "empty file"),
    "bomb.png": (bomb(), "pixels"),
    "a text.jpg": (b"not an image at all", "not a readable image"),
}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_bad_image_is_named_and_the_rest_labelled(tmp_path: Path, photos: Path) -> None:
    for name, content in READABLE.items():
        (photos / name).write_bytes(content)
    for name, (content, _) in UNREADABLE.items():
        (photos / name).write_bytes(content)
    (photos / "loop").symlink_to(photos)
    (photos / "own tail").symlink_to(photos / "own tail")
    (photos / "gone.png").symlink_to(tmp_path / "nowhere.png")
    table = label(photos, EXAMPLES, MeanColour(), tmp_path / "out").set_index("item")
    status = {str(item): str(one) for item, one in table["status"].items()}
    assert {name: status[name] for name in READABLE} == dict.fromkeys(READABLE, "labelled")
    for name, (_, reason) in UNREADABLE.items():
        assert status[name].startswith("skipped: "), name
        assert reason in status[name]
    assert {status[name].split(":")[0] for name in ("loop", "own tail", "gone.png")} == {"skipped"}
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["found"] == len(table) == 36 + len(READABLE) + len(UNREADABLE) + 3
    assert summary["found"] == summary["labelled"] + summary["examples"] + summary["skipped"]
    assert sum(summary["reasons"].values()) == summary["skipped"] == len(UNREADABLE) + 3
    assert len(rows(tmp_path / "out" / "labels.csv")) == summary["found"]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert all(reason in page for reason in ("empty file", "link that leads back to itself"))


def test_files_that_vanish_or_close_while_they_are_read(tmp_path: Path, photos: Path) -> None:
    class Vanishing(MeanColour):
        def prepare(self, item: Any) -> Any:
            for number in (9, 10, 11):
                (photos / "red" / f"{number}.png").unlink(missing_ok=True)
            return super().prepare(item)

    table = label(photos, EXAMPLES, Vanishing(), tmp_path / "out").set_index("item")
    assert str(table.loc["red/11.png", "status"]).startswith("skipped: cannot be opened")
    assert str(table.loc["green/5.png", "status"]) == "labelled"
    assert len(table) == 36


def test_files_without_permission(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_bytes = Path.read_bytes

    def denied(self: Path) -> bytes:
        if self.name == "5.png":
            raise PermissionError(13, "Permission denied", str(self))
        return read_bytes(self)

    monkeypatch.setattr(Path, "read_bytes", denied)
    table = label(photos, EXAMPLES, MeanColour(), tmp_path / "out").set_index("item")
    assert str(table.loc["red/5.png", "status"]) == "skipped: cannot be opened (Permission denied)"
    assert (table["status"] == "labelled").sum() == 30


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


def test_an_existing_output_keeps_what_is_not_ours(tmp_path: Path, photos: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "diary.txt").write_text("mine")
    (out / "labels.csv").write_text("old")
    label(photos, EXAMPLES, MeanColour(), out)
    assert (out / "diary.txt").read_text() == "mine"
    assert rows(out / "labels.csv")[0]["item"] == "blue/0.png"


def test_tables_in_other_formats(tmp_path: Path, photos: Path) -> None:
    table = label(photos, EXAMPLES, MeanColour(), tmp_path / "out" / "labels.parquet")
    read = pd.read_parquet(tmp_path / "out" / "labels.parquet")
    assert list(read.columns) == list(table.columns)
    for column in ("item", "label", "status", "source"):
        assert read[column].tolist() == table[column].tolist()
    assert np.allclose(read["confidence"], table["confidence"])
    label(photos, EXAMPLES, MeanColour(), tmp_path / "out" / "labels.jsonl")
    lines = (tmp_path / "out" / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["item"] for line in lines] == table["item"].tolist()


def test_every_way_to_give_examples(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tiny_encoder(tmp_path / "encoder.onnx")
    monkeypatch.chdir(tmp_path)

    def labels(*arguments: str) -> dict[str, str]:
        monkeypatch.setattr(sys, "argv", ["sibyl", "label", *arguments, "--out", "out", "--json"])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert not end.value.code, said.err
        assert json.loads(said.out)["examples"] == 3
        return {row["item"]: row["label"] for row in rows(tmp_path / "out" / "labels.csv")}

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


def limited(photos: Path, out: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))  # no file may grow beyond 600 bytes: what a full disk does
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        label(photos, EXAMPLES, MeanColour(), out)
    except DataError as error:
        os._exit(3 if "cannot be written" in str(error) else 4)
    os._exit(0)


def test_a_disk_that_is_full_leaves_nothing_half(tmp_path: Path, photos: Path) -> None:
    run = multiprocessing.get_context("fork").Process(target=limited, args=(photos, tmp_path / "out"))
    run.start()
    run.join()
    assert run.exitcode == 3
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    label(photos, EXAMPLES, MeanColour(), tmp_path / "out")
    assert len(rows(tmp_path / "out" / "labels.csv")) == 36


def slow_label(photos: Path, out: Path, cache: Path, delay: float) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background may ignore it
    try:
        label(photos, EXAMPLES, MeanColour(delay), out, cache=cache)
    except KeyboardInterrupt:
        os._exit(130)
    os._exit(0)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_stopped_at_any_moment_the_output_is_whole(tmp_path: Path, photos: Path, sent: signal.Signals) -> None:
    draw = random.Random(0)
    out = tmp_path / "out"
    wanted = label_items(photos, EXAMPLES, MeanColour(), cache=tmp_path / "other cache").table
    files = {"labels.csv", "report.html", "summary.json", "run.safetensors"}
    stopped = 0
    for number in range(8):
        # A cache for every two runs: the first has all pictures before it, each of which takes its time on any machine, the second goes on.
        cache = tmp_path / f"cache {number // 2}"
        run = multiprocessing.get_context("fork").Process(target=slow_label, args=(photos, out, cache, 0.05))
        run.start()
        run.join(draw.uniform(0.05, 0.5))
        if run.pid is not None and run.exitcode is None:
            os.kill(run.pid, sent)
        run.join(30)
        assert run.exitcode is not None
        stopped += run.exitcode != 0
        if out.exists():  # each file is whole, whatever else is missing
            whole = [path for path in out.iterdir() if not path.name.startswith(".")]
            assert {path.name for path in whole} <= files
            if (out / "labels.csv").exists():
                assert len(rows(out / "labels.csv")) == 36
            if (out / "summary.json").exists():
                json.loads((out / "summary.json").read_text(encoding="utf-8"))
            if (out / "report.html").exists():
                assert (out / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert stopped
    pd.testing.assert_frame_equal(label(photos, EXAMPLES, MeanColour(), out), wanted)
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == files
