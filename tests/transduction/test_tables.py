"""Tables of few columns: classes one behind the other are told apart, by every way in, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from sibyl import SIBClassifier, TransductiveClassifier, label
from sibyl.errors import DataError
from sibyl.labeling.apply_run import label_with
from sibyl.labeling.next_labels import next_labels
from sibyl.labeling.request import LabelRequest
from sibyl.labeling.run import label_items
from sibyl.memmap import allocate
from sibyl.methods.named import method_by_name
from sibyl.tasks import Task
from sibyl.transduction import tables
from sibyl.transduction.tables import LANDMARKS, MOST_COLUMNS, for_table, lifts_of
from sibyl.transduction.transduce import transduce


def behind_each_other(n_rows: int = 240, dim: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three clusters on a line through all columns, one labelled row of each, and the truth."""
    draw, truth = np.random.default_rng(0), np.arange(n_rows) % 3
    X = truth[:, None] + draw.normal(0, 0.25, (n_rows, dim))
    X = ((X - X.mean(0)) / X.std(0)).astype(np.float32)
    return X, np.where(np.arange(n_rows) < 3, truth, -1), truth


def test_classes_that_lie_one_behind_the_other_are_told_apart(tmp_path: Path) -> None:
    X, y, truth = behind_each_other()
    by_angle, fitted = SIBClassifier(is_table=False).fit(X, y), SIBClassifier().fit(X, y)
    assert (by_angle.transduction_ == truth).mean() < 0.9
    assert (fitted.transduction_ == truth).mean() > 0.99
    assert (fitted.predict(X) == fitted.transduction_).all()
    assert np.allclose(fitted.predict_proba(X)[3:], fitted.label_distributions_[3:], atol=1e-6)
    assert np.allclose(fitted.label_distributions_.sum(1), 1, atol=1e-5)
    one_column = SIBClassifier().fit(X[:, :1], y)
    assert (one_column.transduction_ == truth).mean() > 0.9

    fitted.save(tmp_path / "c.safetensors")
    loaded = SIBClassifier.load(tmp_path / "c.safetensors")
    assert loaded.is_table == "auto"
    assert np.allclose(loaded.predict_proba(X), fitted.predict_proba(X), rtol=0, atol=1e-6)
    assert np.allclose(loaded.outlier_score(X), fitted.outlier_score(X), rtol=0, atol=1e-6)


def test_the_fewer_the_columns_the_less_sure_and_no_label_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, _ = behind_each_other()
    heated = SIBClassifier().fit(X, y)
    monkeypatch.setattr(tables, "EXTRA_TEMPERATURE", 0.0)
    as_solved = SIBClassifier().fit(X, y)
    assert (heated.transduction_ == as_solved.transduction_).all()
    logits = np.log(as_solved.label_distributions_[3:]) / 2.53  # 1 + 1.7 · (1 − 4 / 40)
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert np.allclose(heated.label_distributions_[3:], expected, atol=1e-5)
    monkeypatch.undo()
    assert [tables.table_temperature(n) for n in (40, 41, 768)] == [1, 1, 1]


def test_the_order_of_rows_and_where_they_lie_do_not_matter() -> None:
    X, y, _ = behind_each_other()
    fitted, order = SIBClassifier().fit(X, y), np.random.default_rng(1).permutation(len(X))
    shuffled = SIBClassifier().fit(X[order], y[order])
    assert np.allclose(shuffled.label_distributions_, fitted.label_distributions_[order], atol=1e-5)
    X, _, _ = behind_each_other(300_000)  # in a file
    mapped = allocate(X.shape)
    mapped[:] = X
    task, of_file = (Task(torch.tensor(X[None, :3]), torch.tensor([[0, 1, 2]]), torch.from_numpy(x)[None], 3) for x in (X, mapped))
    (sphere, kernel), (sphere_of_file, kernel_of_file) = lifts_of(task), lifts_of(of_file)
    assert torch.equal(sphere(task.support_x), sphere_of_file(task.support_x))
    assert torch.equal(kernel(task.support_x), kernel_of_file(task.support_x))
    assert kernel.n_columns == LANDMARKS


def test_only_universal_sib_and_few_columns_of_a_table_are_lifted() -> None:
    X, y, _ = behind_each_other(120)
    method, other = method_by_name("universal_sib", 4, 3), method_by_name("soft_kmeans", 4, 3)
    assert for_table(other, 4) is other
    assert for_table(method, MOST_COLUMNS + 1) is method
    assert for_table(method, MOST_COLUMNS) is not method
    wide = np.tile(X, (1, 11))
    told, as_features = SIBClassifier(is_table=True).fit(wide, y), SIBClassifier(is_table=False).fit(wide, y)
    assert np.array_equal(told.label_distributions_, as_features.label_distributions_)
    with pytest.raises(DataError, match="is_table must be 'auto', True or False"):
        SIBClassifier(is_table="yes").fit(X, y)


@pytest.mark.parametrize("shares", [[1 / 3, 1 / 3, 1 / 3], [0.6, 0.3, 0.1], [0.7, 0.3, 0.0]])
def test_a_class_mix_that_is_given_is_met(shares: list[float]) -> None:
    X, y, _ = behind_each_other()
    fitted = SIBClassifier(class_prior=shares).fit(X, y)
    met = fitted.label_distributions_[y < 0].mean(0)
    assert np.allclose(met, shares, atol=1e-4)
    assert np.allclose(fitted.class_mix_, met, atol=1e-6)
    assert np.allclose(fitted.predict_proba(X)[y < 0], fitted.label_distributions_[y < 0], atol=1e-6)


def test_rows_that_are_all_equal_and_rows_that_repeat_are_solved() -> None:
    X, y, truth = behind_each_other(120)
    few_values = np.round(X)
    fitted = SIBClassifier().fit(few_values, np.where(np.arange(len(y)) < 12, truth, -1))
    assert (fitted.transduction_ == truth).mean() > 0.85
    assert np.isfinite(fitted.outlier_score(np.full((1, 4), 1e6))).all()
    with pytest.warns(UserWarning, match="are equal and have different labels"):
        same = SIBClassifier().fit(np.ones_like(X), y)
    assert np.allclose(same.label_distributions_[3:], 1 / 3, atol=1e-4)


def test_a_table_is_solved_alike_by_the_label_job_its_later_rows_and_the_estimator(tmp_path: Path) -> None:
    X, y, truth = behind_each_other()
    frame = pd.DataFrame(X, columns=list("abcd")).assign(kind=[f"k{code}" if code >= 0 else "" for code in y])
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = label_items(LabelRequest(tmp_path / "t.csv", label_column="kind", cache=tmp_path / "cache"))
    names = np.array([f"k{code}" for code in truth])
    assert (found.table["label"] == names).mean() > 0.99
    fitted = SIBClassifier().fit(found.matrix, [f"k{code}" if code >= 0 else None for code in y])
    assert np.allclose(found.table["confidence"][3:], fitted.label_distributions_.max(1)[3:], atol=1e-6)

    label(tmp_path / "t.csv", out=tmp_path / "out", label_column="kind", cache=tmp_path / "cache")
    frame.drop(columns="kind").iloc[3:].to_csv(tmp_path / "later.csv", index=False)
    later = label_with(LabelRequest(tmp_path / "later.csv", earlier=tmp_path / "out", cache=tmp_path / "cache"))
    assert (later.table["label"].to_numpy() == found.table["label"][3:].to_numpy()).all()
    assert np.allclose(later.table["confidence"], found.table["confidence"][3:], atol=1e-5)
    asked = next_labels(tmp_path / "out", 2).items
    confidence = found.table.set_index("item")["confidence"]
    assert all(abs(confidence[one.item] - one.confidence) < 1e-5 for one in asked)

    np.save(tmp_path / "rows.npy", found.matrix)  # rows of an encoder, for all that is known
    examples = {str(row): f"k{row}" for row in range(3)}
    features = label_items(LabelRequest(tmp_path / "rows.npy", examples, cache=tmp_path / "cache"))
    plain = transduce(found.matrix, y, 3, method_by_name("universal_sib", 4, 3)).solution.probabilities[0]
    assert np.allclose(features.table["confidence"][3:].to_numpy(), plain.max(1).values, atol=1e-6)
    assert isinstance(TransductiveClassifier().is_table, str)
