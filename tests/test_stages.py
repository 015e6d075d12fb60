"""Stages of a command where no terminal is."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from sibyl import stages


def lines_of(told: io.StringIO) -> list[str]:
    return told.getvalue().splitlines()


def test_a_pipe_gets_a_line_for_a_stage_and_one_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    told, clock = io.StringIO(), iter([0.0, 1.0, 12.0, 12.0, 13.0, 24.0, 45.0, 45.0, 99.0])
    monkeypatch.setattr("sibyl.stages.time.monotonic", lambda: next(clock))
    console = Console(file=told)
    with stages.stage(console, "labelling"), stages.steps(console, "encoding with x", 1000) as advance:
        for done in (50, 150, 160, 170, 180, 1000):  # after 1, 12, 13, 24, 45 and 99 seconds
            advance(done)
    assert lines_of(told) == [
        "labelling …",
        "encoding with x: 1,000 …",
        "encoding with x: 150 of 1,000",
        "encoding with x: 180 of 1,000",
    ]


def test_without_a_console_nothing_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    with stages.stage(None, "labelling"), stages.steps(None, "encoding", 2) as advance:
        advance(1)
    assert capfd.readouterr() == ("", "")
