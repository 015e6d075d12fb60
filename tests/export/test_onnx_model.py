"""Exported classifiers: onnxruntime says what the estimator says, to 1e-5."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from PIL import Image
from sklearn.exceptions import NotFittedError

from sibyl import METHODS, LearnedMethod, MissingExtra, SIBClassifier, TransductiveClassifier, UserError
from sibyl.encoders.onnx import OnnxEncoder
from sibyl.methods.named import untrained
from tests.encoders.tiny_onnx import write_tiny_encoder
from tests.estimators.few_labels import DIM, N_CLASSES, clusters
from tests.real_data import DATA, needs_data


def run(path: Path, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return dict(zip([one.name for one in session.get_outputs()], session.run(None, inputs), strict=True))


def metadata(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}


def test_an_exported_classifier_says_the_same(tmp_path: Path) -> None:
    X, y, _ = clusters()
    classifier = SIBClassifier().fit(X, y)
    classifier.export(tmp_path / "model.onnx")
    for n_rows in (1, 7, 90):
        rows = np.random.default_rng(1).normal(size=(n_rows, DIM)).astype(np.float32)
        answer = run(tmp_path / "model.onnx", features=rows)
        assert answer["probabilities"].shape == (n_rows, N_CLASSES)
        assert np.abs(answer["probabilities"] - classifier.predict_proba(rows)).max() < 1e-5
        assert np.abs(answer["outlier_score"] - classifier.outlier_score(rows)).max() < 1e-5
        assert (answer["label"] == classifier.predict(rows)).all()


# One of each form of classifier, a network's too; each takes a second or more.
@pytest.mark.parametrize("name", ["oslo", "pt_map", "label_propagation", "sib"])
def test_classifiers_of_every_form(name: str, tmp_path: Path) -> None:
    X, y, _ = clusters()
    method = untrained(name, DIM, N_CLASSES) if issubclass(METHODS[name], LearnedMethod) else name
    classifier = TransductiveClassifier(method).fit(X, y)
    classifier.export(tmp_path / "model.onnx")
    answer = run(tmp_path / "model.onnx", features=X.astype(np.float32))
    assert np.abs(answer["probabilities"] - classifier.predict_proba(X)).max() < 1e-5


# What goes around a classifier is the same for all: the smallest one is exported soonest.
@pytest.mark.parametrize("names", [["ant", "bee", "Käfer, groß"], [3, 10, 7], [False, True]], ids=["text", "int", "bool"])
def test_classes_are_in_the_metadata_and_come_out(names: list[Any], tmp_path: Path) -> None:
    X, _, truth = clusters()
    classifier = TransductiveClassifier("class_mean").fit(X, np.array(names)[truth % len(names)])
    classifier.export(tmp_path / "model.onnx")
    assert json.loads(metadata(tmp_path / "model.onnx")["classes"]) == sorted(names)
    assert run(tmp_path / "model.onnx", features=X.astype(np.float32))["label"].tolist() == classifier.predict(X).tolist()


def test_columns_are_in_the_metadata_and_no_path_of_the_machine_is(tmp_path: Path) -> None:
    X, y, _ = clusters()
    TransductiveClassifier("class_mean").fit(pd.DataFrame(X, columns=[f"c{i}" for i in range(DIM)]), y).export(
        tmp_path / "model.onnx"
    )
    assert json.loads(metadata(tmp_path / "model.onnx")["columns"])[0] == "c0"
    assert b".py" not in (tmp_path / "model.onnx").read_bytes()


@pytest.mark.parametrize("batch", ["batch", 3])
def test_one_file_from_pixels_to_labels(batch: int | str, tmp_path: Path) -> None:
    encoder = OnnxEncoder(write_tiny_encoder(tmp_path / "tiny.onnx", side=8, batch=batch))
    draw = np.random.default_rng(0)
    colours = np.array([[200, 30, 30], [30, 200, 30], [30, 30, 200]])
    images = [Image.fromarray(np.uint8(np.clip(colours[i % 3] + draw.normal(0, 20, (12, 10, 3)), 0, 255))) for i in range(30)]
    pixels = [encoder.prepare(image) for image in images]
    features = encoder.encode(pixels)
    y = np.array([["red", "green", "blue"][i] if i < 3 else -1 for i in range(30)], dtype=object)
    classifier = TransductiveClassifier("class_mean").fit(features, y)
    classifier.export(tmp_path / "model.onnx", encoder=tmp_path / "tiny.onnx")
    answer = run(tmp_path / "model.onnx", pixels=np.stack(pixels[:3]))
    assert answer["label"].tolist() == ["red", "green", "blue"]
    assert np.abs(answer["probabilities"] - classifier.predict_proba(features[:3])).max() < 1e-5
    assert json.loads(metadata(tmp_path / "model.onnx")["preprocessing"])["input_size"] == 8


def test_an_encoder_of_another_dimension_is_refused(tmp_path: Path) -> None:
    X, y, _ = clusters()
    with pytest.raises(UserError, match="gives 3 feature columns, but the classifier was fitted on 16"):
        TransductiveClassifier("class_mean").fit(X, y).export(
            tmp_path / "model.onnx", encoder=write_tiny_encoder(tmp_path / "tiny.onnx")
        )
    assert not (tmp_path / "model.onnx").exists()


@needs_data
def test_squeezenet_from_pixels_to_labels(tmp_path: Path) -> None:
    """An encoder of an older ONNX version is brought to the classifier's."""
    path = DATA / "encoders" / "squeezenet1_1_features.onnx"
    encoder = OnnxEncoder(path, n_threads=1)
    files = [file for name in ("Faces", "accordion") for file in sorted((DATA / "photos" / name).iterdir())[:5]]
    pixels = [encoder.prepare(Image.open(file).convert("RGB")) for file in files]
    features = encoder.encode(pixels)
    classifier = SIBClassifier().fit(features, ["face", *[None] * 4, "accordion", *[None] * 4])
    classifier.export(tmp_path / "model.onnx", encoder=encoder)
    answer = run(tmp_path / "model.onnx", pixels=np.stack(pixels))
    assert np.abs(answer["probabilities"] - classifier.predict_proba(features)).max() < 1e-5
    assert (answer["label"] == classifier.predict(features)).all()


def test_what_onnx_lacks_is_said(tmp_path: Path) -> None:
    X, y, _ = clusters()
    with pytest.raises(UserError, match=r"cannot be written as ONNX.*lgamma.*choose another method"):
        TransductiveClassifier("em_dirichlet").fit(X, y).export(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_missing_library_answers_with_the_install_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, _ = clusters()
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtra, match=r"pip install .*\[onnx\]"):
        SIBClassifier().fit(X, y).export(tmp_path / "model.onnx")


def test_only_a_fitted_classifier_is_exported(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        SIBClassifier().export(tmp_path / "model.onnx")
