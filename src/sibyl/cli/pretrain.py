"""`sibyl pretrain`: train a backbone on the base classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sibyl.cli.commands import app
from sibyl.cli.embed import read_images
from sibyl.cli.progress import progress_bar
from sibyl.cli.tables import percent, show_json, show_table


@app.command("pretrain", epilog="Example: sibyl pretrain cifar-fs --backbone conv4-64 --recipe one-cycle --out runs/conv4")
def pretrain_command(
    source: Annotated[str, typer.Argument(help="Name of a dataset, or a folder with train/ and val/ class folders.")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and progress; an interrupted run there goes on.")],
    backbone: Annotated[str, typer.Option(help="conv4-64, conv4-128, resnet12 or wrn-28-10.")] = "conv4-64",
    recipe: Annotated[
        str, typer.Option(help="published, one-cycle, one-cycle-rotation or drawings (neither mirrored nor coloured).")
    ] = "one-cycle",
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's number.", min=1)] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="Of the convolutions while training, float32 or bfloat16; the recipe's without it. bfloat16 is slow on processors that "
            "lack it.",
            show_default=False,
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Of the images, in pixels; a folder's are made 32 and a data set's its usual size without it."),
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Where a named dataset's files lie.")] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Download a named dataset that is not there.")] = False,
    episodes: Annotated[int, typer.Option(help="Fixed validation episodes after each epoch (5-way 1-shot, class mean).")] = 1000,
    seed: Annotated[int, typer.Option(help="Of weights, order and augmentation.")] = 0,
    save_every: Annotated[
        float, typer.Option(help="Seconds between saved states, from which an interrupted run goes on.", min=0)
    ] = 60.0,
    device: Annotated[str, typer.Option(help="Where to train: cpu, cuda, or cuda:1 for the second GPU.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Pre-train a backbone with a cosine classifier; the epoch that is best on validation classes
    is kept.
    """
    from dataclasses import replace

    from sibyl.backbones.checkpoint import load_backbone
    from sibyl.devices import usable_device
    from sibyl.features import check_disjoint
    from sibyl.storage import Json
    from sibyl.training.pretrain import class_mean_score, get_recipe, pretrain, shortened

    settings, device = shortened(get_recipe(recipe), epochs), usable_device(device)
    if precision is not None:
        settings = replace(settings, precision=precision)
    if Path(source).is_dir():
        train = read_images(str(Path(source) / "train"), "", None, False, size, shown=not as_json)
        held_out = read_images(str(Path(source) / "val"), "", None, False, size, shown=not as_json)
    else:
        train = read_images(source, "train", root, fetch, size, shown=not as_json)
        held_out = read_images(source, "validation", root, fetch, size, shown=not as_json)
    check_disjoint({"train": train.class_names, "validation": held_out.class_names})
    with progress_bar(f"pretrain {backbone}", shown=not as_json) as report:

        def on_step(done: int, total: int, line: Json) -> None:
            note = f"epoch {line['epoch']}" + (f", best validation {percent(line['best'])}" if line["best"] >= 0 else "")
            report(done, total, note)

        score = class_mean_score(held_out, n_episodes=episodes)
        best = pretrain(
            backbone, train, out, recipe=settings, validate=score, seed=seed, on_step=on_step, save_every=save_every, device=device
        )
    card = load_backbone(best).card
    summary: Json = {"best": str(best), "epoch": card["epoch"], "validation": card["validation"]}
    if as_json:
        show_json(summary)
    else:
        rows = [
            ["best epoch", str(card["epoch"])],
            ["5-way 1-shot, validation classes", percent(card["validation"])],
            ["file", str(best)],
        ]
        show_table(f"{backbone}, {recipe}", ["", ""], rows)
