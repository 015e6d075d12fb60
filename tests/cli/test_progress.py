"""What a long command says while it runs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from sibyl import demo
from sibyl.cli.app import app
from sibyl.cli.progress import stage_lines
from sibyl.features import Features


def test_where_no_terminal_is_each_stage_says_when_it_begins_and_ends() -> None:
    written = io.StringIO()
    report = stage_lines(Console(file=written))
    report("draw", 0, 2, "")
    assert written.getvalue() == "draw …\n"
    report("draw", 1, 2, "")
    report("draw", 2, 2, "9 [of] 10")
    report("read", 0, 1, "")
    assert written.getvalue().splitlines() == ["draw …", "draw: 0 s, 9 [of] 10", "read …"]


def test_the_demo_in_a_pipe_is_not_silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stopped(out: Path, report: object, **_: object) -> None:
        assert callable(report)
        report("draw characters", 0, 2, "")
        raise SystemExit(0)

    monkeypatch.setattr("sibyl.demo.run_demo", stopped)
    told = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)]).stderr.splitlines()
    assert [line.split(";")[0] for line in told] == ["loading libraries", "draw characters …"]
    assert CliRunner().invoke(app, ["demo", "--out", str(tmp_path), "--json"]).stderr == ""


def test_the_demo_says_that_it_compiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def glyphs(split: str, seed: int) -> Features:
        names = tuple(f"{split}/{number}" for number in range(12))
        return Features(np.zeros((240, 8), np.float32), np.arange(240) % 12, names, tuple(map(str, range(240))), {})

    steps: list[tuple[str, int, str]] = []
    monkeypatch.setattr(demo, "glyph_features", glyphs)
    monkeypatch.setattr(demo, "meta_train", lambda *_, **__: steps.append(("trained", 0, "")))
    for code in (object(), None):
        monkeypatch.setattr(demo, "machine_code", lambda code=code: code)
        demo.train_reader(tmp_path, lambda stage, done, total, note: steps.append((stage, done, note)))
    said = [step for step in steps if step[0] in ("meta-train SIB", "trained")]
    assert said == [("meta-train SIB", 0, "compiling, once"), ("trained", 0, ""), ("trained", 0, "")]
