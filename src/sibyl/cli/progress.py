"""Progress on standard error: a bar with time left for callbacks of the form (done, total), lines of stages where no terminal is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import MofNCompleteColumn, TextColumn, TimeElapsedColumn

from sibyl.stages import TimeLeft, bars

Report = Callable[..., None]


@contextmanager
def progress_bar(title: str, *, shown: bool = True) -> Iterator[Report]:
    """Yield a callback ``report(done, total, note="")`` that draws one bar, from the first call on.

    Parameters
    ----------
    title : str
        Stands before the bar.
    shown : bool
        False draws nothing.
    """
    columns = MofNCompleteColumn(), TimeElapsedColumn(), TimeLeft(), TextColumn("{task.fields[note]}")
    with bars(Console(stderr=True), *columns, shown=shown) as progress:
        bar = progress.add_task(title, total=None, note="", visible=False)

        def report(done: int, total: int, note: str = "") -> None:
            progress.update(bar, completed=done, total=total, note=note, visible=True)

        yield report


def stage_lines(console: Console) -> Callable[[str, int, int, str], None]:
    """Return a callback ``report(stage, done, total, note)`` that prints a line when a stage begins and one when it is done.

    For pipes and logs, in which a bar would show nothing until the end.
    """
    began: dict[str, float] = {}

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    def report(stage: str, done: int, total: int, note: str) -> None:
        if stage not in began:
            began[stage] = time.perf_counter()
            say(f"{stage} …")
        if done == total:
            say(f"{stage}: {time.perf_counter() - began[stage]:.0f} s" + (f", {note}" if note else ""))

    return report
