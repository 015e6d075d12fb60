"""What each part of universal SIB gives: the network meta-trained anew with one part more each time, measured on validation classes.

python runs/universal_ablation.py --features runs/universal/features --more clinc150=DIR --out runs/universal/ablation [--iterations 1500]

Writes results/universal_ablation.md and .json. Started again, it goes on. The parts:

1. the learned gradient alone: class means start at the labelled rows and follow the unlabelled ones;
2. the prior on class means, in the steps and as the KL term of the bound;
3. the support gradient: labelled rows pull in every step;
4. the graph: labels spread once, and messages between rows at every step;
5. transport: a class mix that the caller gives is met (told balanced only).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from universal import MIXES, feature_folders, load_sets, recipe_of

from sibyl.cli.progress import progress_bar
from sibyl.episodes import EpisodeSampler
from sibyl.evaluation import evaluate, interval
from sibyl.features import Features
from sibyl.methods.checkpoint import load_method
from sibyl.methods.universal import UniversalSIB
from sibyl.methods.universal.gradient_network import GRAPH_FEATURES, GradientNetwork
from sibyl.methods.universal.step import ControlNetwork, Step
from sibyl.storage import write_json, write_text
from sibyl.tasks import Episode
from sibyl.training.meta_train import meta_train
from sibyl.training.task_mixture import TaskMixture

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("learned gradient", "prior", "support gradient", "graph", "transport")
LITTLE = 1e-4  # of a labelled row: class means still know where they started, and evidence is never nothing


class Blind(GradientNetwork):
    """A gradient network that is shown nothing of the graph."""

    def forward(
        self, features: Float[Tensor, "task way row feature"]
    ) -> tuple[Float[Tensor, "task way row"], Float[Tensor, "task 1 row"]]:
        shown = torch.ones(features.shape[-1])
        shown[GRAPH_FEATURES] = 0
        return super().forward(features * shown)


class Lesioned(ControlNetwork):
    """A control network some of whose numbers have no effect."""

    prior = support = True

    def forward(self, number: int, descriptors: Float[Tensor, "task descriptor"]) -> Step:
        step = super().forward(number, descriptors)
        if not self.prior:
            step = replace(step, shrinkage=0 * step.shrinkage)
        return step if self.support else replace(step, anchor=LITTLE * step.anchor)


class Partial(UniversalSIB):
    """Universal SIB with the first `n_parts` of its parts; its parameters are those of the whole."""

    def __init__(self, n_parts: int) -> None:
        super().__init__(n_channels=32, kl_weight=1e-3 if n_parts >= 2 else 0.0)
        self.n_parts = n_parts
        self.control.__class__ = Lesioned
        self.control.prior, self.control.support = n_parts >= 2, n_parts >= 3
        if n_parts < 4:
            self.gradient.__class__ = Blind

    def _told(self, episode: Episode) -> Float[Tensor, "task way"] | None:
        return super()._told(episode) if self.n_parts >= 5 else None


def measure(network: Partial, validation: Mapping[str, Features], episodes: int) -> dict[str, list[float]]:
    """Return the accuracies of all episodes of each mix, over sets and shots, in points."""
    found: dict[str, list[float]] = {}
    for mix, told in MIXES:
        told = told if network.n_parts >= 5 else None
        title = f"{mix}, told" if (mix, told) == MIXES[0] else mix
        for features in validation.values():
            for shot in (1, 5):
                sampler = EpisodeSampler(features, n_shot=shot, class_mix=mix, seed=78)
                found.setdefault(title, []).extend(100 * evaluate(network, sampler, episodes, class_prior=told).accuracy)
    return {title: [float(value) for value in values[: len(validation) * 2 * episodes]] for title, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--more", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--validate", default="", help="names of the features that are measured, with commas between")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--iterations", type=int, default=1500)
    parser.add_argument("--episodes", type=int, default=100)
    arguments = parser.parse_args()
    train, validation = load_sets(feature_folders(arguments.features, arguments.more), arguments.validate)
    recipe = recipe_of(arguments.iterations, 8, 3e-3)
    accuracy = []
    for n_parts in range(1, len(PARTS) + 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = Partial(n_parts)
        folder = arguments.out / f"{n_parts}"
        with progress_bar(f"+ {PARTS[n_parts - 1]}") as report:
            meta_train(
                network, TaskMixture(train, 8, seed=1), folder, recipe=recipe, validate=lambda _: 0.0, seed=0, block=8,
                on_step=lambda done, total, line: report(done, total, ""),
            )  # fmt: skip
        network.load_state_dict(load_method(folder / "last.safetensors").state_dict())
        accuracy.append(measure(network.eval(), validation, arguments.episodes))
        print(PARTS[n_parts - 1], {mix: round(float(np.mean(values)), 2) for mix, values in accuracy[-1].items()}, flush=True)
    write_page(accuracy, list(validation), arguments.iterations, arguments.episodes)


def write_page(accuracy: list[dict[str, list[float]]], names: list[str], iterations: int, episodes: int) -> None:
    titles = list(accuracy[-1])
    lines = [
        "# Universal SIB, part by part",
        "",
        f"Meta-trained anew for each row, {iterations:,} iterations of 8 tasks (seed 0; the shipped network has more), and measured on the",
        f"validation classes of {', '.join(names)}: 5-way, 1 and 5 shots, {episodes} episodes a cell. In brackets the paired gain over the",
        "row above with its 95 % interval. Made by: `python runs/universal_ablation.py` (arguments at its head).",
        "",
        f"| parts | {' | '.join(titles)} |",
        "|---" * (len(titles) + 1) + "|",
    ]
    record = []
    for number, found in enumerate(accuracy):
        texts, row = [], {}
        for title in titles:
            values = np.array(found.get(title, found["balanced"]))  # without transport, being told changes nothing
            row[title] = {"accuracy": float(values.mean())}
            text = f"{values.mean():.2f}"
            if number:
                before = np.array(accuracy[number - 1].get(title, accuracy[number - 1]["balanced"]))
                mean, half = interval(values - before)
                row[title] |= {"gain": mean, "interval": half}
                text += f" ({mean:+.2f} ± {half:.2f})"
            texts.append(text)
        record.append({"part": PARTS[number], **row})
        lines.append(f"| {'+ ' if number else ''}{PARTS[number]} | {' | '.join(texts)} |")
    write_text(ROOT / "results/universal_ablation.md", "\n".join(lines) + "\n")
    write_json(
        ROOT / "results/universal_ablation.json",
        {"iterations": iterations, "episodes": episodes, "validation": names, "seed": 0, "rows": record},
    )


if __name__ == "__main__":
    main()
