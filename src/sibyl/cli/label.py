"""`sibyl label`: from a pile of data and one labelled example per class to labels for all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sibyl.cli.commands import app
from sibyl.cli.tables import show_json

if TYPE_CHECKING:
    from sibyl.labeling.report import Summary


@app.command(
    "label",
    epilog="Example: sibyl label photos/ --examples examples.csv --encoder encoder.onnx --out out/",
)
def label_command(
    source: Annotated[
        str,
        typer.Argument(
            help="Folder of images, texts or clips; a table (csv, tsv, jsonl, parquet); features (npy, npz, safetensors, parquet); or a "
            "folder of parquet shards with features, also s3://, gs://, hdfs://.",
            show_default=False,
        ),
    ],
    out: Annotated[
        str,
        typer.Option(help="Folder for labels.csv, report.html, summary.json; out/labels.parquet or .jsonl chooses the format."),
    ],
    examples: Annotated[
        Path | None,
        typer.Option(help="Table with the columns item,label: at least one item of each class.", show_default=False),
    ] = None,
    example: Annotated[
        list[str] | None,
        typer.Option(help="One example, CLASS=ITEM (cat=photos/12.jpg); may be repeated.", show_default=False),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="What turns items into features; sibyl encoders lists them. Tables and features need none.", show_default=False
        ),
    ] = None,
    earlier: Annotated[
        Path | None,
        typer.Option("--with", help="Output folder of an earlier run, whose classifier labels these items.", show_default=False),
    ] = None,
    export: Annotated[
        list[str] | None,
        typer.Option(
            help="Write for another tool into OUT: folders, links, label-studio, fiftyone, cleanlab, datasets, onnx; may be repeated.",
            show_default=False,
        ),
    ] = None,
    column: Annotated[str | None, typer.Option(help="Column of a table that holds the texts.", show_default=False)] = None,
    label_column: Annotated[
        str | None, typer.Option(help="Column with the labels that are known; blanks are to be labelled.", show_default=False)
    ] = None,
    id_column: Annotated[str | None, typer.Option(help="Column with the items' names.", show_default=False)] = None,
    kind: Annotated[
        str | None,
        typer.Option(help="What the source holds, if it is not plain: image, audio, text, table, features.", show_default=False),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Column of a table to ignore; may be repeated.", show_default=False)
    ] = None,
    keep_columns: Annotated[bool, typer.Option("--keep-columns", help="Write a table's own columns into labels.csv, too.")] = False,
    method: Annotated[
        str | None, typer.Option(help="Method that solves the task; the default suits any class mix.", show_default=False)
    ] = None,
    balanced: Annotated[bool, typer.Option("--balanced", help="Tell the method that all classes are equally frequent.")] = False,
    mix: Annotated[
        str | None,
        typer.Option(
            help="What is known of the class mix: a random sample's counts (cat=60,dog=30), exact shares (cat=70%,dog=30%) or words "
            "(fraud=rare).",
            show_default=False,
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="Names of the classes (travel,billing), or a table class,description; for encoders that read names, and without examples too.",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="What processes a folder of parquet shards: local (threads of this process) or ray (experimental).",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Threads or Ray actors, for shards.", min=1, show_default=False)] = None,
    ray_address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster that runs, for shards.", show_default=False)
    ] = None,
    batch: Annotated[int, typer.Option(help="Items encoded at once.", min=1)] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
) -> None:
    """Label images, texts, clips, a table or features from one labelled example per class.

    Examples come from --examples, from --example, or, without either, from the source itself: sub-folders named after classes, or a
    label column with blanks. out/labels.csv has one line for every item found; out/report.html shows them. Corrections saved as
    out/corrections….csv count as examples in the next run. Features are kept in a cache ($SIBYL_CACHE): a second run takes seconds.
    """
    import shlex
    import sys
    import time

    began = time.perf_counter()  # imports are most of a second run, and the time that is shown counts them
    from rich.console import Console

    from sibyl.stages import stage

    console, named = None if as_json else Console(stderr=True), [_pair(one) for one in example or []]
    command = shlex.join(["sibyl", *sys.argv[1:]])
    if engine is not None or workers is not None or ray_address is not None or _is_sharded(source, out):
        from sibyl.sharding.label import label_shards

        unused = {
            "--encoder": encoder, "--export": export, "--label-column": label_column, "--kind": kind, "--ignore": ignore,
            "--keep-columns": keep_columns, "--classes": classes,
        }  # fmt: skip
        _refuse(source, [name for name, value in unused.items() if value])
        _show(
            label_shards(
                source, examples, out, named=named, earlier=earlier, column=column, id_column=id_column,
                method=method, class_prior=_known_mix(balanced, mix), engine=engine or "local", workers=workers, ray_address=ray_address,
                console=console, command=command,
            ),
            as_json,
        )  # fmt: skip
        return

    with stage(console if console is not None and console.is_terminal else None, "loading libraries"):
        from sibyl.labeling.given import check_named
        from sibyl.labeling.request import LabelRequest

        request = LabelRequest(
            source, examples, encoder, out, earlier, export or [], column, label_column, id_column, kind, ignore or [], keep_columns, method,
            class_prior=_known_mix(balanced, mix), classes=classes, batch_size=batch, console=console, named=named, command=command,
            began=began,
        )  # fmt: skip
        if earlier is None:
            check_named(request)  # before the larger libraries are imported, which takes seconds

        from sibyl.labeling.label import label_and_write

    _, summary = label_and_write(request)
    _show(summary, as_json)


def _is_sharded(source: str, out: str) -> bool:
    """Whether shards are labelled; most sources are known by their first file, before anything is imported."""
    if "://" in source or "://" in out:
        return True
    files = (Path(folder) / name for folder, _, names in os.walk(source) for name in names if name[:1] not in "._")
    first = next(files, None)
    if first is None or first.suffix.lower() != ".parquet":
        return False
    from sibyl.sources.shards import holds_shards

    return holds_shards(source)


def _refuse(source: str, options: list[str]) -> None:
    from sibyl.errors import DataError

    if options:
        raise DataError(f"{source}: is labelled shard by shard, which takes features alone; leave {options[0]} out")


def _show(summary: Summary, as_json: bool) -> None:
    from rich.console import Console

    from sibyl.labeling.report import print_summary

    if as_json:
        show_json(summary.to_json())
    else:
        print_summary(Console(), summary)


def _known_mix(balanced: bool, mix: str | None) -> object:
    if mix is None:
        return "balanced" if balanced else None

    from sibyl.errors import DataError
    from sibyl.transduction.class_prior import read_mix

    if balanced:
        raise DataError("give --balanced or --mix, not both: they say different things of the class mix")
    return read_mix(mix)


def _pair(written: str) -> tuple[str, str]:
    """Take CLASS=ITEM apart."""
    from sibyl.errors import DataError

    name, equals, item = written.partition("=")
    if not (name.strip() and equals and item):
        raise DataError(f"--example {written!r}: expected CLASS=ITEM, as in cat=photos/12.jpg")
    return item, name.strip()
