"""`sibyl demo`: meta-train on rendered characters, read real handwriting from one label per digit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sibyl.cli.commands import app
from sibyl.cli.tables import percent, show_json, show_table


@app.command("demo", epilog="Example: sibyl demo --out demo/")
def demo_command(
    out: Annotated[Path, typer.Option(help="Folder for the network, the pictures and summary.json.")] = Path("demo"),
    draws: Annotated[int, typer.Option(help="Draws of the ten labelled images.", min=2)] = 20,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Show the whole system, offline, in two to three minutes on one core: characters of many scripts teach SIB how unlabelled images
    help; then it reads scikit-learn's 1,797 real handwritten digits from one labelled image of each.
    """
    from rich.console import Console
    from rich.progress import TaskID, TextColumn, TimeElapsedColumn

    from sibyl.cli.progress import stage_lines
    from sibyl.stages import TimeLeft, bars, stage

    console = Console(stderr=True)
    with stage(None if as_json else console, "loading libraries; the first time takes some seconds"):
        from sibyl.demo import run_demo
        from sibyl.demo_pictures import draw_all
        from sibyl.messages import counted
        from sibyl.storage import write_json

    has_bars = console.is_terminal and not as_json
    lines = stage_lines(Console(stderr=True, quiet=as_json))
    columns = TimeElapsedColumn(), TimeLeft(), TextColumn("{task.fields[note]}")
    with bars(console, *columns, shown=has_bars) as progress:
        drawn: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int, note: str) -> None:
            if not has_bars:
                lines(stage, done, total, note)
                return
            if stage not in drawn:
                drawn[stage] = progress.add_task(stage, total=total, note="")
            progress.update(drawn[stage], completed=done, total=total, note=note)

        result = run_demo(out / "network", report, n_draws=draws, seed=seed)
        pictures = draw_all(result, out)
    summary = result.summary()
    write_json(out / "summary.json", summary)
    if as_json:
        show_json(summary)
        return
    shown = summary["shown_draw"]
    rows = [
        ["before: each image alone", percent(summary["inductive"], summary["inductive_interval"])],
        [
            f"after {counted(len(summary['steps']) - 1, 'step')}: with the unlabelled images",
            percent(summary["transductive"], summary["transductive_interval"]),
        ],
        ["gain, paired by draw", percent(summary["gain"], summary["gain_interval"])],
        ["universal SIB, as it ships, no class prior", percent(summary["universal"], summary["universal_interval"])],
        ["draw of median gain: corrected / made wrong", f"{shown['mended']} / {shown['spoiled']}"],
    ]
    show_table(f"{summary['unlabelled']:,} digits from 10 labelled ones, {draws} draws", ["accuracy", ""], rows)
    steps = [
        [str(row["step"]), f"{row['cosine']:.2f}" if "cosine" in row else "", f"{row['loss']:.2f}", percent(row["accuracy"])]
        for row in summary["steps"]
    ]
    show_table("Step by step", ["step", "cosine to the true gradient", "loss", "accuracy"], steps)
    typer.echo("Look at " + " and ".join(str(path) for path in pictures))
    typer.echo(
        "Label a pile of your own in the browser: sibyl review PILE (a folder of images, texts or clips, a table, or features)"
    )
