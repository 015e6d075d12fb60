"""`sibyl meta-train`: train a method over episodes of a features folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sibyl.cli.commands import app
from sibyl.cli.progress import progress_bar
from sibyl.cli.protocol_options import CommandWithContext, check_protocol_options
from sibyl.cli.tables import percent, show_json, show_table


@app.command(
    "meta-train",
    cls=CommandWithContext,
    epilog="Example: sibyl meta-train features/train --validation features/val --out runs/sib-1shot --shot 1 --iterations 20000",
)
def meta_train_command(
    context: typer.Context,
    features: Annotated[str, typer.Argument(help="Features of the training classes.")],
    validation: Annotated[str, typer.Option(help="Features of the validation classes; none may be a training class.")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and progress; an interrupted run there goes on.")],
    method: Annotated[str, typer.Option(help="A method that has parameters.")] = "sib",
    way: Annotated[int, typer.Option(help="Classes per episode.")] = 5,
    shot: Annotated[int, typer.Option(help="Labelled items per class.")] = 1,
    query: Annotated[int, typer.Option(help="Unlabelled items per class, on average.")] = 15,
    mix: Annotated[str, typer.Option(help="Class mix of the queries: balanced, dirichlet:A or one-class.")] = "balanced",
    steps: Annotated[int, typer.Option(help="sib: synthetic-gradient steps K.")] = 3,
    step_size: Annotated[float, typer.Option(help="sib: step size of those steps.")] = 1e-3,
    reduction: Annotated[str, typer.Option(help="sib: sum or mean over queries.")] = "sum",
    normalisation: Annotated[str, typer.Option(help="sib: batch (published) or episode.")] = "batch",
    prior: Annotated[bool, typer.Option("--prior/--no-prior", help="sib: learned prior in updates and loss.")] = False,
    kl_weight: Annotated[float, typer.Option(help="sib: weight of the prior's KL term; 1 is the bound.")] = 1.0,
    views: Annotated[bool, typer.Option("--views/--no-views", help="Train on the augmented views, where there are some.")] = False,
    iterations: Annotated[int, typer.Option(help="Optimiser steps.")] = 50_000,
    episodes: Annotated[int, typer.Option(help="Episodes per step.")] = 1,
    optimizer: Annotated[str, typer.Option(help="sgd (Nesterov 0.9) or adamw.")] = "sgd",
    rate: Annotated[float, typer.Option(help="Learning rate.")] = 1e-3,
    weight_decay: Annotated[float, typer.Option(help="Weight decay.")] = 5e-4,
    schedule: Annotated[str, typer.Option(help="constant or cosine.")] = "constant",
    validate_every: Annotated[int, typer.Option(help="Iterations between validations.")] = 1000,
    validation_episodes: Annotated[int, typer.Option(help="Fixed validation episodes.")] = 500,
    protocol: Annotated[
        str, typer.Option(help="Named protocol, such as sib: it settles ways, queries, their mix and validation.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Of weights and episodes.")] = 0,
    seeds: Annotated[
        int, typer.Option(help="Train so many times, from --seed on, each in a folder of its own below --out.", min=1)
    ] = 1,
    device: Annotated[str, typer.Option(help="Where to train: cpu, cuda, or cuda:1 for the second GPU.")] = "cpu",
    save_every: Annotated[
        float, typer.Option(help="Seconds between saved states, from which an interrupted run goes on.", min=0)
    ] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Meta-train a method; the defaults are SIB's published protocol."""
    import numpy as np
    import torch

    from sibyl.devices import usable_device
    from sibyl.episodes import EpisodeSampler
    from sibyl.errors import UnknownName
    from sibyl.evaluation import Evaluation, evaluate, interval
    from sibyl.features import check_disjoint
    from sibyl.methods import METHODS, LearnedMethod
    from sibyl.methods.named import untrained
    from sibyl.methods.sib import SIB
    from sibyl.sources.feature_files import load_features
    from sibyl.storage import Json
    from sibyl.training.meta_train import MetaRecipe, meta_train
    from sibyl.training.protocols import meta_test_protocol

    if protocol:
        settled = meta_test_protocol(protocol)
        way, query, mix = settled.n_way, settled.n_query, "balanced"
        validate_every, validation_episodes = settled.validate_every(iterations), settled.validation_episodes
        check_protocol_options(
            context, protocol,
            {
                "way": way, "query": query, "mix": mix, "validate_every": validate_every,
                "validation_episodes": validation_episodes,
            },
        )  # fmt: skip
    device = usable_device(device)
    train, held_out = load_features(features), load_features(validation)
    check_disjoint({"training": train.class_names, "validation": held_out.class_names})
    train.check_finite()
    held_out.check_finite()
    if method not in METHODS:
        raise UnknownName("method", method, METHODS)
    fixed = EpisodeSampler(held_out, n_way=way, n_shot=shot, n_query=query, class_mix=mix, seed=0)
    recipe = MetaRecipe(iterations, episodes, optimizer, rate, weight_decay, schedule, validate_every)
    card: Json = {"features": train.provenance, "way": way, "shot": shot, "query": query, "mix": mix, "views": views}

    def validated(candidate: LearnedMethod) -> Evaluation:
        return evaluate(candidate, fixed, validation_episodes, device=device)

    def validate(candidate: LearnedMethod) -> float:
        return float(validated(candidate).accuracy.mean())

    def trained(seed: int, folder: Path) -> Json:
        if method == SIB.name:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                network: LearnedMethod = SIB(train.dim, way, steps, step_size, reduction, normalisation, prior, kl_weight)
        else:
            network = untrained(method, train.dim, way, seed)
        source = EpisodeSampler(train, n_way=way, n_shot=shot, n_query=query, class_mix=mix, seed=seed + 1, views=views)
        with progress_bar(f"meta-train {method}" + (f", seed {seed}" if seeds > 1 else ""), shown=not as_json) as report:

            def on_step(done: int, total: int, line: Json) -> None:
                if done % 20 == 0 or done == total:
                    note = f"loss {line['loss']:.3f} validation {percent(line['validation'])}" if "validation" in line else ""
                    if "kl" in line:
                        note += f" (likelihood term {line['negative_log_likelihood']:.3f}, KL term {line['kl']:.3f})"
                    report(done, total, note)

            last = meta_train(
                network, source, folder, recipe=recipe, validate=validate, seed=seed, card=card, on_step=on_step,
                save_every=save_every, device=device,
            )  # fmt: skip
        return {"last": str(last), "best": str(folder / "best.safetensors"), "validation": validated(network).summary()}

    title = f"{method}: {way}-way {shot}-shot, {iterations} iterations"
    if seeds > 1:
        runs: list[Json] = [{"seed": one, **trained(one, out / f"seed-{one}")} for one in range(seed, seed + seeds)]
        mean, half = interval(np.array([run["validation"]["accuracy"] for run in runs]))
        if as_json:
            show_json({"runs": runs, "validation": {"seeds": seeds, "accuracy": mean, "interval": half}})
            return
        rows = [[f"seed {run['seed']}", percent(run["validation"]["accuracy"], run["validation"]["interval"])] for run in runs]
        show_table(f"{title}, {seeds} seeds", ["", "validation accuracy"], [*rows, ["mean over seeds", percent(mean, half)]])
        return
    summary = trained(seed, out)
    if as_json:
        show_json(summary)
        return
    result = summary["validation"]
    rows = [["validation accuracy, last iteration", percent(result["accuracy"], result["interval"])]]
    if "gain" in result:
        rows.append(["  without the other queries", percent(result["inductive_accuracy"], result["inductive_interval"])])
    rows += [["last checkpoint", summary["last"]], ["best checkpoint", summary["best"]]]
    show_table(title, ["", ""], rows)
