"""The `sibyl` command. One file per verb; heavy libraries are imported inside the verbs, so that --help answers at once."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from sibyl import __version__
from sibyl.cli.streams import prepare_streams, silence_output
from sibyl.errors import SibylError
from sibyl.messages import printable

app = typer.Typer(
    name="sibyl",
    help="Learn a classification task from one labelled example per class, and let the unlabelled rest teach.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and end.", is_eager=True, callback=lambda asked: _say_version(asked)),
    ] = False,
) -> None:
    """Learn a classification task from one labelled example per class, and let the unlabelled rest teach."""


def _say_version(asked: bool) -> bool:
    if asked:
        typer.echo(f"sibyl {__version__}")
        raise typer.Exit
    return asked


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


# The verbs register themselves with `app`.
from sibyl.cli import compare, demo, embed, encoders, evaluate, label, meta_train, pretrain, review, suggest  # noqa: E402, F401
