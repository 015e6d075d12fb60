"""The page on shards is written from its record alone."""

from __future__ import annotations

from pathlib import Path

from benchmarks.distributed_page import page
from sibyl.storage import read_json

RESULTS = Path(__file__).resolve().parents[2] / "results"


def test_the_page_is_that_of_the_record() -> None:
    written = (RESULTS / "distributed.md").read_text(encoding="utf-8")
    assert page(read_json(RESULTS / "distributed.json")) == written
    assert "| ray | 1,424 |" in written
