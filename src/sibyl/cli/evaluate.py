"""`sibyl evaluate`: a method or a checkpoint on episodes of a features folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sibyl.cli.commands import app
from sibyl.cli.progress import progress_bar
from sibyl.cli.protocol_options import CommandWithContext, check_protocol_options
from sibyl.cli.tables import percent, show_json, show_table
from sibyl.messages import counted


@app.command(
    "evaluate",
    cls=CommandWithContext,
    epilog="Example: sibyl evaluate features/test --method class_mean --shot 1 --episodes 2000 --save results/class_mean.npz",
)
def evaluate_command(
    context: typer.Context,
    features: Annotated[
        str, typer.Argument(help="Features folder (made by: sibyl embed), or a .npy .npz .safetensors .parquet file.")
    ],
    method: Annotated[str, typer.Option(help="Name of a method, or a checkpoint written by sibyl meta-train.")] = "class_mean",
    way: Annotated[int, typer.Option(help="Classes per episode.")] = 5,
    shot: Annotated[int, typer.Option(help="Labelled items per class.")] = 1,
    query: Annotated[int, typer.Option(help="Unlabelled items per class, on average.")] = 15,
    mix: Annotated[str, typer.Option(help="Class mix of the queries: balanced, dirichlet:A or one-class.")] = "balanced",
    absent: Annotated[int, typer.Option(help="Classes without any query.")] = 0,
    outliers: Annotated[float, typer.Option(help="Share of queries that belong to none of the classes.")] = 0.0,
    told_balanced: Annotated[bool, typer.Option("--told-balanced", help="Tell the method that queries are balanced.")] = False,
    episodes: Annotated[int, typer.Option(help="Number of episodes.")] = 2000,
    batch: Annotated[int, typer.Option(help="Episodes solved at once.")] = 32,
    seed: Annotated[int, typer.Option(help="Chooses the episodes.")] = 0,
    protocol: Annotated[
        str, typer.Option(help="Named protocol, such as sib: it settles ways, queries, their mix, episodes and seed.")
    ] = "",
    device: Annotated[str, typer.Option(help="Where to solve: cpu, cuda, or cuda:1 for the second GPU.")] = "cpu",
    save: Annotated[Path | None, typer.Option(help="Write per-episode results here (.npz), for pairing methods.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Measure a method on random episodes: accuracy with its 95 % interval, calibration, speed."""
    from torch.nn import Module

    from sibyl.devices import usable_device
    from sibyl.episodes import EpisodeSampler
    from sibyl.evaluation import evaluate
    from sibyl.methods.named import method_by_name
    from sibyl.sources.feature_files import load_features
    from sibyl.training.protocols import meta_test_protocol

    if protocol:
        settled = meta_test_protocol(protocol)
        way, query, mix, absent, outliers = settled.n_way, settled.n_query, "balanced", 0, 0.0
        episodes, seed, told_balanced = settled.test_episodes, settled.test_seed, False
        check_protocol_options(
            context, protocol,
            {
                "way": way, "query": query, "mix": mix, "absent": absent, "outliers": outliers, "episodes": episodes, "seed": seed,
                "told_balanced": told_balanced,
            },
        )  # fmt: skip
    device = usable_device(device)
    data = load_features(features)
    data.check_finite()
    sampler = EpisodeSampler(
        data, n_way=way, n_shot=shot, n_query=query, class_mix=mix, n_absent=absent, outlier_share=outliers, seed=seed
    )
    solver = method_by_name(method, data.dim, way)
    if isinstance(solver, Module):
        solver.to(device)
    with progress_bar(f"evaluate {solver.name}", shown=not as_json) as report:
        prior = "balanced" if told_balanced else None
        result = evaluate(solver, sampler, episodes, batch_size=batch, class_prior=prior, device=device, on_batch=report)
    if save is not None:
        result.save(save)
    figures = result.summary()
    if as_json:
        setting = {"way": way, "shot": shot, "query": query, "mix": mix, "seed": seed}
        show_json({"method": solver.name, "protocol": protocol or None, **setting, **figures})
        return
    rows = [["accuracy", percent(figures["accuracy"], figures["interval"])]]
    if "gain" in figures:
        rows.append(["  without the other queries", percent(figures["inductive_accuracy"], figures["inductive_interval"])])
        rows.append(["  gain, paired by episode", percent(figures["gain"], figures["gain_interval"])])
    rows.append(["expected calibration error", percent(figures["ece"])])
    rows.append(["negative log-likelihood", f"{figures['nll']:.4f}"])
    if "auroc" in figures:
        rows.append(["outlier AUROC", percent(figures["auroc"], figures["auroc_interval"])])
    rows.append(["tasks per second", f"{figures['tasks_per_second']:.0f}"])
    queries, drawn = counted(query, "query", "queries"), counted(episodes, "episode")
    show_table(f"{solver.name}: {way}-way {shot}-shot, {queries} a class, {mix}, {drawn}", ["", ""], rows)
