"""Bad input: a clear error that names the row or value, or a stated behaviour."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars
import pytest
import torch
from scipy.sparse import csr_array, csr_matrix
from sklearn.exceptions import DataConversionWarning

from sibyl import DataError, SIBClassifier, UserError
from sibyl.estimators.labels import read_labels
from tests.estimators.few_labels import clusters

NAMES = np.array(["ant", "bee", "cat"], dtype=object)


def text_labels(unlabelled: Any = -1) -> np.ndarray:
    y = clusters()[1]
    text = np.empty(len(y), object)
    text[:] = [NAMES[code] if code >= 0 else unlabelled for code in y]
    return text


def expected_transduction() -> np.ndarray:
    X, y, _ = clusters()
    return np.asarray(SIBClassifier().fit(X, y).transduction_)


@pytest.mark.parametrize("unlabelled", [-1, -1.0, None, np.nan, pd.NA, np.int64(-1)])
def test_unlabelled_among_strings(unlabelled: Any) -> None:
    classifier = SIBClassifier().fit(clusters()[0], text_labels(unlabelled))
    assert classifier.classes_.tolist() == ["ant", "bee", "cat"]
    assert (classifier.transduction_ == NAMES[expected_transduction()]).all()


@pytest.mark.parametrize(
    "y",
    [
        np.where(clusters()[1] < 0, np.nan, clusters()[1]),
        clusters()[1].astype(float),
        clusters()[1].astype(np.int8),
        clusters()[1].tolist(),
        torch.from_numpy(clusters()[1]),
        pd.Series(clusters()[1]),
        pd.Series([pd.NA if code < 0 else code for code in clusters()[1].tolist()], dtype="Int64"),
        pd.Series(clusters()[1]).astype(object),
        polars.Series(clusters()[1]),
        polars.Series([None if code < 0 else code for code in clusters()[1].tolist()]),
    ],
    ids=["nan", "float", "int8", "list", "torch", "pandas", "pandas NA", "object", "polars", "polars null"],
)
def test_unlabelled_among_numbers(y: Any) -> None:
    classifier = SIBClassifier().fit(clusters()[0], y)
    assert (classifier.transduction_ == expected_transduction()).all()


@pytest.mark.parametrize(
    "y",
    [
        text_labels().tolist(),
        text_labels(None).tolist(),
        pd.Series(text_labels(None)),
        pd.Series(text_labels(None), dtype="string"),
        pd.Series(text_labels(None)).astype("category"),
        pd.Categorical(text_labels(None), categories=["ant", "bee", "cat", "dog"]),
        polars.Series(text_labels(None).tolist()),
        polars.Series(text_labels(None).tolist(), dtype=polars.Categorical),
    ],
    ids=["list", "list None", "pandas", "pandas string", "pandas category", "unused category", "polars", "polars category"],
)
def test_strings_of_every_kind(y: Any) -> None:
    """A category that no row carries is no class."""
    classifier = SIBClassifier().fit(clusters()[0], y)
    assert classifier.classes_.tolist() == ["ant", "bee", "cat"]
    assert (classifier.transduction_ == NAMES[expected_transduction()]).all()


def test_truth_values_are_two_classes_and_all_labelled() -> None:
    X, _, truth = clusters()
    classifier = SIBClassifier().fit(X, truth == 1)
    assert classifier.classes_.tolist() == [False, True]
    assert classifier.fell_back_


@pytest.mark.parametrize("y", [text_labels("-1"), text_labels("-1").astype(str), text_labels("-1").tolist(), text_labels(" -1")])
def test_the_string_minus_one_is_refused_with_the_remedy(y: Any) -> None:
    with pytest.raises(DataError, match=r"y\[3\] is the string ' ?-1'.*dtype=object"):
        SIBClassifier().fit(clusters()[0], y)


def test_strings_beside_numbers_are_refused() -> None:
    y = text_labels()
    y[0] = 7
    with pytest.raises(DataError, match="one kind, strings or numbers, got int and str"):
        SIBClassifier().fit(clusters()[0], y)


def test_a_class_without_labelled_row_cannot_be_asked_for() -> None:
    with pytest.raises(DataError, match="names 'dog', which has no labelled row; the classes are 'ant', 'bee', 'cat'"):
        SIBClassifier(class_prior={"ant": 0.5, "dog": 0.5}).fit(clusters()[0], text_labels())


def test_no_row_labelled() -> None:
    X, y, _ = clusters()
    for nothing in (np.full(len(y), -1), np.full(len(y), np.nan), np.full(len(y), None)):
        with pytest.raises(DataError, match="y labels none of the 90 rows"):
            SIBClassifier().fit(X, nothing)


def test_one_class() -> None:
    X, y, _ = clusters()
    with pytest.raises(DataError, match="one class only, 0; at least two"):
        SIBClassifier().fit(X, np.where(y == 0, 0, -1))


def test_all_rows_labelled_is_the_inductive_answer() -> None:
    X, _, truth = clusters()
    classifier = SIBClassifier().fit(X, truth)
    assert classifier.fell_back_
    assert (classifier.transduction_ == truth).all()
    assert np.allclose(classifier.class_mix_, 1 / 3)
    assert (classifier.predict(X) == truth).mean() > 0.9


def test_one_label_for_each_of_many_classes_warns_of_nothing() -> None:
    X = np.eye(60)[np.arange(240) % 60]
    y = np.where(np.arange(240) < 60, np.arange(240), -1)
    assert (SIBClassifier().fit(X, y).transduction_ == np.arange(240) % 60).all()


def test_one_unlabelled_row_is_answered() -> None:
    X, _, truth = clusters()
    y = truth.copy()
    y[-1] = -1
    classifier = SIBClassifier().fit(X, y)
    assert (classifier.transduction_[:-1] == truth[:-1]).all()
    assert classifier.transduction_[-1] == truth[-1]
    assert classifier.class_mix_.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("value", "said"), [(np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "inf"), (1e30, r"1\.0e\+30"), (1e300, r"1\.0e\+300")]
)
def test_rows_that_are_no_numbers_are_named(value: float, said: str) -> None:
    X, y, _ = clusters()
    fitted = SIBClassifier().fit(X, y)
    X[41, 3] = X[77, 0] = value
    for batch_rows in (7, 1000):
        with pytest.raises(DataError, match=f"row 41 holds {said} .2 such rows"):
            SIBClassifier(batch_rows=batch_rows).fit(X, y)
        with pytest.raises(DataError, match="row 41"):
            fitted.set_params(batch_rows=batch_rows).predict(X)


def test_missing_values_of_tables_are_named() -> None:
    X, y, _ = clusters()
    frame = pd.DataFrame(X)
    frame.iloc[5, 2] = None
    with pytest.raises(DataError, match="row 5 holds NaN"):
        SIBClassifier().fit(frame, y)
    rows = polars.DataFrame(X).with_columns(
        polars.when(polars.int_range(polars.len()) == 5).then(None).otherwise(polars.col("column_0")).alias("column_0")
    )
    with pytest.raises(DataError, match="row 5 holds NaN"):
        SIBClassifier().fit(rows, y)


def test_duplicate_rows_get_the_same_answer() -> None:
    X, y, _ = clusters()
    doubled = SIBClassifier().fit(np.concatenate([X, X]), np.concatenate([y, np.full_like(y, -1)]))
    asked = np.flatnonzero(y < 0)
    assert (doubled.transduction_[asked] == doubled.transduction_[asked + len(X)]).all()
    assert np.allclose(doubled.label_distributions_[asked], doubled.label_distributions_[asked + len(X)], atol=1e-5)


def test_one_row_labelled_twice_as_two_classes_is_allowed() -> None:
    X, y, _ = clusters()
    with pytest.warns(UserWarning, match="row 0 and row 90 are equal and have different labels"):
        classifier = SIBClassifier().fit(np.concatenate([X, X[:1]]), np.append(y, 1))
    assert classifier.transduction_[0] == 0
    assert classifier.transduction_[-1] == 1


def test_constant_columns_and_constant_rows_give_finite_answers() -> None:
    X, y, truth = clusters()
    padded = SIBClassifier().fit(np.hstack([X, np.zeros((len(X), 4))]), y)
    assert (padded.transduction_ == truth).mean() > 0.9
    for constant in (np.ones_like(X), np.zeros_like(X)):
        with pytest.warns(UserWarning, match="are equal and have different labels"):
            same = SIBClassifier().fit(constant, y)
        assert np.allclose(same.label_distributions_[y < 0], 1 / 3, atol=0.35)
        assert np.allclose(same.predict_proba(constant).sum(1), 1)


@pytest.mark.parametrize("sparse", [csr_matrix, csr_array])
def test_sparse_rows_are_refused_with_the_reason(sparse: Any) -> None:
    X, y, _ = clusters()
    with pytest.raises(DataError, match=r"sparse.*centre and normalise.*TruncatedSVD"):
        SIBClassifier().fit(sparse(X), y)
    with pytest.raises(DataError, match="sparse"):
        SIBClassifier().fit(X, y).predict(sparse(X))


def test_wrong_types_of_rows() -> None:
    X, y, _ = clusters()
    with pytest.raises(ValueError, match="could not convert string to float"):
        SIBClassifier().fit(np.full(X.shape, "a"), y)
    with pytest.raises(ValueError, match="Complex data not supported"):
        SIBClassifier().fit(X.astype(complex), y)


def test_wrong_types_of_labels() -> None:
    X, y, _ = clusters()
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        SIBClassifier().fit(X, np.linspace(0, 1, len(y)))
    with pytest.raises(DataError, match=r"y\[4\] is inf;"):
        SIBClassifier().fit(X, np.where(np.arange(len(y)) == 4, np.inf, y))
    with pytest.raises(DataError, match="numbers or strings, got datetime64"):
        SIBClassifier().fit(X, y.astype("datetime64[s]"))
    with pytest.raises(DataError, match=r"numbers or strings, got .S"):
        SIBClassifier().fit(X, NAMES[y].astype("S"))


def test_wrong_shapes() -> None:
    X, y, _ = clusters()
    for rows, labels, said in (
        (X[0], y, "Expected 2D array, got 1D array"),
        (X[None], y, "dim 3"),
        (X[:, :0], y, "0 feature"),
        (X[:0], y[:0], "0 sample"),
        (X, y[:-1], "inconsistent numbers of samples"),
        (X, np.stack([y, y], 1), "1d array"),
    ):
        with pytest.raises(ValueError, match=said):
            SIBClassifier().fit(rows, labels)
    with pytest.raises(ValueError, match="is expecting 16 features"):
        SIBClassifier().fit(X, y).predict(X[:, :3])
    with pytest.warns(DataConversionWarning):
        SIBClassifier().fit(X, y[:, None])


def test_every_refusal_is_safe_to_show_and_a_value_error() -> None:
    with pytest.raises(UserError) as caught:
        read_labels([-1, -1])
    assert isinstance(caught.value, ValueError)


def test_masked_labels_are_unlabelled_and_masked_entries_are_refused() -> None:
    X, y, truth = clusters()
    masked = np.ma.array(truth, mask=y < 0)
    assert (SIBClassifier().fit(X, masked).transduction_ == expected_transduction()).all()
    with pytest.raises(DataError, match="X has 1 masked entries; fill them in"):
        SIBClassifier().fit(np.ma.array(X, mask=np.arange(X.size).reshape(X.shape) == 7), y)


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (np.array([*["ant", "bee", np.nan] * 30]), r"y\[2\] is the string 'nan'"),
        (clusters()[1].astype(complex), "complex data not supported"),
        (np.stack([clusters()[1]] * 2, 1), r"1d array with one label a row, got an array of shape \(90, 2\)"),
        (clusters()[1][:50], "X has 90 rows, y 50 labels"),
        ([2**70, 2**71, *[-1] * 88], "more than 64 bits"),
        (np.array([2.0**60, 2.0**61, *[-1.0] * 88]), "do not tell whole numbers apart"),
    ],
    ids=["nan among strings", "complex", "two columns", "short", "more than 64 bits", "large floats"],
)
def test_labels_that_cannot_be_read_are_one_sentence(y: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        SIBClassifier().fit(clusters()[0], y)


@pytest.mark.parametrize("largest", [2**53, 2**63 - 9, 2**64 - 9])
def test_large_whole_numbers_stay_apart(largest: int) -> None:
    X, y, truth = clusters()
    labels = [-1 if code < 0 else largest + code for code in y.tolist()]
    classifier = SIBClassifier().fit(X, labels)
    assert classifier.classes_.tolist() == [largest, largest + 1, largest + 2]
    assert (classifier.transduction_ == np.array(largest + truth.astype(object))).mean() > 0.9


def test_rows_in_reverse_order_are_rows() -> None:
    X, y, _ = clusters()
    reverse = SIBClassifier().fit(X.astype(np.float32)[::-1], y[::-1])
    assert (reverse.transduction_[::-1] == expected_transduction()).all()
