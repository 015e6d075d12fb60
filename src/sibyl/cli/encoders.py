"""`sibyl encoders`: the encoders that are known by name, and whether they are ready on this
machine.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from sibyl.cli.commands import app
from sibyl.cli.tables import show_json


@app.command("encoders", epilog="Example: sibyl label photos/ --encoder transformers:facebook/dinov2-small …")
def encoders_command(
    modality: Annotated[str | None, typer.Argument(help="image, text or audio; all when left out.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """List the encoders by name, what each reads and needs. The first that is ready is the default
    of its modality.

    Any other model of these libraries works as library:model or library:folder, and so does any
    ONNX file.
    """
    from sibyl.encoders.catalogue import KNOWN
    from sibyl.errors import UnknownName

    modalities = tuple(dict.fromkeys(known.modality for known in KNOWN))
    if modality is not None and modality not in modalities:
        raise UnknownName("modality", modality, modalities)
    chosen = [known for known in KNOWN if modality in (None, known.modality)]
    defaults = {kind: next(known.name for known in KNOWN if known.modality == kind and known.is_ready) for kind in modalities}
    rows = [
        {
            "name": known.name,
            "modality": known.modality,
            "ready": known.is_ready,
            "default": defaults[known.modality] == known.name,
            "needs": known.needs,
            "remark": known.remark,
            "measured": None if known.measured is None else asdict(known.measured),
        }
        for known in chosen
    ]
    if as_json:
        show_json({"encoders": rows})
        return
    for kind in modalities:
        of_kind = [known for known in chosen if known.modality == kind]
        of_kind.sort(key=lambda known: not known.is_ready)  # the default first: it is the first of the catalogue that is ready
        if of_kind:
            typer.echo(f"\n{kind}")
        for known in of_kind:
            state = " (default here)" if known.name == defaults[kind] else " (ready)" if known.is_ready else ""
            typer.echo(f"  {known.name}{state}\n      {known.remark}")
            if known.measured:
                typer.echo(f"      measured: {known.measured}")
            if known.needs:
                typer.echo(f"      needs {known.needs}")
    typer.echo("\nMeasured: share of right labels from one labelled example of each class, the other items unlabelled;")
    typer.echo("milliseconds on one core, reading included. Networks for images were trained on ImageNet or more, so they")
    typer.echo("have seen photographs of many common things.")
    typer.echo("Also any model as library:model or library:folder, any ONNX file, any backbone of sibyl pretrain.")
