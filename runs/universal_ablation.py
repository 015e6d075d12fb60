"""What each learned part of universal SIB gives: leave one out, train again, and measure on validation classes.

    python runs/universal_ablation.py --features runs/universal/features --out runs/universal/ablation [--more clinc150=DIR]
        [--iterations 1500] [--episodes 100] [--part NAME ...] [--note TEXT]

Each row trains the network without one part, from the same seed and on the same episodes as the full network. What is trained and
measured is kept in the folder OUT, so a killed run goes on. Writes results/universal_ablation.json and, from it alone, the page beside.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
import torch
from experiment import RESULTS, write_record
from torch import Tensor, nn
from universal import MIXES, feature_folders, load_sets, recipe_of, untrained
from universal_outliers import OUTLIERS, fit, look

from sibyl.cli.progress import progress_bar
from sibyl.episodes import EpisodeSampler
from sibyl.evaluation import evaluate, interval
from sibyl.features import Features
from sibyl.methods.checkpoint import load_method
from sibyl.methods.universal import UniversalSIB
from sibyl.methods.universal.gradient_network import GRAPH_FEATURES, MESSAGE_FEATURES
from sibyl.storage import read_json, write_json, write_text
from sibyl.training.meta_train import meta_train
from sibyl.training.task_mixture import Ranges, TaskMixture

FULL, REFINEMENT = "full", "outlier refinement"
TASKS = 8  # of an iteration
SHOTS = (1, 5)
WEIGHT_OF_LABELLED = 1e-4  # in place of κ: class means start at the labelled rows, and these do not pull in the steps
Scores = dict[str, list[float]]


def _constant(*networks: nn.Module) -> None:
    """Keep perceptrons that answer 0 until they are trained as they are."""
    for network in networks:
        last = list(network.children())[-1]
        assert not any(bool(one.any()) for one in last.parameters())
        last.requires_grad_(False)


def _blind(columns: slice) -> Callable[[UniversalSIB], object]:
    """Show the gradient network zeros in place of these columns."""

    def hide(_: nn.Module, given: tuple[tuple[Tensor, ...]]) -> tuple[tuple[Tensor, ...]]:
        shown = list(given[0])
        shown[columns] = [torch.zeros_like(one) for one in shown[columns]]
        return (tuple(shown),)

    return lambda network: network.gradient.register_forward_pre_hook(hide)


def _scaled(field: str, factor: float) -> Callable[[UniversalSIB], object]:
    """Multiply one of the numbers that the control network gives."""
    return lambda network: network.control.register_forward_hook(
        lambda _, __, step: replace(step, **{field: factor * getattr(step, field)})
    )


def _never_given(network: UniversalSIB) -> None:
    network.prior_given = (0.0, 0.0)


def _no_gradient_network(network: UniversalSIB) -> None:
    network.gradient.leave.requires_grad_(False)  # δ = 0, and ω is the same for every row


PARTS: Mapping[str, tuple[str, Callable[[UniversalSIB], object]]] = {
    FULL: ("the network as it ships", lambda network: None),
    REFINEMENT: ("outlier scores as they are before refinement; nothing is trained again", lambda network: None),
    "control network": ("each step has learned numbers, the same for every task", lambda network: _constant(network.control.correction)),
    "class network": ("every class has the step size and the anchor of its task", lambda network: _constant(network.of_class)),
    "power network": ("one learned exponent for every task", lambda network: _constant(network.power.network)),
    "messages": ("the gradient network does not see what a row's neighbours are assigned to", _blind(MESSAGE_FEATURES)),
    "graph": ("the gradient network does not see the labels spread over the graph", _blind(GRAPH_FEATURES)),
    "prior": ("no pull of class means to their middle, no KL term", _scaled("shrinkage", 0.0)),
    "support gradient": ("labelled rows are where class means start, and do not pull in the steps", _scaled("anchor", WEIGHT_OF_LABELLED)),
    "transport": ("a class mix that is given is neither trained on nor met", _never_given),
    "gradient network": ("no offset on logits, every row counts the same", _no_gradient_network),
}  # fmt: skip


def without(part: str) -> UniversalSIB:
    """Return the untrained network without one part; `FULL` leaves out none."""
    network = untrained(6, 32, seed=0)
    if part == "prior":
        network.kl_weight = network.settings["kl_weight"] = 0.0
    PARTS[part][1](network)
    return network


def ranges_of(options: argparse.Namespace) -> Ranges:
    """Return the shapes of training tasks: those of the shipped network, or smaller ones for a short run."""
    usual = Ranges()
    if options.ways >= usual.most_ways and options.queries >= usual.most_queries:
        return usual
    return replace(usual, most_ways=options.ways, most_queries=options.queries, wide=0.0)


def train(part: str, sets: Mapping[str, Features], folder: Path, options: argparse.Namespace) -> UniversalSIB:
    """Meta-train without a part, then fit the outlier refinement with the rest frozen."""
    network, ranges = without(part), ranges_of(options)
    with progress_bar(f"train {part}") as report:
        meta_train(
            network, TaskMixture(sets, TASKS, ranges, seed=1), folder, recipe=recipe_of(options.iterations, TASKS, 3e-3),
            validate=lambda _: 0.0, seed=0, block=TASKS, on_step=lambda done, total, line: report(done, total, ""),
        )  # fmt: skip
    network.load_state_dict(load_method(folder / "last.safetensors").state_dict())
    source = TaskMixture(sets, TASKS, replace(ranges, outliers=OUTLIERS), seed=2)
    seen = [look(network.eval(), source.sample(number * TASKS, TASKS)) for number in range(options.blocks)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fit(network.second_outlier, seen, 4, 3e-3, seed=0)
    return network


def measure(network: UniversalSIB, sets: Mapping[str, Features], episodes: int, *, meets_prior: bool) -> Scores:
    """Return, in points, the accuracies of all episodes of each mix, over sets and shots, and the AUROC of outliers."""
    found: Scores = {}
    for features in sets.values():
        for shot in SHOTS:
            for mix, prior in MIXES:
                sampler = EpisodeSampler(features, n_shot=shot, class_mix=mix, seed=78)
                result = evaluate(network, sampler, episodes, class_prior=prior if meets_prior else None)
                found.setdefault(f"{mix}, prior given" if prior else mix, []).extend((100 * result.accuracy).tolist())
            sampler = EpisodeSampler(features, n_shot=shot, outlier_share=0.25, seed=78)
            auroc = evaluate(network, sampler, episodes).auroc
            assert auroc is not None
            found.setdefault("outliers (AUROC)", []).extend((100 * auroc).tolist())
    return found


def measured(
    part: str, train_sets: Mapping[str, Features], validation: Mapping[str, Features], folder: Path, options: argparse.Namespace
) -> Scores:
    """Return the scores without a part; what is already in `folder` is not measured again."""
    place = folder / f"{part.replace(' ', '-')}.json"
    settings = {name: getattr(options, name) for name in ("iterations", "episodes", "blocks", "ways", "queries")}
    settings["sets"] = [*train_sets, *validation]
    if place.is_file() and (kept := read_json(place))["settings"] == settings:
        scores: Scores = kept["scores"]
        return scores
    if part == REFINEMENT:
        network = without(FULL)
        network.load_state_dict(load_method(folder / FULL / "last.safetensors").state_dict())
    else:
        network = train(part, train_sets, folder / part.replace(" ", "-"), options)
    scores = measure(network.eval(), validation, options.episodes, meets_prior=part != "transport")
    write_json(place, {"settings": settings, "scores": scores})
    return scores


def rows_of(found: Mapping[str, Scores]) -> list[dict[str, Any]]:
    """Return mean and paired difference to the full network, with its interval, of each part and column."""
    rows = []
    for part, scores in found.items():
        row: dict[str, Any] = {"part": part, "meaning": PARTS[part][0]}
        for title, values in scores.items():
            row[title] = {"mean": float(np.mean(values))}
            if part != FULL:
                mean, half = interval(np.subtract(values, found[FULL][title]))
                row[title] |= {"difference": mean, "interval": half}
        rows.append(row)
    return rows


def page(record: dict[str, Any]) -> str:
    """The record as Markdown."""
    rows, n_episodes = record["rows"], len(SHOTS) * len(record["validation"]) * record["episodes"]
    titles = [title for title in rows[0] if title not in ("part", "meaning")]
    introduction = (
        f"Each row is a network that was meta-trained without one part: {record['iterations']:,} iterations of {TASKS} tasks of at most "
        f"{record['ways']} classes and {record['queries']} queries, seed 0, on the same episodes of training classes. Measured on validation "
        f"classes of {', '.join(record['validation'])}: 5-way, 1 and 5 shots, {record['episodes']} episodes a cell, {n_episodes:,} a column. "
        "Columns are mean accuracies in % under a class mix; the last is the AUROC of the outlier score where a quarter of the queries "
        "belongs to no class. In brackets: the difference to the full network, paired by episode, with its 95 % interval (Student's t). "
        "**Below zero the part helps.** The interval is over episodes; another seed may differ by more."
    )
    command = f"python runs/universal_ablation.py --iterations {record['iterations']} --episodes {record['episodes']} "
    command += f"--blocks {record['blocks']} --ways {record['ways']} --queries {record['queries']}"
    made = f"Made by `{command}` (with the data sets as its head says), commit {record['commit']}."
    lines = ["# Universal SIB without each of its parts"]
    for text in filter(None, (introduction, record["note"], made)):
        lines += ["", *wrap(text, 100, break_long_words=False, break_on_hyphens=False)]
    lines += ["", f"| without | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for row in rows:
        texts = []
        for title in titles:
            cell = row[title]
            change = f" ({cell['difference']:+.2f} ± {cell['interval']:.2f})" if "difference" in cell else ""
            texts.append(f"{cell['mean']:.2f}{change}")
        lines.append(f"| {'– (full network)' if row['part'] == FULL else row['part']} | {' | '.join(texts)} |")
    return (
        "\n".join([*lines, "", "What each row leaves out:", "", *(f"- {row['part']}: {row['meaning']}." for row in rows[1:])])
        + "\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True, help="folder of NAME/train* and NAME/validation")
    parser.add_argument("--more", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--validate", default="", help="names of the features that are measured, with commas between")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--iterations", type=int, default=1500)
    parser.add_argument("--episodes", type=int, default=100, help="measured in each cell")
    parser.add_argument("--blocks", type=int, default=300, help="blocks of tasks that the outlier refinement is fitted to")
    parser.add_argument("--ways", type=int, default=Ranges.most_ways, help="most classes of a training task")
    parser.add_argument("--queries", type=int, default=Ranges.most_queries, help="most queries of a training task")
    parser.add_argument("--part", action="append", choices=list(PARTS)[1:], help="leave out only this one; all without it")
    parser.add_argument("--note", default="", help="a sentence for the page")
    options = parser.parse_args()
    train_sets, validation = load_sets(feature_folders(options.features, options.more), options.validate)
    found = {}
    for part in (FULL, *(options.part or list(PARTS)[1:])):
        found[part] = measured(part, train_sets, validation, options.out, options)
        print(part, {title: round(float(np.mean(values)), 2) for title, values in found[part].items()}, flush=True)
    write_record(
        options.results / "universal_ablation.json", ["torch", "numpy"], iterations=options.iterations, episodes=options.episodes,
        blocks=options.blocks, ways=options.ways, queries=options.queries, seed=0, training=list(train_sets), validation=list(validation), note=options.note, rows=rows_of(found),
    )  # fmt: skip
    write_text(options.results / "universal_ablation.md", page(read_json(options.results / "universal_ablation.json")))


if __name__ == "__main__":
    main()
