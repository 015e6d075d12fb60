"""What the verbs register with: the Typer object of `sibyl`, and the options that stand before a verb."""

from __future__ import annotations

from typing import Annotated

import typer

from sibyl import __version__

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
