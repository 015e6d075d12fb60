"""The `sibyl` command. One file per verb; heavy libraries are imported inside the verbs, so that --help answers at once."""

from __future__ import annotations

import sys

import typer

from sibyl.errors import SibylError

app = typer.Typer(
    name="sibyl",
    help="Learn a classification task from one labelled example per class, and let the unlabelled rest teach.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def main() -> None:
    """Run the command line; a mistake of the user's ends with one sentence and exit code 2."""
    try:
        app()
    except SibylError as error:
        typer.echo(f"sibyl: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("sibyl: interrupted; finished work is kept, the same command goes on from there", err=True)
        sys.exit(130)


# The verbs register themselves with `app`.
from sibyl.cli import compare, demo, embed, encoders, evaluate, label, meta_train, pretrain, review, suggest  # noqa: E402, F401
