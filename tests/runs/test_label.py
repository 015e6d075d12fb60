"""The label job's run: what kept figures depend on, that a killed run goes on set by set, and the page from the record alone."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sibyl.compare.fingerprints import code_checksum
from sibyl.methods.named import method_by_name
from sibyl.transduction.tables import OverLifts

RESULTS = Path(__file__).resolve().parents[2] / "results"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    label, page = importlib.import_module("label"), importlib.import_module("label_page")
    shipped = tmp_path / "package" / "calibration.json"
    shipped.parent.mkdir()
    shipped.write_text('{"other": []}')
    for module in (label, page):
        monkeypatch.setattr(module, "CALIBRATION", shipped)
    return label


def pile(label: ModuleType, key: str, *, is_table: bool = False) -> Any:
    generator = np.random.default_rng(0)
    names = tuple(str(number) for number in range(40))
    matrix = generator.normal(size=(40, 6)).astype(np.float32) + 3 * (np.arange(40) % 2)[:, None].astype(np.float32)
    return label.Pile(key, f"{key} in words", "nothing", names, matrix, {name: str(int(name) % 2) for name in names}, "", is_table)


def test_the_page_is_made_from_the_record_alone(script: ModuleType) -> None:
    record = json.loads((RESULTS / "label.json").read_text(encoding="utf-8"))
    assert script.page(record) == (RESULTS / "label.md").read_text(encoding="utf-8")
    for entry in record["sets"].values():
        entry["draws"] = entry["draws"][:5]
    assert "\n5 draws of the examples" in script.page(record)
    record["sets"]["wine"]["commit"] = "abcdef0"
    assert f"commit {record['sets']['photos']['commit']} (photos, photos_mixed, " in script.page(record)
    assert script.page(record).endswith("; abcdef0 (wine).\n")


def test_kept_figures_of_tables_depend_on_the_code_that_solves_tables(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pile(script, "wine", is_table=True)
    method = method_by_name("universal_sib", 6, 2)
    before = script.measured_on(table, "universal_sib", method)
    assert code_checksum(OverLifts) in before
    assert len(script.measured_on(replace(table, is_table=False), "universal_sib", method)) == 3
    monkeypatch.setattr(script, "code_checksum", lambda _: "other code")
    assert script.measured_on(table, "universal_sib", method) != before


def test_a_killed_run_keeps_each_whole_set_and_goes_on(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "piles", lambda _: iter([pile(script, "first"), pile(script, "second", is_table=True)]))
    monkeypatch.setattr(sys, "argv", ["label.py", "--draws", "2", "--out", str(tmp_path)])
    measure, left = script.measure, [3]

    def until_killed(*given: Any) -> Any:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return measure(*given)

    monkeypatch.setattr(script, "measure", until_killed)
    with pytest.raises(KeyboardInterrupt):
        script.main()
    record = json.loads((tmp_path / "label.json").read_text())
    assert list(record["sets"]) == ["first"]
    assert len(record["begun"]["second"]["draws"]) == 1
    monkeypatch.setattr(sys, "argv", ["label.py", "--page-only", "--out", str(tmp_path)])
    script.main()  # the page of what is whole
    text = (tmp_path / "label.md").read_text()
    assert "\n2 draws of the examples" in text
    assert "| second in words |" not in text
    left[0] = 1
    monkeypatch.setattr(sys, "argv", ["label.py", "--draws", "2", "--out", str(tmp_path)])
    script.main()
    record = json.loads((tmp_path / "label.json").read_text())
    assert [len(entry["draws"]) for entry in record["sets"].values()] == [2, 2]
    assert "begun" not in record
    shipped = tmp_path / "package" / "calibration.json"
    assert json.loads(shipped.read_text()) == {"other": []}  # a trial leaves the package alone
    beside = json.loads((tmp_path / "calibration.json").read_text())
    assert sorted(beside) == ["other", "universal_sib"]
    monkeypatch.setattr(sys, "argv", ["label.py", "--draws", "2", "--out", str(tmp_path), "--ship"])
    script.main()  # nothing is left to measure
    assert json.loads(shipped.read_text()) == beside
