"""The `sibyl` command. One file per verb; heavy libraries are imported inside the verbs, so that --help answers at once."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import NoReturn

import typer

from sibyl.cli import compare, demo, embed, encoders, evaluate, label, meta_train, pretrain, review, suggest  # noqa: F401 - they register
from sibyl.cli.commands import app as app
from sibyl.cli.streams import prepare_streams, silence_output
from sibyl.errors import SibylError
from sibyl.messages import printable


def main() -> None:
    """Run the command line; a mistake of the user's ends with one sentence and exit code 2."""
    prepare_streams()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except SibylError as error:
        _stop(str(error), 2)
    except KeyboardInterrupt:
        _stop("interrupted; finished work is kept, the same command goes on from there", 130)
    except MemoryError:
        _stop("there is not enough memory for this; close other programs, or give less data or a smaller --batch", 2)
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        _stop(
            f"{place}the system refuses ({error.strerror or error}); check the place, its permissions and the room on the disk", 2
        )


def _stop(sentence: str, code: int) -> NoReturn:
    """End the program with a sentence, whatever the state of standard output."""
    with suppress(OSError):
        typer.echo(f"sibyl: {printable(sentence)}", err=True)
    silence_output()
    sys.exit(code)
