"""The choice of lifts for tables: what is made up, and that a run resumes and writes its page."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

RUNS = Path(__file__).resolve().parents[2] / "runs"


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(RUNS))
    import table_lifts

    return table_lifts


def test_made_tables_are_whole_and_the_same_again(tables: ModuleType) -> None:
    for kind in tables.KINDS:
        x, codes = tables.made_table(kind, (2, 15), 3)
        assert x.shape[0] == len(codes) >= 100
        assert 2 <= x.shape[1] <= 15
        assert np.isfinite(x).all()
        assert np.bincount(codes).min() >= 10
        assert np.array_equal(tables.made_table(kind, (2, 15), 3)[0], x)


def test_a_few_tables_are_measured_once_and_written(tables: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "KINDS", (tables.KINDS[3],))
    monkeypatch.setattr(tables, "COLUMNS", ((2, 3),))
    monkeypatch.setattr(
        sys, "argv", ["table_lifts.py", "--tables", "1", "--out", str(tmp_path), "--record", str(tmp_path / "r.jsonl")]
    )
    tables.main()
    assert "| as they are, sphere, kernel |" in (tmp_path / "table_lifts.md").read_text()
    (row,) = json.loads((tmp_path / "table_lifts.json").read_text())["results"]
    assert set(row["means"]) == {*tables.MEANS, tables.SHIPPED}
    assert row["means"][tables.SHIPPED][1] < row["means"]["as they are, sphere, kernel"][1]  # less sure
    monkeypatch.delattr(tables, "measured")
    tables.main()  # nothing is measured twice
