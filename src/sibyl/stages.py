"""What a long command shows of its stages: bars on a terminal, lines in a pipe or a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

_SOON, _LATE, _SHARE = 10.0, 30.0, 0.1  # seconds between lines: after a tenth of the whole, and at most
_STEADY = 120.0  # seconds that the speed is a mean of: over fewer, each pause (a validation) would make the time left jump


class TimeLeft(TimeRemainingColumn):
    """The time left, once it can be told."""

    def render(self, task: Task) -> Text:
        """Return ``left 0:00:39``, or nothing."""
        if task.finished or task.time_remaining is None:
            return Text()
        return Text("left ").append_text(super().render(task))


def bars(console: Console, *columns: ProgressColumn, transient: bool = False, shown: bool = True) -> Progress:
    """Return bars with their titles in front and `columns` behind."""
    front = TextColumn("{task.description}"), BarColumn()
    return Progress(*front, *columns, console=console, transient=transient, disable=not shown, speed_estimate_period=_STEADY)


@contextmanager
def stage(console: Console | None, title: str) -> Iterator[None]:
    """Show that a stage runs: on a terminal as long as it does, elsewhere by a line when it begins; nowhere without a console."""
    if console is None:
        yield
    elif console.is_terminal:
        with console.status(title):
            yield
    else:
        _say(console, f"{title} …")
        yield


@contextmanager
def steps(console: Console | None, title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a callback that is told how many of `total` are done.

    On a terminal it moves a bar. Elsewhere it prints a line after each tenth that took ten seconds
    or more, and after thirty seconds in any case.
    """
    if console is None:
        yield lambda _done: None
    elif console.is_terminal:
        with bars(console, MofNCompleteColumn(), TimeLeft(), transient=True) as bar:
            task = bar.add_task(title, total=total)
            yield lambda done: bar.update(task, completed=done)
    else:
        _say(console, f"{title}: {total:,} …")
        last, last_done = time.monotonic(), 0

        def advance(done: int) -> None:
            nonlocal last, last_done
            waited = time.monotonic() - last
            if done < total and (waited >= _LATE or (waited >= _SOON and done - last_done >= _SHARE * total)):
                _say(console, f"{title}: {done:,} of {total:,}")
                last, last_done = time.monotonic(), done

        yield advance


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
