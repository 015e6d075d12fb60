"""What people know beside the labels: a kind that kept cells have not is added to them, and the page is that of its record."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sibyl.datasets.digits import digit_features

RESULTS = Path(__file__).resolve().parents[2] / "results"
evidence, parts, page = (importlib.import_module(name) for name in ("evidence", "evidence_parts", "evidence_page"))


def test_the_page_is_that_of_the_record() -> None:
    record = json.loads((RESULTS / "evidence.json").read_text(encoding="utf-8"))
    text = (RESULTS / "evidence.md").read_text(encoding="utf-8")
    assert page.page(record) == text
    for key, cell in record["cells"].items():
        if key.startswith("mix/"):
            cell[page.FIRM] = cell["nothing"]
    assert f"{page.FIRMLY}\n\n| cell | draws | nothing |" in page.page(record)
    assert page.FIRM in parts.KNOWN
    assert f"*{page.FIRM}* less *nothing*, paired by draw: not clear of zero in " in page.page(record)


def test_a_kind_that_a_kept_cell_has_not_is_added_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = parts.Sets({"digits": digit_features()}, None, None)
    (cell,) = (replace(one, draws=1) for one in parts.mix_part(sets) if one.key == "mix/digits/balanced")
    whole = cell.measure(0)
    assert tuple(whole) == parts.KNOWN
    kept = {"mix/digits/balanced": {kind: [value, 0.5] for kind, value in whole.items() if kind != page.FIRM}}
    (tmp_path / "evidence.json").write_text(json.dumps({"cells": kept}))
    solved: list[Any] = []
    solve = parts.solve

    def counted(*given: Any) -> Any:
        solved.append(given)
        return solve(*given)

    monkeypatch.setattr(parts, "solve", counted)
    monkeypatch.setattr(evidence, "read_sets", lambda _: sets)
    monkeypatch.setattr(evidence, "PARTS", {"mix": lambda _: iter([cell])})
    monkeypatch.setattr(sys, "argv", ["evidence.py", "--draws", "1", "--out", str(tmp_path)])
    evidence.main()
    assert len(solved) == 1
    found = json.loads((tmp_path / "evidence.json").read_text())["cells"]["mix/digits/balanced"]
    assert found == kept["mix/digits/balanced"] | {page.FIRM: [whole[page.FIRM]]}
    evidence.main()  # nothing is missing
    assert len(solved) == 1
