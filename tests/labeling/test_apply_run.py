"""New items with the classifier of an earlier run."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sibyl import SIBClassifier
from sibyl.errors import CheckpointError, DataError, UserError
from sibyl.labeling.label import label
from sibyl.labeling.request import LabelRequest
from sibyl.labeling.run import label_items
from sibyl.labeling.saved_run import SavedRun
from sibyl.methods.named import DEFAULT_METHOD
from tests.tampering import parts_of, write_parts

EXAMPLES = {"0": "zero", "1": "one", "2": "two"}


def rows(n: int, seed: int) -> np.ndarray:
    truth = np.arange(n) % 3
    return (np.eye(3)[truth] * 4 + np.random.default_rng(seed).normal(size=(n, 3))).astype(np.float32)


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    np.save(tmp_path / "old.npy", rows(90, 0))
    np.save(tmp_path / "new.npy", rows(30, 1))
    label(tmp_path / "old.npy", EXAMPLES, out=tmp_path / "out")
    return tmp_path / "out"


def test_new_rows_get_the_answer_of_the_solved_classifier(tmp_path: Path, earlier: Path) -> None:
    first = label_items(LabelRequest(tmp_path / "old.npy", EXAMPLES))
    assert first.solved.solution.classifier is not None
    import torch

    logits = first.solved.solution.classifier(torch.from_numpy(rows(30, 1))[None])[0]
    table = label(tmp_path / "new.npy", earlier=earlier, out=tmp_path / "later").set_index("item")
    assert [table.loc[str(i), "label"] for i in range(30)] == [first.class_names[int(c)] for c in logits.argmax(-1)]
    assert np.allclose(
        [float(str(table.loc[str(i), "confidence"])) for i in range(30)], logits.softmax(-1).amax(-1).numpy(), atol=1e-6
    )
    assert set(table["status"]) == {"labelled"}
    assert "the run in" in (tmp_path / "later" / "report.html").read_text()
    assert not (tmp_path / "later" / "run.safetensors").exists()


def test_corrections_of_new_items_teach(tmp_path: Path, earlier: Path) -> None:
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "corrections.csv").write_text("item,label\n3,four\n4,one\n")
    table = label(tmp_path / "new.npy", earlier=earlier, out=tmp_path / "later").set_index("item")
    assert table.loc["3", "label"] == "four"
    assert table.loc["4", "source"] == "correction"
    assert (table["status"] == "labelled").sum() == 28


def test_what_cannot_be_is_refused(tmp_path: Path, earlier: Path) -> None:
    new = tmp_path / "new.npy"
    with pytest.raises(DataError, match="holds no run"):
        label(new, earlier=tmp_path)
    with pytest.raises(DataError, match="choose another output folder"):
        label(new, earlier=earlier, out=earlier)
    with pytest.raises(DataError, match="leave them out"):
        label(new, EXAMPLES, earlier=earlier)
    with pytest.raises(DataError, match="the method and the class prior are those of the run in"):
        label(new, earlier=earlier, method="pt_map")
    with pytest.raises(DataError, match="the method and the class prior are those of the run in"):
        label(new, earlier=earlier, class_prior="balanced")
    np.save(tmp_path / "wide.npy", np.zeros((4, 7), np.float32))
    with pytest.raises(DataError, match=r"7 columns of features, but the run in .* has 3"):
        label(tmp_path / "wide.npy", earlier=earlier)
    (tmp_path / "texts.txt").write_text("a text\nanother text\nyet another one\n")
    with pytest.raises(DataError, match=r"holds text, but the run in .* labelled features"):
        label(tmp_path / "texts.txt", earlier=earlier)
    content = (earlier / "run.safetensors").read_bytes()
    (earlier / "run.safetensors").write_bytes(content[:-40])
    with pytest.raises(CheckpointError, match="damaged"):
        label(new, earlier=earlier)


def test_a_method_without_a_classifier_labels_later_items_by_class_means(tmp_path: Path, earlier: Path) -> None:
    old = label(tmp_path / "old.npy", EXAMPLES, out=tmp_path / "spread", method="label_propagation")
    again = label(tmp_path / "old.npy", earlier=tmp_path / "spread")
    asked = (old["status"] == "labelled").to_numpy()
    assert (again["label"] == old["label"])[asked].mean() > 0.9


def test_the_run_holds_what_solves_it_again(earlier: Path) -> None:
    run = SavedRun.read(earlier)
    assert run.matrix.shape == (90, 3)
    assert run.examples.class_names == ("one", "two", "zero")
    assert run.build_method().name == DEFAULT_METHOD


def test_a_run_is_a_classifier_and_a_classifier_labels(tmp_path: Path, earlier: Path) -> None:
    later = label(tmp_path / "new.npy", earlier=earlier)
    loaded = SIBClassifier.load(earlier / "run.safetensors")
    assert loaded.predict(rows(30, 1)).tolist() == later["label"].tolist()
    assert len(loaded.transduction_) == 90
    loaded.save(tmp_path / "classifier.safetensors")
    again = label(tmp_path / "new.npy", earlier=tmp_path / "classifier.safetensors")
    assert again["label"].tolist() == later["label"].tolist()
    with pytest.raises(CheckpointError, match="holds no items"):
        SavedRun.read(tmp_path / "classifier.safetensors")


def spoil(path: Path, number: int) -> None:
    """Change one thing of a file by somebody who knows the format, or flip a bit."""
    draw = random.Random(number)
    if number % 3 == 0:
        content = bytearray(path.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        return
    tensors, header = parts_of(path)
    places: list[tuple[Any, Any]] = []
    waiting: list[Any] = [header]
    while waiting:
        part = waiting.pop()
        for key in list(part) if isinstance(part, dict) else range(min(len(part), 3)):
            places.append((part, key))
            if isinstance(part[key], dict | list) and part[key]:
                waiting.append(part[key])
    part, key = draw.choice(places)
    odd: list[Any] = [
        None,
        -1,
        1 << 70,
        float("nan"),
        "",
        "x" * 5000,
        [],
        {},
        [[]],
        "../../etc/passwd",
        True,
        0.5,
        {"tensor": "features"},
    ]
    if number % 3 == 1:
        part[key] = draw.choice(odd)
    elif draw.random() < 0.5:
        del part[key]
    else:
        name = draw.choice(sorted(tensors))
        tensors[name] = draw.choice([tensors[name][:1], tensors[name].double(), tensors[name] * float("nan"), tensors[name][None]])
    write_parts(path, tensors, header)


def test_whatever_is_wrong_with_a_run_is_one_sentence(tmp_path: Path, earlier: Path) -> None:
    path, content = earlier / "run.safetensors", (earlier / "run.safetensors").read_bytes()
    refused = 0
    for number in range(150):
        path.write_bytes(content)
        spoil(path, number)
        try:
            run = SavedRun.read(earlier)
            SIBClassifier.load(path).predict_proba(rows(3, 2))
            run.build_method()
        except UserError as error:
            refused += 1
            assert len(str(error)) < 600  # noqa: PT017
    assert refused > 75
