"""What is measured beside busy loops: processor time in pairs, one in each of which is alone."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import busy
from sibyl.storage import read_json


def taken(processor: float) -> dict[str, float]:
    return {"seconds": 9.0, "processor": processor}


@pytest.mark.parametrize(("beside", "code"), [(1.4, 0), (1.6, 1)])
def test_too_much_processor_time_beside_loops_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: float, code: int
) -> None:
    loops: list[Any] = []
    monkeypatch.setattr(busy, "count", lambda: None)
    before = busy.busy

    def seen(n_loops: int) -> Any:
        loops.append(n_loops)
        return before(n_loops)

    figures = iter([taken(2.0), taken(2 * beside), taken(1.0), taken(9.0), taken(3.0), taken(3.0)])
    asked: list[tuple[str, str, int]] = []

    def measured(*what: Any) -> dict[str, float]:
        asked.append(what)
        return next(figures)

    monkeypatch.setattr(busy, "measured", measured)
    monkeypatch.setattr(busy, "busy", seen)
    arguments = ["--jobs", "rows", "--threads", "8", "--pairs", "3", "--loops", "1", "--rows", "700", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["busy", *arguments])
    for _ in range(2):  # the second time all is in the record
        with pytest.raises(SystemExit) as ended:
            busy.main()
        assert ended.value.code == code
    assert (asked, loops) == ([("rows", "8", 700)] * 6, [1] * 3)
    record = read_json(tmp_path / "busy.json")
    assert record["pairs"]["rows 8"][1] == {"quiet": taken(1.0), "busy": taken(9.0)}
    assert (
        f"| a fit of 700 × 64 rows | 8 | 2.00 | {max(3.0, 2 * beside):.2f} | {beside:.2f} |" in (tmp_path / "busy.md").read_text()
    )


def test_loops_run_while_a_job_does_and_no_longer() -> None:
    with busy.busy(1):
        (loop,) = multiprocessing.active_children()
        assert loop.is_alive()
    assert not multiprocessing.active_children()


def test_a_job_runs_with_the_threads_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    whole = subprocess.run

    def run(command: Any, env: Any, **settings: Any) -> Any:
        given.append({name: value for name, value in env.items() if name.endswith("_NUM_THREADS")})
        return whole(command, env=env, **settings)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    found = busy.measured("rows", "8", 300)
    assert given == [{"OMP_NUM_THREADS": "8"}]
    assert 0 < found["processor"] < 60 * (os.cpu_count() or 1)
