"""What is measured of shards: rows that a killed run finds again, lines that are kept one by one, a page made from the record alone."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks import distributed, distributed_reduce, distributed_rows
from benchmarks.distributed_page import page
from sibyl.storage import read_json

RESULTS = Path(__file__).resolve().parents[2] / "results"
FIGURES = {
    "driver": 3e8,
    "worker": 0,
    "processor": 20.0,
    "children": 0.0,
    "seconds": 10.0,
    "different": 0,
    "right": 0.9,
    "killed": 0,
}


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed_rows, "SHARD", 40)
    monkeypatch.setattr(distributed, "FEW", 90)


def test_the_page_is_that_of_the_record() -> None:
    written = (RESULTS / "distributed.md").read_text(encoding="utf-8")
    assert page(read_json(RESULTS / "distributed.json")) == written
    assert "| ray | 1,424 |" in written
    assert "| ray, one of two actors killed | 1,424 |" in written


def test_the_page_tells_how_memory_grows_and_what_the_machine_allows() -> None:
    record: dict[str, Any] = {"machine": "two cores", "ceiling": {"alone": 9.0, "together": 11.0, "times": 1.64}}
    record |= {"1000 one": FIGURES, "1000000 one": FIGURES | {"driver": 3.21e8}, "1000000 threads": FIGURES | {"seconds": 8.0}}
    told = page(record)
    assert "Memory, from 1,000 rows to 1,000,000:\n\n- one worker: driver +21 MB\n\n" in told
    assert "two threads 1.25." in told
    assert "1.64 times" in told


def test_the_passes_of_the_estimate_are_those_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed_rows, "SHARD", 50_000)
    answers = distributed_reduce.answers_of_passes()
    reduce = read_json(RESULTS / "distributed.json")["reduce"]
    assert len(answers) == reduce["passes"]
    assert max(len(pickle.dumps(one)) for one in answers) == pytest.approx(reduce["bytes"], rel=0.02)


def test_rows_are_made_once_and_taken_away_when_all_is_measured(tmp_path: Path) -> None:
    folder = tmp_path / "rows-100"
    with distributed_rows.made(tmp_path, 100, ["file"]):
        tables = [pq.read_table(path) for path in sorted(folder.glob("*.parquet"))]
        assert [len(one) for one in tables] == [40, 40, 20]
        whole = pq.read_table(folder.with_suffix(".parquet"))
    assert list(tmp_path.iterdir()) == []
    assert whole["id"].to_pylist() == [f"row {row:09}" for row in range(100)]
    examples = distributed_rows.examples_of(100)
    truth = distributed_rows.truth_of(100)
    assert all(truth[int(name.split()[1])] == int(said.split()[1]) for name, said in examples.items())
    np.testing.assert_array_equal(truth[:40], distributed_rows.rows_of(0, 40)[1])
    folder.mkdir()
    for name in ("partial", "part-00000.parquet"):  # left by a kill: what is whole is taken up
        (folder / name).write_bytes(b"left")
    distributed_rows.make(folder, 100)
    assert (folder / "part-00000.parquet").read_bytes() == b"left"
    assert pq.read_table(folder / "part-00001.parquet").equals(tables[1])


def test_each_line_is_kept_as_soon_as_it_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    stops = ["threads"]

    def run(what: Any) -> dict[str, Any]:
        asked.append(what[1])
        if what[1] in stops:
            raise KeyboardInterrupt
        (tmp_path / "work" / "labels-100.npy").touch()
        if what[1] == "reduce":
            return {"seconds": 1e-4, "bytes": 9, "passes": 11, "rows of a shard": 40, "bytes kept of a row": 9}
        return {"features": 1.0, "names": 1.0} if what[1] == "bytes" else FIGURES

    monkeypatch.setattr(distributed, "run", run)

    def ceiling(_: Any) -> dict[str, float]:
        asked.append("ceiling")
        return {"times": 1.5}

    monkeypatch.setattr(distributed, "ceiling", ceiling)
    places = ["--work", str(tmp_path / "work"), "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["distributed", "--rows", "100", "--ways", "one,threads", *places])
    with pytest.raises(KeyboardInterrupt):
        distributed.main()
    assert json.loads((tmp_path / "distributed.json").read_text())["100 one"] == FIGURES
    assert (tmp_path / "work" / "rows-100").exists()
    stops.clear()
    distributed.main()
    assert asked == ["one", "threads", "threads", "ceiling", "bytes", "reduce"]
    assert [one.name for one in (tmp_path / "work").iterdir()] == ["labels-100.npy"]
    (tmp_path / "work" / "labels-100.npy").unlink()
    monkeypatch.setattr(sys, "argv", ["distributed", "--rows", "100", "--ways", "one,ray", *places])
    with pytest.raises(SystemExit, match="are gone"):
        distributed.main()
