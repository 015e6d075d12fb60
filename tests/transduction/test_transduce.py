"""The one core: equal rows with different labels, rows of one direction, few rows, answers that are no probabilities."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from sibyl import METHODS, SIBClassifier, TransductiveClassifier, UserError, label
from sibyl.methods import LearnedMethod, Method
from sibyl.methods.class_mean import ClassMean
from sibyl.methods.gaussian_graph import first_bridge, pairwise_squared_distances
from sibyl.methods.method import Traits
from sibyl.methods.named import method_by_name
from sibyl.tasks import ClassPrior, Solution, Task
from sibyl.transduction.transduce import transduce
from tests.methods.quick import quick_method

UNTRAINED = [name for name, kind in METHODS.items() if not issubclass(kind, LearnedMethod)]


def pile(n_rows: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three clusters, two labelled rows of each."""
    draw = np.random.default_rng(seed)
    truth = np.arange(n_rows) % 3
    X = draw.normal(0, 4, (3, 6))[truth] + draw.normal(size=(n_rows, 6))
    return X, np.where(np.arange(n_rows) < 6, truth, -1)


@pytest.mark.parametrize("name", [*UNTRAINED, "universal_sib"])
@pytest.mark.filterwarnings("ignore:row 0 and row 1 are equal")
def test_equal_rows_with_different_labels_give_probabilities_by_every_method(name: str) -> None:
    for seed in range(5):
        X = np.random.default_rng(seed).normal(size=(3 + seed, 4))
        X[1] = X[0]
        y = np.full(len(X), -1)
        y[:2] = 0, 1
        fitted = TransductiveClassifier(quick_method(name, 4, 2)).fit(X, y)
        assert np.allclose(fitted.label_distributions_[2:], 0.5, atol=1e-5)  # nothing tells the two classes apart


@pytest.mark.parametrize("name", ["universal_sib", "label_spreading", "pt_map", "class_mean"])
def test_a_contradiction_changes_no_other_label_and_its_twin_is_divided_evenly(name: str) -> None:
    X, codes = pile()
    method = method_by_name(name, 6, 3)
    odd = np.random.default_rng(1).normal(0, 4, (1, 6))
    plain = transduce(np.concatenate([X, odd]), np.append(codes, -1), 3, method)
    both = transduce(np.concatenate([X, odd, odd, odd]), np.append(codes, [-1, 0, 1]), 3, method)
    assert torch.equal(both.solution.logits[0, :-1], plain.solution.logits[0, :-1])
    assert torch.allclose(both.solution.probabilities[0, -1], torch.tensor([0.5, 0.5, 0.0]), atol=1e-6)
    assert both.conflicts.dropped.tolist() == [41, 42]
    assert both.notes()[0].startswith("row 41 and row 42 are equal and have different labels")


def test_of_contradicting_labels_the_majority_is_kept_and_no_class_is_lost() -> None:
    X, codes = pile()
    X[[0, 3, 1]], codes[[0, 3, 1]] = X[0], [0, 0, 1]  # class 0 twice, class 1 once, and class 1 has row 4
    found = transduce(X, codes, 3, ClassMean())
    assert found.conflicts.dropped.tolist() == [1, 3]  # one for one
    codes[4] = -1  # class 1 has no other row now
    assert transduce(X, codes, 3, ClassMean()).conflicts.dropped.tolist() == [3]


def test_a_class_whose_only_example_is_contradicted_keeps_it_where_the_other_class_has_more() -> None:
    X, codes = pile()
    codes[3:6] = -1  # one row of each class is left
    both = np.concatenate([X, X[:1]])
    plain = transduce(X, codes, 3, ClassMean())
    torn = transduce(both, np.append(codes, 1), 3, ClassMean())
    assert torn.conflicts.dropped.tolist() == [len(X)]
    assert torn.conflicts.alike == ()
    assert torch.equal(torn.solution.logits, plain.solution.logits)


def test_the_width_of_the_graph_has_a_floor_that_is_relative_to_the_data() -> None:
    X, codes = pile()
    X[1] = X[0] + 1e-7
    for factor in (1e-3, 1.0, 1e3):
        rows = torch.from_numpy(factor * X)[None]
        one_hot = torch.nn.functional.one_hot(torch.from_numpy(codes + 1), 4)[None, :, 1:].double()
        squared = pairwise_squared_distances(rows, torch.ones(1, len(X), dtype=torch.bool))
        nearest = squared.masked_fill(squared < 1e-6 * factor**2, torch.inf).amin(2).median()
        assert float(first_bridge(squared, one_hot)) == pytest.approx(0.01 * float(nearest), rel=0.1)


def test_the_label_job_names_the_pair(tmp_path: Path) -> None:
    texts = ["reserve a room", "a flight to Rome", "rain or sun", "wind and snow", "sing a song", "a room in Rome", "sun on monday"]
    rows = [*zip(texts, ["travel", "", "weather", "", "music", "", ""], strict=True), ("a flight", "travel"), ("a flight", "music")]
    (tmp_path / "t.csv").write_text("text,label\n" + "\n".join(f"{text},{kind}" for text, kind in rows))
    from sibyl.labeling.request import LabelRequest
    from sibyl.labeling.run import label_items

    found = label_items(LabelRequest(tmp_path / "t.csv", encoder="tfidf", label_column="label", cache=tmp_path / "cache"))
    assert any("'8' and '9' are equal and have different labels" in note for note in found.summary.notes)
    assert found.table["confidence"].notna().all()


def test_a_constant_in_all_columns_changes_nothing() -> None:
    X, truth = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    y = np.full(len(X), -1)
    chosen = order[np.unique(truth[order], return_index=True)[1]]
    y[chosen] = truth[chosen]
    plain, *moved = (SIBClassifier() for _ in range(3))
    plain.fit(X - X.mean(0), y)
    for constant, classifier in zip((1e3, 1e5), moved, strict=True):
        with pytest.warns(UserWarning, match="nearly one direction"):
            classifier.fit(X + constant, y)
        assert (classifier.transduction_ == plain.transduction_).mean() > 0.98
        assert (classifier.predict(X + constant) == classifier.transduction_)[y < 0].mean() > 0.98


def test_a_centred_classifier_is_saved_and_loaded(tmp_path: Path) -> None:
    X, codes = pile()
    with pytest.warns(UserWarning, match="nearly one direction"):
        fitted = SIBClassifier().fit(X + 1e4, codes)
    fitted.save(tmp_path / "c.safetensors")
    again = SIBClassifier.load(tmp_path / "c.safetensors")
    assert np.allclose(again.predict_proba(X + 1e4), fitted.predict_proba(X + 1e4), rtol=0, atol=1e-6)
    assert np.allclose(again.outlier_score(X + 1e4), fitted.outlier_score(X + 1e4), rtol=0, atol=1e-6)


@dataclass(frozen=True)
class Broken(Method):
    """NaN for one query."""

    name: ClassVar[str] = "broken"
    traits: ClassVar[Traits] = Traits(transductive=False)

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        solution = ClassMean().solve(task)
        logits = solution.logits.clone()
        logits[:, 1] = torch.nan
        return replace(solution, logits=logits)


def test_an_answer_that_is_not_finite_is_refused_by_both_doors(tmp_path: Path) -> None:
    X, codes = pile()
    with pytest.raises(UserError, match="'broken' gave no probabilities for 1 row, the first of them row 7;"):
        TransductiveClassifier(Broken()).fit(X, codes)
    np.save(tmp_path / "x.npy", X.astype(np.float32))
    examples = {str(row): str(codes[row]) for row in range(6)}
    with pytest.raises(UserError, match=r"'broken' gave no probabilities for 1 row, the first of them row 7 \('7'\);"):
        label(tmp_path / "x.npy", examples, method=Broken(), cache=tmp_path / "cache")


@pytest.mark.parametrize("n_unlabelled", [0, 1, 2, 20])
@pytest.mark.parametrize("name", ["universal_sib", "pt_map", "class_mean", "label_spreading", "em_dirichlet", "anchored_means"])
def test_label_and_the_estimator_say_the_same(name: str, n_unlabelled: int, tmp_path: Path) -> None:
    X, codes = pile(6 + n_unlabelled)
    method = method_by_name(name, 6, 3)
    fitted = TransductiveClassifier(method, is_table=False).fit(X.astype(np.float32), codes)
    np.save(tmp_path / "x.npy", X.astype(np.float32))
    from sibyl.labeling.request import LabelRequest
    from sibyl.labeling.run import label_items

    examples = {str(row): str(codes[row]) for row in range(6)}
    found = label_items(LabelRequest(tmp_path / "x.npy", examples, method=method, cache=tmp_path / "cache"))
    assert found.summary.fell_back == fitted.fell_back_
    assert found.table["label"].tolist() == [str(one) for one in fitted.transduction_]
    asked = found.table["status"] == "labelled"
    assert np.allclose(found.table.loc[asked, "confidence"], fitted.label_distributions_[6:].max(1), atol=1e-5)
    assert np.allclose(found.table.loc[asked, "outlier_score"], fitted.outlier_score_[6:], atol=1e-5)
    assert found.solved.solution.class_mix is not None
    assert np.allclose(found.solved.solution.class_mix[0], fitted.class_mix_, atol=1e-5)
