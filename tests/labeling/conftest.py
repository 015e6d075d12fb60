"""Reports as a person opens them, of pictures, of a table and of clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sibyl.labeling.label import label, to_show
from sibyl.labeling.report_page import report_html
from sibyl.labeling.request import LabelRequest
from sibyl.labeling.run import label_items
from tests.encoders.tiny_onnx import write_tiny_encoder

EVIL = "<script>alert(1)</script>\" onerror='x' \n&amp;"
CLASSES = ("red", EVIL, "blue")


@pytest.fixture(scope="module")
def photos_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of 36 small pictures of three colours."""
    folder = tmp_path_factory.mktemp("photos")
    draw = np.random.default_rng(0)
    for number in range(36):
        colour = np.eye(3)[number % 3] * 160 + 40 + draw.normal(size=3) * 25
        pixels = np.clip(colour + draw.normal(size=(30, 40, 3)) * 20, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02d} 'q\".png")
    encoder = write_tiny_encoder(folder / "encoder.onnx")
    examples = {f"{number:02d} 'q\".png": CLASSES[number] for number in range(3)}
    labelling = label_items(LabelRequest(folder, examples, encoder, cache=folder / "cache", exclude=[encoder, folder / "cache"]))
    page = folder / "report.html"
    page.write_text(report_html(to_show(labelling)), encoding="utf-8")
    return page


@pytest.fixture(scope="module")
def table_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a table, whose cells would run as a script if they could."""
    folder = tmp_path_factory.mktemp("table")
    draw = np.random.default_rng(0)
    truth = np.arange(45) % 3
    frame = pd.DataFrame({"size": (truth * 5 + draw.normal(size=45)).round(2), "colour": np.array(["red", "green", EVIL])[truth]})
    frame["a very long class of things"] = frame["size"] * 2
    frame.to_csv(folder / "pile.csv", index=False)
    names = ["a class whose name is so long that no narrow column holds it in one line", "b", "c"]
    label(folder / "pile.csv", {str(row + 1): names[row] for row in range(3)}, out=folder / "out")
    return folder / "out" / "report.html"


@pytest.fixture(scope="module")
def clips_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of eighteen hums."""
    soundfile = pytest.importorskip("soundfile")
    folder = tmp_path_factory.mktemp("clips")
    for number in range(18):
        time = np.arange(8000) / 8000
        soundfile.write(folder / f"{number:02d}.wav", 0.3 * np.sin(2 * np.pi * (200 + 300 * (number % 2) + number) * time), 8000)
    label(folder, {"00.wav": "low", "01.wav": "high"}, out=folder / "out", cache=folder / "cache")
    return folder / "out" / "report.html"
