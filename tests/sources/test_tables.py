"""Tables of values: numbers, categories, gaps, and columns that say nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.datasets import load_wine

from sibyl.errors import DataError
from sibyl.sources.open import Source, open_source


def opened(path: Path, frame: pd.DataFrame, **settings: Any) -> Source:
    frame.to_csv(path, index=False)
    return open_source(path, **settings)


def matrix(source: Source) -> npt.NDArray[np.float32]:
    assert source.matrix is not None
    return source.matrix


def test_wine_is_standardised_and_its_labels_are_no_feature(tmp_path: Path) -> None:
    wine = load_wine(as_frame=True)
    frame = wine.data.assign(label=[f"wine {kind}" for kind in wine.target])
    frame.loc[5, "label"] = ""
    source = opened(tmp_path / "wine.csv", frame)
    assert source.modality == "table"
    rows = matrix(source)
    assert rows.shape == (178, 13)
    assert np.abs(rows.mean(0)).max() < 1e-5
    assert np.abs(rows.std(0) - 1).max() < 1e-5
    assert len(source.labels) == 177
    assert source.labels["1"] == "wine 0"
    assert "6" not in source.labels
    pd_path = tmp_path / "wine.parquet"
    frame.to_parquet(pd_path)
    assert np.allclose(matrix(open_source(pd_path)), rows, atol=1e-5)


def test_categories_gaps_and_columns_without_use(tmp_path: Path) -> None:
    n = 60
    frame = pd.DataFrame(
        {
            "number": range(1, n + 1),
            "person": [f"person {i}" for i in range(n)],
            "constant": ["same"] * n,
            "empty": [None] * n,
            "size": [float(i % 7) if i % 10 else None for i in range(n)],
            "colour": [("red", "blue", None)[i % 3] for i in range(n)],
            "age": [str(i % 5) if i != 4 else "unknown" for i in range(n)],
        }
    )
    source = opened(tmp_path / "t.csv", frame)
    notes = "\n".join(source.notes)
    for said in (
        "'number' is left out: it numbers",
        "'person' is left out: 60 diff",
        "'constant' is left out: one",
        "'empty' is left out",
    ):
        assert said in notes
    assert "column 'age': 1 cell is no number" in notes
    rows = matrix(source)
    assert rows.shape == (n, 2 + 3)
    assert np.isfinite(rows).all()
    assert set(np.unique(rows[:, 2:])) == {0.0, 1.0}
    assert np.array_equal(rows[:, 2:].sum(1), np.ones(n))
    median = np.median([i % 7 for i in range(n) if i % 10])
    known = next(i for i in range(n) if i % 10 and i % 7 == median)
    assert rows[0, 0] == rows[known, 0]


def test_rare_categories_share_a_column_and_outliers_are_cut(tmp_path: Path) -> None:
    n = 400
    value = np.random.default_rng(0).normal(size=n)
    value[7] = 1e9
    frame = pd.DataFrame({"town": [f"town {i % 100}" for i in range(n)], "value": value})
    rows = matrix(opened(tmp_path / "t.csv", frame))
    assert rows.shape == (n, 1 + 30)
    assert np.abs(rows).max() <= 10


def test_decimal_commas_and_numbers_without_heading(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("size;weight\n1,5;2,5\n2,5;9\n3,5;1\n")
    assert np.allclose(matrix(open_source(path))[:, 0], [-1.2247, 0, 1.2247], atol=1e-3)
    path.write_text("1.5,2\n9,3\n4,4.5\n")
    source = open_source(path)
    assert matrix(source).shape == (3, 2)
    assert [item.name for item in source.items] == ["1", "2", "3"]


def test_infinite_and_mixed_parquet_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame(
        {
            "a": [1.0, np.inf, 3.0, None, 9.0],
            "flag": [True, False, True, None, False],
            "day": pd.Series(pd.to_datetime(["2020-01-01", "2020-02-01", "NaT", "2021-01-01", "2022-01-01"])),
            "count": pd.array([1, 2, None, 2, 9], dtype="Int64"),
        }
    )
    frame.to_parquet(path)
    rows = matrix(open_source(path))
    assert np.isfinite(rows).all()
    assert len(rows) == 5
    assert rows[0, 1] < rows[3, 1] < rows[4, 1]


def test_row_numbers_that_pandas_wrote_are_no_feature(tmp_path: Path) -> None:
    frame = load_wine(as_frame=True).data.sample(frac=1, random_state=0)
    plain = matrix(opened(tmp_path / "plain.csv", frame))
    frame.to_csv(tmp_path / "wine.csv")
    frame.to_parquet(tmp_path / "wine.parquet")
    pd.read_csv(tmp_path / "wine.csv").to_csv(tmp_path / "again.csv", index=False)
    for name in ("wine.csv", "wine.parquet", "again.csv"):
        assert np.allclose(matrix(open_source(tmp_path / name)), plain, atol=1e-6)
    frame.assign(**{"Unnamed: 0": 1.5}).iloc[:, ::-1].to_csv(tmp_path / "value.csv", index=False)
    assert open_source(tmp_path / "value.csv").items[0].name == "1"
    unnamed = frame.rename(columns={"alcohol": ""})  # a value without a name stays
    assert matrix(opened(tmp_path / "unnamed.csv", unnamed)).shape == plain.shape


def test_rows_without_values_are_named(tmp_path: Path) -> None:
    source = opened(tmp_path / "t.csv", pd.DataFrame({"id": list("abc"), "x": [1.5, None, 2.5], "y": [2, None, 7]}))
    assert [(one.name, one.reason) for one in source.skipped] == [("b", "no values")]
    assert [item.name for item in source.items] == ["a", "c"]
    assert matrix(source).shape == (2, 2)


def test_free_text_without_a_column_named_is_answered(tmp_path: Path) -> None:
    frame = pd.DataFrame({"who": [f"person {i}" for i in range(30)], "said": [f"this is sentence number {i}" for i in range(30)]})
    with pytest.raises(DataError, match=r"no column can be learned from.*--column"):
        opened(tmp_path / "t.csv", frame)
    assert opened(tmp_path / "t.csv", frame, column="said").modality == "text"
    assert opened(tmp_path / "t.csv", frame.assign(id=frame["who"])[["id", "said"]]).modality == "text"


def test_one_cell_of_1e200_does_not_empty_its_column(tmp_path: Path) -> None:
    numbers = [f"{value:.1f}" for value in np.linspace(1, 9, 19)]
    for odd in ("1e200", "-1e200", "1e154"):
        path = tmp_path / "t.csv"
        path.write_text("a,b\n" + "\n".join(f"{value},{-row}" for row, value in enumerate([*numbers, odd])))
        matrix = open_source(path).matrix
        assert matrix is not None
        assert np.isfinite(matrix).all()
        assert matrix[:19, 0].std() > 0.5


def test_a_stray_value_takes_the_deviation_of_no_column(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"price": draw.normal(10, 2, 60), "share": draw.uniform(size=60), "count": [0] * 57 + [1, 2, 50]})
    plain = opened(tmp_path / "a.csv", frame)
    frame.loc[7, "price"] = 99999
    source = opened(tmp_path / "b.csv", frame)
    rest = np.arange(60) != 7
    assert matrix(source)[rest] == pytest.approx(matrix(plain)[rest], abs=0.2)
    assert matrix(source)[7, 0] == 10
    said = [note for note in source.notes if "far from all others" in note]
    assert said == [
        "column 'price': 1 value far from all others (99999) counts as ten deviations: a slip of the keyboard, or a mark for a missing value?"
    ]
    assert not [note for note in plain.notes if "far from all others" in note]


def test_values_of_any_size_are_scaled_or_refused(tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(size=(30, 2))
    plain = opened(tmp_path / "a.csv", pd.DataFrame(values, columns=["a", "b"]))
    for factor in (1e-200, 1e90):
        assert matrix(opened(tmp_path / "b.csv", pd.DataFrame(values * factor, columns=["a", "b"]))) == pytest.approx(
            matrix(plain), abs=1e-5
        )
    tiny = values.copy()
    tiny[:3, 0] = 1e-300
    few = opened(tmp_path / "c.csv", pd.DataFrame(tiny, columns=["a", "b"]))
    assert any("column 'a': 3 numbers nearer to 0" in note for note in few.notes)
    np.save(tmp_path / "f.npy", values * 1e-200)
    with pytest.raises(DataError, match="below 1e-30 in size alone"):
        open_source(tmp_path / "f.npy")


def test_a_first_line_that_may_hold_values_is_said(tmp_path: Path) -> None:
    def notes(heading: str, row: str) -> list[str]:
        (tmp_path / "t.csv").write_text("\n".join([heading, *(row.format(i, i % 7, "ab"[i % 2]) for i in range(20))]) + "\n")
        return [note for note in open_source(tmp_path / "t.csv").notes if "first line" in note]

    assert notes("5.1,3.5,setosa", "{}.5,{}.25,{}")[0].startswith(
        "the first line is taken for the names of the columns ('5.1', '3.5')"
    )
    assert notes("what a fine film this was,good", "a film that was {} of {} for me,{}")
    for usual in ("country,2019,2020", "sample,400.5,401.0", "a,0,1", "x,y z,label"):
        assert not notes(usual, "{},{},{}")
