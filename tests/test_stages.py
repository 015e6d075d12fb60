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


def test_the_time_left_stands_there_once_it_can_be_told_and_a_pause_hardly_moves_it() -> None:
    clock = [0.0]
    bar = stages.bars(Console(file=io.StringIO()), stages.TimeLeft())
    bar.get_time = lambda: clock[0]
    task = bar.add_task("train", total=200)
    column = stages.TimeLeft()
    assert str(column.render(bar.tasks[0])) == ""
    for clock[0], done in [(float(second), second) for second in range(1, 51)] + [(70.0, 51)]:
        bar.update(task, completed=done)
    assert bar.tasks[0].time_remaining == pytest.approx(149 * 69 / 50, abs=1)  # of all steps, not of the last
    assert str(column.render(bar.tasks[0])) == "left 0:03:26"
    bar.update(task, completed=200)
    assert str(column.render(bar.tasks[0])) == ""


def test_without_a_console_nothing_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    with stages.stage(None, "labelling"), stages.steps(None, "encoding", 2) as advance:
        advance(1)
    assert capfd.readouterr() == ("", "")
