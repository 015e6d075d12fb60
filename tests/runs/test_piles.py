"""Whole piles: the page is that of its record, which says how large piles are and at which commit each column was measured."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sibyl import Features

RESULTS = Path(__file__).resolve().parents[2] / "results"
piles = importlib.import_module("piles")


def test_the_page_is_made_from_the_record_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = json.loads((RESULTS / "piles.json").read_text(encoding="utf-8"))
    assert piles.page(record) == (RESULTS / "piles.md").read_text(encoding="utf-8")
    for found in record.values():
        found["most_items"] = 700
        found["commits"] |= {"class_mean": "abcdef0"}
    (tmp_path / "piles.json").write_text(json.dumps(record))
    monkeypatch.setattr(sys, "argv", ["piles.py", "--page-only", "--out", str(tmp_path)])
    piles.main()
    text = (tmp_path / "piles.md").read_text(encoding="utf-8")
    assert "10 piles of up to 700 items" in text
    assert "commit abcdef0 (class_mean); commit 7cd1791 (label_spreading, anchored_means);" in text


def test_a_method_that_is_added_meets_piles_of_the_record_s_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 30)
    matrix = (np.eye(3, 8)[labels] + 0.3 * draw.normal(size=(90, 8))).astype(np.float32)
    Features(matrix, labels, ("a", "b", "c")).save(tmp_path / "clumps")
    monkeypatch.setattr(piles, "digit_features", lambda: Features(matrix, labels, ("a", "b", "c")))
    monkeypatch.setattr(piles, "page", lambda _: "")
    monkeypatch.setattr(piles, "OURS", "class_mean")

    def measured(rivals: tuple[str, ...], *more: str) -> Any:
        monkeypatch.setattr(piles, "RIVALS", rivals)
        monkeypatch.setattr(
            sys, "argv", ["piles.py", f"clumps={tmp_path / 'clumps'}", "--draws", "1", "--out", str(tmp_path), *more]
        )
        piles.main()
        return json.loads((tmp_path / "piles.json").read_text())["clumps"]

    assert measured((), "--items", "40")["most_items"] == 40
    found = measured(("soft_kmeans",))
    assert found["most_items"] == 40
    assert set(found["commits"]) == {"class_mean", "soft_kmeans"}
    monkeypatch.setattr(sys, "argv", ["piles.py"])
    with pytest.raises(SystemExit):
        piles.main()
