"""Meta-train universal SIB on the features that universal_features.py made; see universal.sh.

python runs/universal.py --features runs/universal --out runs/universal/network [--iterations 10000] [--clinc150 DIR] [--more NAME=DIR]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from sibyl.cli.progress import progress_bar
from sibyl.episodes import EpisodeSampler
from sibyl.evaluation import evaluate
from sibyl.features import Features
from sibyl.methods.method import LearnedMethod
from sibyl.methods.universal import UniversalSIB
from sibyl.training.meta_train import MetaRecipe, meta_train
from sibyl.training.task_mixture import Ranges, TaskMixture

MIXES = (("balanced", "balanced"), ("balanced", None), ("dirichlet:2", None), ("dirichlet:0.5", None), ("one-class", None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True, help="folder of NAME/train* and NAME/validation")
    parser.add_argument(
        "--more", action="append", default=[], metavar="NAME=DIR", help="a folder with train and validation of its own"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--iterations", type=int, default=10000)
    parser.add_argument("--episodes", type=int, default=8)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--validation-episodes", type=int, default=32)
    parser.add_argument(
        "--validate", default="", help="names of the features that are validated on, with commas between; all without it"
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    train, validation = load_sets(feature_folders(arguments.features, arguments.more), arguments.validate)
    print("train:", ", ".join(train), "\nvalidation:", ", ".join(validation))
    recipe = recipe_of(arguments.iterations, arguments.episodes, arguments.rate)
    cells = [
        (EpisodeSampler(one, n_shot=shot, class_mix=mix, seed=77), told)
        for one in validation.values() for shot in (1, 5) for mix, told in MIXES
    ]  # fmt: skip

    def validate(method: LearnedMethod) -> float:
        accuracy = [
            evaluate(method, sampler, arguments.validation_episodes, class_prior=told).accuracy.mean() for sampler, told in cells
        ]
        shown = np.reshape(accuracy, (len(validation), 2, len(MIXES)))
        for name, rows in zip(validation, shown, strict=True):
            print(f"{name:24s}", "   ".join(" ".join(f"{100 * value:5.1f}" for value in row) for row in rows), flush=True)
        return float(np.mean(accuracy))

    source = TaskMixture(train, arguments.episodes, seed=arguments.seed + 1)
    network = untrained(arguments.steps, arguments.channels, arguments.seed)
    card = {"data": list(train), "validation classes": list(validation), "ranges": asdict(Ranges()), "licence": "Apache-2.0"}
    with progress_bar("meta-train universal SIB") as report:
        meta_train(
            network, source, arguments.out, recipe=recipe, validate=validate, seed=arguments.seed, card=card, block=arguments.episodes,
            on_step=lambda done, total, line: report(done, total, f"validation {100 * line['best']:.2f} %" if line["best"] >= 0 else ""),
        )  # fmt: skip


def feature_folders(folder: Path, more: Sequence[str]) -> dict[str, Path]:
    """Return the folders of features in `folder`, and those given as NAME=DIR."""
    folders = {inner.name: inner for inner in sorted(folder.iterdir()) if (inner / "validation").is_dir()}
    return folders | {name: Path(path) for name, _, path in (text.partition("=") for text in more)}


def load_sets(folders: Mapping[str, Path], validate: str) -> tuple[dict[str, Features], dict[str, Features]]:
    """Return training features, and validation features of the names in `validate`, or of all."""
    train = {
        f"{name}/{part.name}": Features.load(part)
        for name, folder in folders.items()
        for part in sorted(folder.glob("train*"))
        if (part / "features.json").is_file()
    }
    wanted = validate.split(",") if validate else list(folders)
    return train, {name: Features.load(folder / "validation") for name, folder in folders.items() if name in wanted}


def recipe_of(iterations: int, episodes: int, rate: float) -> MetaRecipe:
    return MetaRecipe(
        iterations, episodes, "adamw", rate, weight_decay=1e-4, schedule="cosine", clip=1.0, validate_every=min(2000, iterations)
    )


def untrained(n_steps: int, n_channels: int, seed: int) -> UniversalSIB:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UniversalSIB(n_steps, n_channels)


if __name__ == "__main__":
    main()
