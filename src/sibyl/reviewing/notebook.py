"""`sibyl.review`: the page from Python, a notebook among it; the server is a process of its own."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sibyl.errors import DataError
from sibyl.reviewing.journal import FILE, Journal
from sibyl.reviewing.serve import need_server
from sibyl.reviewing.state import ASIDE, replay


class Review:
    """A page that is open.

    Parameters
    ----------
    process : subprocess.Popen
        The server.
    address : str
        What to open in the browser.
    out : Path
        Folder of the labels.
    """

    def __init__(self, process: subprocess.Popen[str], address: str, out: Path) -> None:
        self._process, self.address, self.out = process, address, out
        atexit.register(self.close)

    @property
    def labels(self) -> pd.DataFrame:
        """What a person said so far, as it is on the disk.

        Returns
        -------
        DataFrame
            ``item``, ``label`` (none where it was set aside), ``kind`` (``taught``, ``confirmed`` or ``aside``), ``when``.
        """
        with Journal.read_only(self.out / FILE) as journal:
            state = replay(journal.events)
        rows = [
            (item, None if mark.kind == ASIDE else state.title(mark.key), mark.kind, mark.at) for item, mark in state.marks.items()
        ]
        return pd.DataFrame(rows, columns=["item", "label", "kind", "when"])

    def wait(self) -> None:
        """Wait until the server ends."""
        self._process.wait()

    def close(self) -> None:
        """End the server; every label is on the disk."""
        atexit.unregister(self.close)
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Review:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _repr_html_(self) -> str:
        return f'<a href="{self.address}" target="_blank" rel="noopener">Open the page</a>, labels are kept in {self.out.name}'


def review(
    source: str | Path,
    out: str | Path = "out",
    *,
    encoder: str | Path | None = None,
    examples: str | Path | None = None,
    classes: Sequence[str] = (),
    column: str | None = None,
    label_column: str | None = None,
    id_column: str | None = None,
    open_browser: bool = True,
) -> Review:
    """Open a page in which a person labels a pile, and sees the rest follow.

    Parameters
    ----------
    source : path
        What `sibyl.label` takes, or the output folder of an earlier review.
    out : path
        Folder for the labels.
    encoder, examples, column, label_column, id_column
        As for `sibyl.label`; no example is needed.
    classes : sequence of str
        Names of classes that are known from the start.
    open_browser : bool
        Whether to open the page in the browser.

    Returns
    -------
    Review
        Its ``labels`` are a DataFrame at any time; ``close()`` ends it.

    Raises
    ------
    DataError
        If the pile or the folder is not as expected; the sentence is that of the command.
    MissingExtra
        If starlette or uvicorn is not installed.
    """
    need_server()
    options = {
        "--encoder": encoder,
        "--examples": examples,
        "--column": column,
        "--label-column": label_column,
        "--id-column": id_column,
    }
    command = [sys.executable, "-m", "sibyl.reviewing.serve", str(source), str(out)]
    command += [part for name, value in options.items() if value is not None for part in (name, str(value))]
    command += [part for name in classes for part in ("--class", name)]
    command += [] if open_browser else ["--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    told = process.stdout.readline().strip()
    if not told.startswith("http://"):
        process.wait()
        process.stdout.close()
        raise DataError(told or "the server did not start; its message stands above")
    return Review(process, told, Path(out))
