"""A progress bar with time left, on standard error, for callbacks of the form (done, total)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

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
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"),
        TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as progress:
        bar = progress.add_task(title, total=None, note="", visible=False)

        def report(done: int, total: int, note: str = "") -> None:
            progress.update(bar, completed=done, total=total, note=note, visible=True)

        yield report
