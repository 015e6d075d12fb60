"""`sibyl review`: a page in which a person labels a pile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sibyl.cli.commands import app


@app.command("review", epilog="Example: sibyl review photos/ --out out/")
def review_command(
    source: Annotated[
        Path,
        typer.Argument(
            help="Folder of images, texts or clips; a table; features; or the output folder of an earlier review or label.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the labels; out/ by default, or the folder that is taken up.", show_default=False),
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="What turns items into features; sibyl encoders lists them.", show_default=False)
    ] = None,
    examples: Annotated[
        Path | None, typer.Option(help="Table with the columns item,label: labels to begin with.", show_default=False)
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="Names of classes that are known: A,B,C, or a file with one a line.", show_default=False),
    ] = None,
    column: Annotated[str | None, typer.Option(help="Column of a table that holds the texts.", show_default=False)] = None,
    label_column: Annotated[str | None, typer.Option(help="Column with labels that are known.", show_default=False)] = None,
    id_column: Annotated[str | None, typer.Option(help="Column with the items' names.", show_default=False)] = None,
    method: Annotated[str | None, typer.Option(help="What solves the task.", show_default=False)] = None,
    balanced: Annotated[bool, typer.Option("--balanced", help="Tell the method that all classes are equally frequent.")] = False,
    port: Annotated[int, typer.Option(help="Port on this machine; 0 takes any free one.", min=0, max=65535)] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
) -> None:
    """Open a page in the browser, on this machine alone: name a few items, see the rest follow, correct with one key, know how right it is.

    No examples are needed: the page begins with items that stand for the pile. Every label is on the disk before it counts as saved
    (OUT/review.jsonl); the same command goes on later. Finish writes what sibyl label writes.
    """
    from sibyl.labeling.file_names import RUN, check_replaceable_outputs, check_same_pile
    from sibyl.reviewing.journal import FILE
    from sibyl.reviewing.pile import Opening
    from sibyl.reviewing.serve import serve

    is_run = any((source / name).is_file() for name in (FILE, RUN))
    opening = Opening(
        path=str(source),
        out=str(out or (source if is_run else Path("out"))),
        encoder=encoder,
        examples=None if examples is None else str(examples.absolute()),
        column=column,
        label_column=label_column,
        id_column=id_column,
        method=method,
        balanced=balanced,
    )

    if not is_run:
        check_replaceable_outputs(opening.out, [opening.path])
        check_same_pile(opening.out, source)

    def told(address: str) -> None:
        typer.echo(
            f"Open {address}\nLabels are kept in {Path(opening.out).absolute()}. Ctrl+C ends; the same command goes on later."
        )

    serve(opening, port=port, open_browser=not no_browser, classes=_names(classes), told=told, say=typer.echo)


def _names(given: str | None) -> list[str]:
    if given is None:
        return []
    path = Path(given)
    if path.is_file():
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    return [name.strip() for name in given.split(",") if name.strip()]
