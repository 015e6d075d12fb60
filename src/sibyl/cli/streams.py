"""Standard output and the terminal, as they may be found: in another encoding, without a width, closed or full."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress


def prepare_streams() -> None:
    """Make sure that no letter and no setting of the terminal can stop a command.

    What the encoding of a stream does not hold is written as escapes; widths that are none are passed over.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    for name in ("COLUMNS", "LINES"):
        if name in os.environ and not (os.environ[name].isdecimal() and int(os.environ[name]) > 0):
            del os.environ[name]


def silence_output() -> None:
    """Send what still waits for standard output to nowhere: Python would complain at its exit that it cannot be written."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError, io.UnsupportedOperation):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
