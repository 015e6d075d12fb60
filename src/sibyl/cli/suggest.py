"""`sibyl suggest`: which items to label next, and when to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sibyl.cli.commands import app
from sibyl.cli.tables import show_json

WHAT_NEXT = (
    "Label these items first: in a table with the columns item,label, for sibyl label {0} --examples TABLE; or in sibyl review {0}"
)


@app.command("suggest", epilog="Example: sibyl suggest out/; before any label: sibyl suggest photos/ --number 24")
def suggest_command(
    out: Annotated[
        Path,
        typer.Argument(help="Output folder of sibyl label; or a pile of which nothing is labelled yet.", show_default=False),
    ],
    number: Annotated[int, typer.Option(help="Items to name.", min=1)] = 10,
    encoder: Annotated[
        str | None, typer.Option(help="For a pile: what turns items into features; sibyl encoders lists them.", show_default=False)
    ] = None,
    column: Annotated[str | None, typer.Option(help="For a table: its column with the texts.", show_default=False)] = None,
    id_column: Annotated[
        str | None, typer.Option(help="For a table: its column with the items' names.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Name the items whose label would help most, and why: in doubt, little like any example so far, or perhaps of a class
    without an example.

    Write their labels into OUT/corrections.csv (columns item,label) and run the same sibyl label again, or ask again at once.

    Of a pile without any label it names the items that stand for it, the most representative first. Write their labels into a table
    (columns item,label), and let the others follow: sibyl label PILE --examples TABLE.
    """
    from dataclasses import asdict

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from sibyl.labeling.first_items import first_of_pile
    from sibyl.labeling.next_labels import holds_run, next_labels
    from sibyl.messages import percent, printable

    if not holds_run(out):
        items = first_of_pile(
            out, number, encoder, column=column, id_column=id_column, console=None if as_json else Console(stderr=True)
        )
        if as_json:
            show_json({"items": list(items)})
        else:
            for item in items:
                typer.echo(printable(item))
            typer.echo(printable(WHAT_NEXT.format(out)), err=True)
        return
    found = next_labels(out, number)
    if as_json:
        show_json(asdict(found))
        return
    table = Table("item", "now", "sure", "why", box=None, pad_edge=False)
    for one in found.items:
        table.add_row(*(escape(printable(text)) for text in (one.item, one.label, percent(one.confidence), one.why)))
    console = Console()
    console.print(table)
    console.print(printable(found.advice), highlight=False, markup=False, soft_wrap=True)
