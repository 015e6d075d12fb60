"""The pages on `sibyl review` are made from their records alone."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

RESULTS = Path(__file__).resolve().parents[2] / "results"


@pytest.mark.parametrize(
    ("module", "name"), [("review_session_page", "review_session"), ("benchmarks.review_page", "review_speed")]
)
def test_the_page_is_made_from_the_record_alone(module: str, name: str) -> None:
    record = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    assert importlib.import_module(module).page_of(record) == (RESULTS / f"{name}.md").read_text(encoding="utf-8")
