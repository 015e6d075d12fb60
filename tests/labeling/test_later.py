"""New items with the classifier of an earlier run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sibyl.errors import CheckpointError, DataError
from sibyl.labeling.label import label
from sibyl.labeling.run import label_items
from sibyl.labeling.saved_run import SavedRun
from sibyl.methods.named import DEFAULT_METHOD

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
    first = label_items(tmp_path / "old.npy", EXAMPLES)
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
    with pytest.raises(DataError, match=r"the method and what it is told .* are those of the run in"):
        label(new, earlier=earlier, method="pt_map")
    with pytest.raises(DataError, match=r"the method and what it is told .* are those of the run in"):
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
