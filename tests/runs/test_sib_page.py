"""The page of a SIB table: it says what its record says, word for word, and follows the record where that differs."""

from __future__ import annotations

import importlib.util
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from sibyl.storage import read_json

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "results" / "cifar_fs_conv4.json"


@pytest.fixture(scope="module")
def script() -> Any:
    specification = importlib.util.spec_from_file_location("sib_page", ROOT / "runs" / "sib_page.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_published_page_is_what_the_script_writes_from_the_record(script: Any) -> None:
    assert script.page(read_json(RECORD), RECORD.stem) == RECORD.with_suffix(".md").read_text(encoding="utf-8")


def test_the_prose_follows_the_record(script: Any) -> None:
    record = deepcopy(read_json(RECORD))
    before = script.page(record, "x")
    assert "as published: one" not in before
    fewer = deepcopy(record)
    for entry in fewer["table"]["as published, K=5"].values():
        entry["seeds"] = entry["seeds"][:1]
    assert "(K = 5 as published: one)" in script.page(fewer, "x")
    record["features"]["views"] = 4
    record["arguments"]["slice"] = 5
    for variant in record["variants"][:4]:
        variant["recipe"] = {**variant["recipe"], "iterations": 1234, "episodes": 2, "optimizer": "adamw"}
    after = script.page(record, "x")
    assert "4 augmented views" in after
    assert "1,234 iterations of two episodes, AdamW;" in after
    assert "A trial of the script" in after
    assert "A trial of the script" not in before


def test_page_and_picture_are_written_beside_the_record(script: Any, tmp_path: Path) -> None:
    record = tmp_path / "table.json"
    record.write_bytes(RECORD.read_bytes())
    script.write_page(record)
    assert "![accuracy against K, and gradient cosines](table.png)" in (tmp_path / "table.md").read_text(encoding="utf-8")
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")


def test_the_gain_is_told_over_learned_baselines_too(script: Any) -> None:
    record = read_json(RECORD)
    best = max(entries["1"]["accuracy"] for entries in script.rivals_of(record)[0].values())
    assert best > record["best_inductive"]["1"]
    gain = 100 * (record["table"]["as published, K=3"]["1"]["accuracy"] / best - 1)
    lines = script.over_learned(record)
    assert any("activations_to_parameters" in line and f"{100 * best:.2f}" in line for line in lines)
    assert any(line.startswith(f"| as published, K=3 | {gain:+.1f} % relative |") for line in lines)
    assert script.over_learned(record | {"title": "other features"}) == []


def test_meta_trained_rivals_on_the_same_episodes_are_what_is_to_pass(script: Any) -> None:
    record = read_json(RECORD)
    entry = {"accuracy": 0.70, "interval": 0.005, "seeds": [0.70], "ece": 0.1}
    record["table"]["leo"] = {"1": entry, "5": entry | {"accuracy": 0.5}}
    record |= {"learned": {"inductive": ["leo"], "budget": "ten iterations"}, "reading": "the first time."}
    text = script.page(record, "x")
    assert "Meta-trained rivals: ten iterations; one seed." in text
    assert "test classes were read after all networks were trained; the first time." in text
    assert "1-shot: leo, 70.00; 5-shot: none of them is above those without training, 79.11." in text
    gain = 100 * (record["table"]["as published, K=5"]["1"]["accuracy"] / 0.70 - 1)
    assert f"| as published, K=5 | {gain:+.1f} % relative |" in text
