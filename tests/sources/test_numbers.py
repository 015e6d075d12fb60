"""Numbers as people, spreadsheets and laboratories write them, decided over the whole column."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sibyl.errors import DataError
from sibyl.sources.cells import DATES, TIMES, values_in
from sibyl.sources.number_format import NumberFormat, read_numbers
from sibyl.sources.open import Source, open_source

NAN = float("nan")


def read(cells: list[str], **settings: Any) -> list[float]:
    return [round(float(one), 6) for one in read_numbers(cells, **settings).values]


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1,250", "980"], [1250, 980]),
        (["397,795", "1,243,827"], [397795, 1243827]),
        (["1,250.50", "3"], [1250.5, 3]),
        (["1.250,50", "3"], [1250.5, 3]),
        (["1'250.5", "3"], [1250.5, 3]),
        (["1\u202f250,5", "3"], [1250.5, 3]),
        (["1_250", "3"], [1250, 3]),
        (["1,00,000", "5,000"], [100000, 5000]),
        (["1,5", "9"], [1.5, 9]),
        (["0,125", "1,250"], [0.125, 1.25]),
        (["1.250", "980"], [1250, 980]),
        (["1.125", "2", "3.375"], [1.125, 2, 3.375]),
        (["1.250", "0.980"], [1.25, 0.98]),
        (["$1,250.00", "$9"], [1250, 9]),
        (["38.9 kg", "-0.5 kg", "7"], [38.9, -0.5, 7]),
        (["12.5 %", "3%"], [12.5, 3]),
        (["€ 5", "7,5"], [5, 7.5]),
        (["CHF 1'250.-", "9"], [1250, 9]),
        (["(1,250.00)", "3"], [-1250, 3]),
        (["−5", "5-", "+5"], [-5, -5, 5]),
        (["<5", "7"], [5, 7]),
        (["1e5", "2E-3"], [1e5, 0.002]),
        (["person 5", "7"], [NAN, 7]),
        (["192.168.1.1", "1.2.3"], [NAN, NAN]),
    ],
)
def test_conventions(cells: list[str], numbers: list[float]) -> None:
    assert np.array_equal(read(cells), numbers, equal_nan=True)
    written = read_numbers(cells).written
    assert NumberFormat.named(written.name) == written


def test_other_columns_and_the_delimiter_decide_what_is_ambiguous() -> None:
    assert read(["1,250", "2,500"], hints={","}) == [1.25, 2.5]
    assert read(["1,250", "2,500"], hints={"."}) == [1250, 2500]
    assert read(["1,250", "2,500"], delimiter=";") == [1.25, 2.5]
    assert read(["1,250", "2,500"], like=NumberFormat(",")) == [1.25, 2.5]
    assert "'1,250' can mean 1250 or 1.250; it is read as 1250" in read_numbers(["1,250", "980"]).doubt
    assert not read_numbers(["1,250.5", "980"]).doubt


@pytest.mark.parametrize(
    ("cells", "written", "first"),
    [
        (["2024-10-20", "2024-05-16T12:00:00Z", ""], DATES, 1729382400e9),
        (["20.10.2024", "16.5.2024"], DATES, 1729382400e9),
        (["10/20/2024", "05/16/2024"], DATES, 1729382400e9),
        (["20 Oct 2024", "Oct 21, 2024"], DATES, 1729382400e9),
        (["9999-12-31", "0001-01-01"], DATES, 253402214400e9),
        (["01:30", "2:00:01.5"], TIMES, 5400.0),
        (["1 days 00:00:10", "-1 days +23:59:59"], TIMES, 86410.0),
    ],
)
def test_dates_and_times(cells: list[str], written: str, first: float) -> None:
    values = values_in(pd.Series(cells, dtype=object))
    assert values.written == written
    assert values.numbers[0] == first


def test_dates_beyond_what_nanoseconds_hold_and_durations_of_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "day": pd.Series(np.array(["9999-12-31", "1000-01-01", "NaT", "2020-01-01"] * 3, "datetime64[s]")),
            "took": pd.Series(np.array([3, 4, 5, 9] * 3, "timedelta64[ms]")),
            "whole": pd.array([2**60 + 1, None, 5, 7] * 3, dtype="Int64"),
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    source = open_source(tmp_path / "t.parquet")
    assert source.matrix is not None
    assert source.matrix.shape == (12, 3)
    assert np.isfinite(source.matrix).all()


def table(path: Path, columns: dict[str, list[str]]) -> Source:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return open_source(path)


def test_gaps_with_words_and_what_is_left_out_are_said(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    numbers = [f"{one:.3f}" for one in draw.normal(size=40)]
    source = table(
        tmp_path / "t.csv",
        {
            "lod": ["<LOD" if i % 5 == 0 else one for i, one in enumerate(numbers)],
            "nd": ["n.d." if i % 4 == 0 else one for i, one in enumerate(numbers)],
            "mixed": [f"{one} {'kg' if i % 2 else 'g'}" for i, one in enumerate(numbers)],
            "some": [f"word {i}" if i % 3 == 0 else one for i, one in enumerate(numbers)],
            "huge": ["1e200" if i == 7 else one for i, one in enumerate(numbers)],
            "money": [f"${1000 * abs(float(one)):,.2f}" for one in numbers],
        },
    )
    said = "\n".join(source.notes)
    assert "column 'lod': 8 cells are no numbers and count as missing ('<LOD')" in said
    assert "column 'nd': 10 cells are no numbers and count as missing ('n.d.')" in said
    assert "column 'mixed' is left out: its units differ ('g', 'kg'); write all in one" in said
    assert "column 'some' is left out: 40 different texts in 40 rows, 65% of them numbers; the others begin with 'word 0'" in said
    assert "column 'huge': 1 number beyond 1e100 count" in said
    assert "column 'money' is read as numbers: a comma between thousands, in $" in said
    assert source.matrix is not None
    assert source.matrix.shape == (40, 4)
    assert np.isfinite(source.matrix).all()
    assert source.skipped == ()  # a row of <LOD and n.d. is no blank row


def test_later_tables_in_other_marks_units_and_scales(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    price, weight = 1000 + 300 * draw.normal(size=30), 20 + 5 * draw.normal(size=30)
    first = table(tmp_path / "a.csv", {"price": [f"{one:.2f}" for one in price], "weight": [f"{one:.2f} kg" for one in weight]})

    def later(**columns: list[str]) -> Source:
        plain = {"price": [f"{one:.2f}" for one in price], "weight": [f"{one:.2f}" for one in weight]}
        table(tmp_path / "b.csv", plain | columns)
        return open_source(tmp_path / "b.csv", fitted=first.fitted)

    same = later(price=[f"{one:,.2f}" for one in price])
    assert np.array_equal(same.matrix, first.matrix)  # type: ignore[arg-type]
    assert "column 'price' is read as numbers: a comma between thousands" in same.notes
    grams = later(weight=[f"{1000 * one:.0f}" for one in weight])
    assert any("far outside the earlier ones" in note for note in grams.notes)
    tons = later(weight=[f"{one / 1000:.6f}" for one in weight])
    assert any("another unit" in note for note in tons.notes)
    blank = later(price=[""] * 30)
    assert any("blank in every row" in note for note in blank.notes)
    with pytest.raises(DataError, match="was in 'kg' in the earlier run, but here are values in 'g'"):
        later(weight=[f"{1000 * one:.0f} g" for one in weight])


@pytest.mark.parametrize(
    ("cells", "numbers", "unit", "said"),
    [
        (["1.2k", "1200", "900", "1.5k"], [1200, 1200, 900, 1500], "", "'k' is read as × 1,000"),
        (["$1.2k", "$3.4M", "$900"], [1200, 3.4e6, 900], "$", "'k' is read as × 1,000, 'M' is read as × 1,000,000"),
        (["1,2 Mio. €", "900.000 €", "750.000 €"], [1.2e6, 9e5, 7.5e5], "€", "'Mio.' is read as × 1,000,000"),
        (["64%", "0.6", "0.5", "0"], [0.64, 0.6, 0.5, 0], "", "'%' is read as × 0.01"),
        (["64%", "60", "50"], [64, 60, 50], "%", ""),
        (["5 K", "280 K", "290"], [5, 280, 290], "K", ""),
        (["1.2k", "3.4k"], [1.2, 3.4], "k", ""),
    ],
)
def test_units_that_multiply_count_where_they_are_mixed(cells: list[str], numbers: list[float], unit: str, said: str) -> None:
    read = read_numbers(cells)
    assert read.values == pytest.approx(numbers)
    assert (read.written.unit, read.doubt, read.units) == (unit, said, ())


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("{:.2f}", "{0:.2%}", "× 0.01"),
        ("{0:.2%}", "{0:.4f}", "× 100"),
        ("{0:.2f}", "{0:.2f} kg", "as they stand"),
        ("{0:.2f} kg", "{0:.2f}", "as they stand"),
    ],
)
def test_another_unit_in_a_later_table_is_said_and_understood(tmp_path: Path, before: str, after: str, said: str) -> None:
    shares = np.random.default_rng(0).uniform(0.2, 0.9, 30)
    other = [str(number % 7) for number in range(30)]
    first = table(tmp_path / "a.csv", {"share": [before.format(one) for one in shares], "other": other})
    table(tmp_path / "b.csv", {"share": [after.format(one) for one in shares], "other": other})
    later = open_source(tmp_path / "b.csv", fitted=first.fitted)
    assert later.matrix == pytest.approx(first.matrix, abs=0.05)
    assert [note for note in later.notes if "in the earlier table" in note and said in note]


def test_cells_with_a_unit_beside_bare_ones_of_another_scale_are_left_out(tmp_path: Path) -> None:
    lines = [f"{i + 20} mm,{i + 30}.5 kg,{i * i}.5" if i % 2 else f"0.{i + 20},{i + 30}.9,{i * i}.5" for i in range(40)]
    lines[6] = "0,n/a,7"
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c", *lines]))
    source = open_source(tmp_path / "t.csv")
    assert source.matrix is not None
    assert source.matrix.shape[1] == 2
    assert any("'a' is left out: its units differ ('mm', 'no unit')" in note for note in source.notes)
