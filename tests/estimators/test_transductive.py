"""What the estimator says of the rows it was fitted on, and of new ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars
import pytest
import torch
from sklearn.exceptions import NotFittedError

from sibyl import METHODS, LearnedMethod, SIBClassifier, Task, TransductiveClassifier, build_method, save_method
from sibyl.errors import UnknownName, UserError
from sibyl.methods.named import DEFAULT_METHOD, method_by_name, untrained
from tests.estimators.few_labels import DIM, N_CLASSES, SlicedClassMean, clusters
from tests.methods.quick import quick_method


def task_of(X: np.ndarray, y: np.ndarray) -> Task:
    rows = torch.from_numpy(X.astype(np.float32))
    labelled = torch.from_numpy(y >= 0)
    return Task(rows[labelled][None], torch.from_numpy(y)[labelled][None], rows[~labelled][None], N_CLASSES)


def test_the_attributes_are_the_solution_of_the_task() -> None:
    X, y, _ = clusters()
    classifier = SIBClassifier(is_table=False).fit(X, y)
    method = method_by_name(DEFAULT_METHOD, DIM, N_CLASSES)
    with torch.no_grad():
        solution = method.solve(task_of(X, y))
    asked, known = y < 0, y >= 0
    assert solution.inductive_logits is not None
    assert solution.class_mix is not None
    assert classifier.classes_.tolist() == [0, 1, 2]
    assert classifier.n_features_in_ == DIM
    assert (classifier.transduction_[asked] == solution.predictions[0].numpy()).all()
    assert (classifier.inductive_labels_[asked] == solution.inductive_logits[0].argmax(-1).numpy()).all()
    assert np.allclose(classifier.label_distributions_[asked], solution.probabilities[0], atol=1e-6)
    assert np.allclose(classifier.class_mix_, solution.class_mix[0], atol=1e-6)
    if solution.outlier_score is not None:
        assert np.allclose(classifier.outlier_score_[asked], solution.outlier_score[0], atol=1e-6)
    assert classifier.fell_back_ is bool(solution.fell_back is not None and solution.fell_back.all())
    assert (classifier.transduction_[known] == y[known]).all()
    assert (classifier.inductive_labels_[known] == y[known]).all()
    assert (classifier.label_distributions_[known] == np.eye(N_CLASSES)).all()
    assert (classifier.outlier_score_[known] == 0).all()


def test_unlabelled_rows_help() -> None:
    X, y, truth = clusters(300, spread=1.3)
    classifier = SIBClassifier().fit(X, y)
    assert (classifier.transduction_ == truth).mean() > (classifier.inductive_labels_ == truth).mean() + 0.02


@pytest.mark.parametrize("name", sorted(METHODS))
@pytest.mark.parametrize("n_unlabelled", [87, 1, 0])
def test_every_method_answers_every_row(name: str, n_unlabelled: int) -> None:
    X, y, truth = clusters()
    y = np.where(np.arange(len(y)) < len(y) - n_unlabelled, truth, -1) if n_unlabelled < 87 else y
    learned = issubclass(METHODS[name], LearnedMethod)
    classifier = TransductiveClassifier(untrained(name, DIM, N_CLASSES) if learned else quick_method(name, DIM, N_CLASSES)).fit(
        X, y
    )
    assert np.allclose(classifier.label_distributions_.sum(1), 1, atol=1e-5)
    assert set(classifier.transduction_) <= {0, 1, 2}
    probabilities = classifier.predict_proba(X)
    assert np.isfinite(probabilities).all()
    assert (classifier.classes_[probabilities.argmax(1)] == classifier.predict(X)).all()
    assert np.isfinite(classifier.outlier_score(X)).all()
    traits = METHODS[name].traits
    if n_unlabelled == 87 and traits.classifier and traits.batched:
        assert np.allclose(probabilities[y < 0], classifier.label_distributions_[y < 0], atol=1e-4)
    if n_unlabelled == 0 and traits.transductive:
        assert classifier.fell_back_
        assert np.allclose(classifier.class_mix_, 1 / N_CLASSES)
    if n_unlabelled == 0 and traits.transductive and not traits.chunked:
        assert (classifier.predict(X) == TransductiveClassifier("class_mean").fit(X, y).predict(X)).all()


@pytest.mark.parametrize("name", sorted(set(METHODS)))
def test_a_score_for_new_rows_agrees_with_the_methods_own(name: str) -> None:
    """A classifier that has its own outlier score gives the rows of fit what the solution gave them."""
    if issubclass(METHODS[name], LearnedMethod) and name != DEFAULT_METHOD:
        return
    X, y, _ = clusters()
    classifier = TransductiveClassifier(quick_method(name, DIM, N_CLASSES)).fit(X, y)
    if hasattr(classifier.classifier_, "outlier_score"):
        assert np.allclose(classifier.outlier_score(X[y < 0]), classifier.outlier_score_[y < 0], atol=1e-4)


def test_methods_without_classifier_predict_through_soft_class_means() -> None:
    X, y, _ = clusters()
    classifier = TransductiveClassifier("label_propagation").fit(X, y)
    rows = X / np.linalg.norm(X, axis=1, keepdims=True)
    means = classifier.label_distributions_.T @ rows
    cosine = rows @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
    assert np.allclose(np.log(classifier.predict_proba(X)), 10 * cosine - np.log(np.exp(10 * cosine).sum(1))[:, None], atol=1e-4)


def test_new_rows_do_not_depend_on_their_slices() -> None:
    X, y, _ = clusters()
    whole, cut = SIBClassifier().fit(X, y), SIBClassifier(batch_rows=7).fit(X, y)
    assert np.allclose(whole.predict_proba(X), cut.predict_proba(X), atol=1e-6)
    assert np.allclose(whole.outlier_score(X), cut.outlier_score(X), atol=1e-6)


def test_a_checkpoint_is_a_method(tmp_path: Path) -> None:
    X, y, _ = clusters()
    network = untrained("sib", DIM, N_CLASSES, seed=3)
    save_method(tmp_path / "sib.safetensors", network)
    for path in (tmp_path / "sib.safetensors", str(tmp_path / "sib.safetensors")):
        loaded = TransductiveClassifier(path).fit(X, y)
        assert np.allclose(loaded.label_distributions_, TransductiveClassifier(network).fit(X, y).label_distributions_)
        loaded.save(tmp_path / "classifier.safetensors")
        assert TransductiveClassifier.load(tmp_path / "classifier.safetensors").method.name == "sib"
    with pytest.raises(UserError, match="made for 16 feature columns, the task has 15"):
        TransductiveClassifier(tmp_path / "sib.safetensors").fit(X[:, 1:], y)


def test_the_caller_s_network_is_left_as_it_is() -> None:
    X, y, _ = clusters()
    network = untrained("sib", DIM, N_CLASSES).double().train()
    TransductiveClassifier(network).fit(X, y)
    assert network.training
    assert next(network.parameters()).dtype == torch.float64


def test_before_fit_nothing_is_predicted() -> None:
    with pytest.raises(NotFittedError):
        SIBClassifier().predict(clusters()[0])


@pytest.mark.parametrize(
    "kind", ["numpy", "float32", "fortran", "pandas", "polars", "torch", "bfloat16", "gradient", "memory-mapped", "list"]
)
def test_every_kind_of_rows_gives_the_same_answer(kind: str, tmp_path: Path) -> None:
    X, y, _ = clusters()
    np.save(tmp_path / "rows.npy", X.astype(np.float32))
    given = {
        "numpy": X,
        "float32": X.astype(np.float32),
        "fortran": np.asfortranarray(X),
        "pandas": pd.DataFrame(X, columns=[f"c{i}" for i in range(DIM)]),
        "polars": polars.DataFrame(X, schema=[f"c{i}" for i in range(DIM)]),
        "torch": torch.from_numpy(X),
        "bfloat16": torch.from_numpy(X).bfloat16(),
        "gradient": torch.from_numpy(X).requires_grad_(),
        "memory-mapped": np.load(tmp_path / "rows.npy", mmap_mode="r"),
        "list": X.tolist(),
    }[kind]
    plain, classifier = SIBClassifier().fit(X, y), SIBClassifier().fit(given, y)
    tolerance = 0.1 if kind == "bfloat16" else 1e-5
    assert np.allclose(plain.label_distributions_, classifier.label_distributions_, atol=tolerance)
    assert np.allclose(plain.predict_proba(X), classifier.predict_proba(given), atol=tolerance)
    assert hasattr(classifier, "feature_names_in_") == (kind in ("pandas", "polars"))


def test_a_chunked_method_reads_a_memory_mapped_file_where_it_lies(tmp_path: Path) -> None:
    X, y, _ = clusters()
    np.save(tmp_path / "rows.npy", X.astype(np.float32))
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    method = SlicedClassMean()
    classifier = TransductiveClassifier(method).fit(mapped, y)
    assert method.seen.data_ptr() == mapped.ctypes.data
    expected = TransductiveClassifier("class_mean").fit(X, y)
    assert (classifier.transduction_ == expected.transduction_).all()
    assert np.allclose(classifier.label_distributions_, expected.label_distributions_, atol=1e-6)
    assert (classifier.outlier_score_[y >= 0] == 0).all()


def test_a_prior_in_any_spelling() -> None:
    X, y, _ = clusters()
    names = np.array(["a", "b", "c"], dtype=object)
    text = np.where(y >= 0, names[y], -1)
    by_place = TransductiveClassifier("alpha_tim", class_prior=[0.6, 0.4, 0.0]).fit(X, y)
    by_name = TransductiveClassifier("alpha_tim", class_prior={"b": 0.4, "a": 0.6}).fit(X, text)
    assert (by_place.label_distributions_ == by_name.label_distributions_).all()
    skewed = TransductiveClassifier("anchored_means", class_prior=[0.98, 0.01, 0.01]).fit(X, y)
    assert (skewed.transduction_ == 0).sum() >= (TransductiveClassifier("anchored_means").fit(X, y).transduction_ == 0).sum()


def test_settings_are_checked_when_fitting() -> None:
    X, y, _ = clusters()
    for settings, said in (
        ({"batch_rows": 0}, "batch_rows"),
        ({"batch_rows": 2.5}, "batch_rows"),
        ({"device": "abacus"}, "device must name"),
        ({"method": 3}, "method must be"),
        ({"class_prior": "skewed"}, "class_prior must be"),
        ({"class_prior": [0.5, 0.5]}, "each of the 3 classes"),
        ({"class_prior": [0.5, 0.5, 0.5]}, "sum 1.5"),
        ({"class_prior": {0: 0.5, 7: 0.5}}, "names 7, which has no labelled row"),
    ):
        with pytest.raises(ValueError, match=said):
            TransductiveClassifier(**settings).fit(X, y)
    with pytest.raises(UnknownName, match="anchored_means"):
        TransductiveClassifier("anchored_mean").fit(X, y)
    with pytest.raises(UserError, match="meta-trained first"):
        TransductiveClassifier("sib").fit(X, y)


def test_a_method_that_gives_no_numbers_is_refused() -> None:
    class Broken(SlicedClassMean):
        def solve(self, task, class_prior=None):  # type: ignore[no-untyped-def]
            solution = build_method("class_mean").solve(task)
            solution.logits[0, 5] = torch.nan
            return solution

    X, y, _ = clusters()
    with pytest.raises(UserError, match="no probabilities for 1 row, the first of them row 5"):
        TransductiveClassifier(Broken()).fit(X, y)
