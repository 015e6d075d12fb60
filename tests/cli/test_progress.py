"""What a long command says while it runs."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from sibyl.cli.app import app
from sibyl.cli.progress import stage_lines


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
    assert "draw characters …" in CliRunner().invoke(app, ["demo", "--out", str(tmp_path)]).stderr
    assert CliRunner().invoke(app, ["demo", "--out", str(tmp_path), "--json"]).stderr == ""
