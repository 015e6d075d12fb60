"""A saved classifier says what it said before; the hub's folder holds it, a configuration and a card, and no rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from huggingface_hub import ModelHubMixin
from sklearn.exceptions import NotFittedError

from sibyl import METHODS, CheckpointError, LearnedMethod, SIBClassifier, TransductiveClassifier, UserError
from sibyl.methods.named import untrained
from sibyl.tensors import load_tensors, save_tensors
from tests.estimators.few_labels import DIM, N_CLASSES, SlicedClassMean, clusters

FUNCTIONS = {"gnn", "relation", "snail"}  # their answer is a network and a task, not tensors
ATTRIBUTES = (
    "classes_",
    "transduction_",
    "label_distributions_",
    "inductive_labels_",
    "outlier_score_",
    "class_mix_",
    "fell_back_",
)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_loaded_equals_saved(name: str, tmp_path: Path) -> None:
    X, y, _ = clusters()
    method = untrained(name, DIM, N_CLASSES) if issubclass(METHODS[name], LearnedMethod) else name
    fitted = TransductiveClassifier(method).fit(X, y)
    path = tmp_path / "classifier.safetensors"
    if name in FUNCTIONS:
        with pytest.raises(UserError, match="cannot be saved"):
            fitted.save(path)
        assert not path.exists()
        return
    fitted.save(path)
    loaded = TransductiveClassifier.load(path)
    # The file holds rows in one order of memory; sums may be rounded otherwise than in the other.
    assert np.allclose(loaded.predict_proba(X), fitted.predict_proba(X), atol=1e-6)
    assert np.allclose(loaded.outlier_score(X), fitted.outlier_score(X), atol=1e-6)
    for attribute in ATTRIBUTES:
        assert np.array_equal(getattr(loaded, attribute), getattr(fitted, attribute)), attribute
    assert np.allclose(loaded.fit(X, y).label_distributions_, fitted.label_distributions_, atol=1e-6)


@pytest.mark.parametrize("names", [["ant", "bee", "cat"], [7, 8, 9], [0.5 * 4, 3.0, 4.0]])
@pytest.mark.parametrize("prior", [None, "balanced", [0.5, 0.25, 0.25], "mapping"])
def test_parameters_and_classes_come_back(names: list[Any], prior: Any, tmp_path: Path) -> None:
    X, _, truth = clusters()
    prior = dict(zip(names, [0.5, 0.25, 0.25], strict=True)) if prior == "mapping" else prior
    fitted = SIBClassifier(class_prior=prior, batch_rows=33).fit(X, np.array(names)[truth])
    fitted.save(tmp_path / "c.safetensors")
    loaded = SIBClassifier.load(tmp_path / "c.safetensors")
    assert type(loaded) is SIBClassifier
    assert loaded.get_params() == fitted.get_params()
    assert loaded.classes_.dtype == fitted.classes_.dtype
    assert (loaded.predict(X) == fitted.predict(X)).all()


def test_names_of_columns_come_back(tmp_path: Path) -> None:
    X, y, _ = clusters()
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(DIM)])
    SIBClassifier().fit(frame, y).save(tmp_path / "c.safetensors")
    loaded = SIBClassifier.load(tmp_path / "c.safetensors")
    assert loaded.predict(frame).shape == y.shape
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame.iloc[:, ::-1])


def test_rows_can_stay_at_home(tmp_path: Path) -> None:
    X, y, _ = clusters()
    fitted = SIBClassifier().fit(X, y)
    fitted.save(tmp_path / "c.safetensors", rows=False)
    loaded = SIBClassifier.load(tmp_path / "c.safetensors")
    assert not hasattr(loaded, "transduction_")
    assert (loaded.predict(X) == fitted.predict(X)).all()
    tensors, _ = load_tensors(tmp_path / "c.safetensors")
    assert all(len(tensor) != len(X) for tensor in tensors.values() if tensor.ndim)


def test_a_method_of_one_s_own_is_refused(tmp_path: Path) -> None:
    X, y, _ = clusters()
    with pytest.raises(UserError, match="SlicedClassMean"):
        TransductiveClassifier(SlicedClassMean()).fit(X, y).save(tmp_path / "c.safetensors")
    with pytest.raises(NotFittedError):
        SIBClassifier().save(tmp_path / "c.safetensors")


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    X, y, _ = clusters()
    path = tmp_path / "c.safetensors"
    TransductiveClassifier("soft_kmeans").fit(X, y).save(path)
    tensors, metadata = load_tensors(path)
    foreign: list[dict[str, Any]] = [
        metadata | {"format": "sibyl-method"},
        metadata | {"classifier": metadata["classifier"] | {"class": "os:system"}},
        metadata | {"classifier": metadata["classifier"] | {"class": "sibyl.methods.named:method_by_name"}},
        metadata | {"classifier": metadata["classifier"] | {"class": "sibyl.methods.absent:Classifier"}},
        metadata | {"classifier": 3},
        {key: value for key, value in metadata.items() if key != "classes"},
    ]
    for number, changed in enumerate(foreign):
        save_tensors(tmp_path / f"{number}.safetensors", tensors, changed)
        with pytest.raises(CheckpointError):
            SIBClassifier.load(tmp_path / f"{number}.safetensors")
    save_tensors(path, {}, metadata)
    with pytest.raises(CheckpointError):
        SIBClassifier.load(path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(CheckpointError, match="damaged"):
        SIBClassifier.load(path)


def test_the_hub_s_folder(tmp_path: Path) -> None:
    X, y, _ = clusters()
    fitted = SIBClassifier().fit(X, [None if code < 0 else ["ant", "bee|wasp", "cat"][code] for code in y])
    fitted.save_pretrained(tmp_path / "shared")
    assert sorted(file.name for file in (tmp_path / "shared").iterdir()) == ["README.md", "config.json", "model.safetensors"]
    loaded = SIBClassifier.from_pretrained(tmp_path / "shared")
    assert np.allclose(loaded.predict_proba(X), fitted.predict_proba(X), atol=1e-6)
    assert not hasattr(loaded, "transduction_")
    config = json.loads((tmp_path / "shared" / "config.json").read_text())
    assert config["classes"]["values"] == ["ant", "bee|wasp", "cat"]
    card = (tmp_path / "shared" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: sibyl-learn\n")
    assert r"| bee\|wasp |" in card
    assert f"| method | {SIBClassifier().method} |" in card
    fitted.save_pretrained(tmp_path / "shared")  # a second time replaces the first


def test_push_to_hub_uploads_that_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uploaded: dict[str, Any] = {}

    class Api:
        def __init__(self, **_: Any) -> None:
            pass

        def create_repo(self, repo_id: str, **_: Any) -> Any:
            return type("Url", (), {"repo_id": repo_id})

        def upload_folder(self, *, repo_id: str, folder_path: Any, **_: Any) -> str:
            uploaded[repo_id] = {file.name: file.read_bytes() for file in Path(folder_path).iterdir()}
            return "commit"

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Api)
    X, y, _ = clusters()
    assert issubclass(SIBClassifier, ModelHubMixin)
    assert SIBClassifier().fit(X, y).push_to_hub("someone/insects") == "commit"
    files = uploaded["someone/insects"]
    assert set(files) == {"README.md", "config.json", "model.safetensors"}
    assert b'from_pretrained("someone/insects")' in files["README.md"]
    (tmp_path / "c.safetensors").write_bytes(files["model.safetensors"])
    assert SIBClassifier.load(tmp_path / "c.safetensors").predict(X).shape == y.shape


def test_an_absent_repository_is_one_sentence() -> None:
    with pytest.raises(UserError, match="nobody/nothing: cannot be fetched from the hub"):
        SIBClassifier.from_pretrained("nobody/nothing", local_files_only=True)
