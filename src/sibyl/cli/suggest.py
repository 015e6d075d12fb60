"""`sibyl suggest`: which items to label next, and when to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sibyl.cli.app import app
from sibyl.cli.tables import show_json


@app.command("suggest", epilog="Example: sibyl suggest out/")
def suggest_command(
    out: Annotated[Path, typer.Argument(help="Output folder of sibyl label.", show_default=False)],
    number: Annotated[int, typer.Option(help="Items to name.", min=1)] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Name the items whose label would help most: unsure, unlike each other, or perhaps of a class without an example.

    Write their labels into OUT/corrections.csv (columns item,label) and run the same sibyl label again, or ask again at once.
    """
    from dataclasses import asdict

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from sibyl.labeling.next_labels import next_labels
    from sibyl.wording import printable

    found = next_labels(out, number)
    if as_json:
        show_json(asdict(found))
        return
    table = Table("item", "now", "sure", "why", box=None, pad_edge=False)
    for one in found.items:
        table.add_row(*(escape(printable(text)) for text in (one.item, one.label, f"{one.confidence:.0%}", one.why)))
    console = Console()
    console.print(table)
    console.print(printable(found.advice), highlight=False, markup=False, soft_wrap=True)
