"""A table after another: columns by name, and what is wrong with those that are not as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sibyl.errors import CheckpointError, DataError
from sibyl.sources.fitted import Fitted
from sibyl.sources.open import Source, open_source

FRAME = pd.DataFrame(
    {
        "size": [1.5, 2.5, None, 9.0, 4.0, 4.0],
        "colour": ["red", "blue", "red", "", "blue", "red"],
        "day": pd.to_datetime(["2020-01-01", "2020-03-01", "2021-01-01", "2022-01-01", "2022-02-01", "2023-01-01"]),
        "flag": [True, False, True, True, False, False],
    }
)


@pytest.fixture
def first(tmp_path: Path) -> Source:
    FRAME.to_parquet(tmp_path / "first.parquet")
    return open_source(tmp_path / "first.parquet")


def later(tmp_path: Path, first: Source, frame: pd.DataFrame) -> Source:
    frame.to_parquet(tmp_path / "later.parquet")
    return open_source(tmp_path / "later.parquet", fitted=first.fitted)


def test_rows_are_those_of_scikit_learn_and_stay_so(tmp_path: Path, first: Source) -> None:
    assert first.matrix is not None
    days = FRAME["day"].astype("datetime64[ns]").astype("int64").to_numpy(np.float64)
    numbers = np.stack([FRAME["size"].fillna(4.0), days, FRAME["flag"]], 1).astype(np.float64)
    wanted = np.hstack([StandardScaler().fit_transform(numbers), OneHotEncoder().fit_transform(FRAME[["colour"]]).toarray()])
    assert np.abs(first.matrix - wanted).max() < 1e-6
    again = later(tmp_path, first, FRAME[["flag", "colour", "size", "day"]].iloc[[3, 1]])
    assert again.matrix is not None
    assert np.array_equal(again.matrix, first.matrix[[3, 1]])
    assert again.notes == ()


def test_new_categories_gaps_and_truth_values(tmp_path: Path, first: Source) -> None:
    source = later(
        tmp_path,
        first,
        FRAME.assign(colour=["green", *FRAME["colour"][1:]], flag=pd.Series([True, None, True, True, False, False], dtype=object)),
    )
    assert source.matrix is not None
    assert first.matrix is not None
    assert not source.matrix[0, 3:].any()
    assert np.array_equal(source.matrix[2:], first.matrix[2:])
    assert "column 'colour': 1 cell with what the earlier table did not have ('green') counts as no category at all" in source.notes


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (FRAME.drop(columns=["size"]), r"lacks 1 of the 4 columns that the earlier run read: 'size'; add it"),
        (FRAME.rename(columns={"size": "sizes"}), r"'size'; did you mean 'sizes'\?"),
        (FRAME.rename(columns={"size": "Size"}).assign(SIZE=1), r"'size'; did you mean 'Size', 'SIZE'\?"),
        (FRAME.assign(size="big"), r"column 'size' held numbers in the earlier run, but 6 of 6 here are none \('big'\)"),
        (FRAME.assign(size=FRAME["day"]), r"column 'size' held numbers in the earlier run, but holds dates here"),
        (FRAME.assign(day=3), r"column 'day' held dates in the earlier run, but holds none here \('3'\)"),
    ],
)
def test_what_is_wrong_with_a_column_is_said(tmp_path: Path, first: Source, changed: pd.DataFrame, said: str) -> None:
    with pytest.raises(DataError, match=said):
        later(tmp_path, first, changed)


def test_capitals_and_blanks_in_names_of_columns_do_not_matter(tmp_path: Path, first: Source) -> None:
    source = later(tmp_path, first, FRAME.rename(columns={"size": "Size ", "flag": "FLAG"}))
    assert np.array_equal(source.matrix, first.matrix)  # type: ignore[arg-type]


def test_decimal_commas_and_slips(tmp_path: Path, first: Source) -> None:
    source = later(tmp_path, first, FRAME.assign(size=["1,5", "2,5", "", "9,0", "4,0", "unknown"]))
    assert source.matrix is not None
    assert first.matrix is not None
    assert np.allclose(source.matrix, first.matrix)
    assert "column 'size': 1 cell is no number and counts as missing ('unknown')" in source.notes


@pytest.mark.parametrize("settings", [{}, {"numbers": [], "categories": [], "left_out": []}, {"numbers": [{"name": "a"}]}])
def test_what_is_kept_is_not_believed(tmp_path: Path, settings: dict[str, object]) -> None:
    FRAME.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(CheckpointError, match="damaged"):
        open_source(tmp_path / "t.parquet", fitted=Fitted("table", settings))
