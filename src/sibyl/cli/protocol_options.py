"""Options that a named protocol settles: given otherwise on the command line, they are refused."""

from __future__ import annotations

from collections.abc import Mapping

import typer
from typer.core import TyperCommand

from sibyl.errors import DataError


class CommandWithContext(TyperCommand):
    """A command whose context is what its annotation says, `typer.Context`; typer itself hands over that class's parent."""

    context_class = typer.Context


def check_protocol_options(context: typer.Context, protocol: str, settled: Mapping[str, object]) -> None:
    """Raise `DataError` for the first option that was given with another value than `protocol` settles.

    Parameters
    ----------
    context : typer.Context
        Of the running command: what was given, and whether it was given at all.
    protocol : str
        Its name.
    settled : mapping of str to object
        Name of a parameter of the command → the protocol's value.
    """
    for name, value in settled.items():
        source, given = context.get_parameter_source(name), context.params[name]
        # By its name: some versions of typer bring a click of their own, whose enumeration is another one.
        if source is not None and source.name == "COMMANDLINE" and given != value:
            option = "--" + name.replace("_", "-")
            what, instead = (option, "not") if given is True else (f"{option} {given}", value)
            raise DataError(
                f"{what} was given, but protocol {protocol} says {instead}; leave out {option}, or --protocol {protocol}"
            )
