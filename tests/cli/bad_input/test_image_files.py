"""Bad images, nothing lost: each kind is named in the summary and the rest is still labelled."""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from PIL import Image

from sibyl.cli.app import main
from sibyl.labeling.label import label
from tests.cli.bad_input.mean_colour import COLOURS, EXAMPLES, MeanColour, rows
from tests.encoders.tiny_onnx import write_tiny_encoder


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
    def denied(path: str, mode: str) -> BinaryIO:
        if path.endswith("/5.png"):
            raise PermissionError(13, "Permission denied", path)
        return open(path, "rb")  # noqa: PTH123

    monkeypatch.setattr("sibyl.sources.item.open", denied, raising=False)
    table = label(photos, EXAMPLES, MeanColour(), tmp_path / "out").set_index("item")
    assert str(table.loc["red/5.png", "status"]) == "skipped: cannot be opened (Permission denied)"
    assert (table["status"] == "labelled").sum() == 30


def test_a_folder_without_permission(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def denied(path: Any) -> Any:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    (photos / "locked").mkdir()
    (photos / "locked" / "0.png").write_bytes(red(format="PNG"))
    monkeypatch.setattr(os, "scandir", denied)
    table = label(photos, EXAMPLES, MeanColour(), tmp_path / "out").set_index("item")
    assert table["status"].str.contains("folder cannot be opened .Permission denied.").sum() == 1
    assert (table["status"] == "labelled").sum() == 33


def test_the_screen_names_what_is_skipped(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tiny_encoder(tmp_path / "encoder.onnx")
    for name, (content, _) in UNREADABLE.items():
        (photos / name).write_bytes(content)
    named = [part for name in COLOURS for part in ("--example", f"{name}={name}/0.png")]
    arguments = ["sibyl", "label", str(photos), *named, "--encoder", str(tmp_path / "encoder.onnx"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr().out
    assert not end.value.code
    assert "41 files found = 33 labelled + 3 examples + 5 skipped" in said
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert all(name in said and name in page for name in UNREADABLE)
