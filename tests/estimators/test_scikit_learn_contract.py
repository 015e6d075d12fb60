"""scikit-learn's own checks, and the tools that build on its contract."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils._testing import assert_allclose_dense_sparse
from sklearn.utils.estimator_checks import parametrize_with_checks

from sibyl import SIBClassifier, TransductiveClassifier

MINUS_ONE = {"check_classifiers_classes": "labels −1 mean unlabelled"}


@pytest.mark.filterwarnings("ignore:all rows are of nearly one direction")  # some checks add 100 to all
@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [SIBClassifier(), TransductiveClassifier("soft_kmeans"), TransductiveClassifier("label_propagation")],
    expected_failed_checks=lambda _: MINUS_ONE,
)
def test_scikit_learn_checks(estimator: Any, check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Answers are float32, whose last bit depends on where in a matrix product a row stands. The check of the order of rows asks for
    # 1e-7 whatever the type, and permutes at random: without this it fails now and then.
    monkeypatch.setattr(estimator_checks, "assert_allclose_dense_sparse", partial(assert_allclose_dense_sparse, rtol=1e-5))
    check(estimator)


def half_labelled_iris() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    X, truth = load_iris(return_X_y=True)
    y = np.where(np.random.default_rng(0).random(len(X)) < 0.5, truth, -1)
    return X, y, truth


def test_fits_in_a_pipeline_with_named_columns() -> None:
    X, y, truth = half_labelled_iris()
    pipeline = (
        make_pipeline(StandardScaler(), SIBClassifier())
        .set_output(transform="pandas")
        .fit(pd.DataFrame(X, columns=list("abcd")), y)
    )
    assert list(pipeline[-1].feature_names_in_) == list("abcd")
    assert (pipeline.predict(pd.DataFrame(X, columns=list("abcd"))) == truth).mean() > 0.8
    assert pipeline.predict_proba(pd.DataFrame(X, columns=list("abcd"))).shape == (150, 3)


@pytest.mark.parametrize("kind", ["default", "pandas", "polars"])
def test_set_output_hands_any_kind_of_table_over(kind: str) -> None:
    X, y, _ = half_labelled_iris()
    plain = make_pipeline(StandardScaler(), SIBClassifier()).fit(X, y)
    table = make_pipeline(StandardScaler(), SIBClassifier()).set_output(transform=kind).fit(X, y)
    assert (table.predict(X) == plain.predict(X)).all()
    assert (table[-1].transduction_ == plain[-1].transduction_).all()


def test_another_order_of_columns_is_refused() -> None:
    X, y, _ = half_labelled_iris()
    classifier = SIBClassifier().fit(pd.DataFrame(X, columns=list("abcd")), y)
    with pytest.raises(ValueError, match="feature names"):
        classifier.predict(pd.DataFrame(X, columns=list("bacd")))


def test_grid_search_chooses_a_method() -> None:
    X, _, truth = half_labelled_iris()
    X = StandardScaler().fit_transform(X)
    search = GridSearchCV(
        TransductiveClassifier(), {"method": ["class_mean", "logistic_regression"], "class_prior": [None, "balanced"]}, cv=3
    )
    assert search.fit(X, truth).best_score_ > 0.75
    assert search.best_estimator_.predict(X).shape == truth.shape
    assert cross_val_score(SIBClassifier(), X, truth, cv=3, error_score="raise").mean() > 0.7


def test_clone_keeps_parameters_and_forgets_the_fit() -> None:
    X, y, _ = half_labelled_iris()
    fitted = TransductiveClassifier("class_mean", class_prior=[0.2, 0.3, 0.5], batch_rows=7).fit(X, y)
    copied = clone(fitted)
    assert copied.get_params() == fitted.get_params()
    assert not hasattr(copied, "classes_")
    assert (copied.fit(X, y).transduction_ == fitted.transduction_).all()


def test_the_constructor_shows_its_parameters() -> None:
    for one in (SIBClassifier, TransductiveClassifier):
        assert list(inspect.signature(one).parameters) == list(inspect.signature(one.__init__).parameters)[1:]
