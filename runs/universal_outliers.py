"""Train the outlier refinement of universal SIB, everything else frozen; see universal.sh. Takes a few minutes; writes at its end.

python runs/universal_outliers.py --features runs/universal --network runs/universal/network [--blocks 2500] [--more NAME=DIR]

Reads best.safetensors of the folder NETWORK, and writes complete.safetensors beside it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus
from universal import feature_folders, load_sets

from sibyl.cli.progress import progress_bar
from sibyl.episodes import EpisodeSampler
from sibyl.evaluation import evaluate
from sibyl.features import Features
from sibyl.methods.checkpoint import load_method, save_method
from sibyl.methods.universal import UniversalSIB
from sibyl.methods.universal.classifier import N_OUTLIER_FEATURES
from sibyl.tasks import Episode
from sibyl.tensors import load_tensors
from sibyl.training.task_mixture import Ranges, TaskMixture

BLOCK = 8
OUTLIERS = 0.8  # share of training tasks that hold outliers
Seen = tuple[Tensor, Tensor, Tensor]  # what the network sees of each row [task, row, number]; outliers, real rows [task, row]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True, help="folder of NAME/train* and NAME/validation")
    parser.add_argument("--more", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--validate", default="", help="names of the features that are validated on; all without it")
    parser.add_argument("--network", type=Path, required=True)
    parser.add_argument("--blocks", type=int, default=2500)
    parser.add_argument("--passes", type=int, default=4)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = arguments.network / "best.safetensors"
    network, card = load_method(start), load_tensors(start)[1]["card"]
    assert isinstance(network, UniversalSIB)
    train, validation = load_sets(feature_folders(arguments.features, arguments.more), arguments.validate)
    source = TaskMixture(train, BLOCK, replace(Ranges(), outliers=OUTLIERS), seed=arguments.seed + 2)
    seen = []
    with progress_bar("embed rows") as report:
        for number in range(arguments.blocks):
            seen.append(look(network, source.sample(number * BLOCK, BLOCK)))
            report(number + 1, arguments.blocks, "")
    torch.manual_seed(arguments.seed)
    fit(network.second_outlier, seen, arguments.passes, arguments.rate, arguments.seed)
    auroc = validate(network, validation)
    card["outliers"] = {"blocks": arguments.blocks, "passes": arguments.passes, "rate": arguments.rate, "validation": auroc}
    save_method(arguments.network / "complete.safetensors", network, card)


def look(network: UniversalSIB, episode: Episode) -> Seen:
    """Solve a block, and keep what the second outlier network was shown."""
    shown: list[Tensor] = []
    hook = network.second_outlier.register_forward_hook(lambda _, given, __: shown.append(given[0]))
    network.solve(episode.task)
    hook.remove()
    mask = episode.task.query_mask
    return torch.cat(shown, 1).half(), mask & ~episode.scored, mask


def fit(head: torch.nn.Module, seen: list[Seen], passes: int, rate: float, seed: int) -> None:
    """Train by cross-entropy, and by how each outlier of a task ranks against each other row of it."""
    optimiser = torch.optim.AdamW(head.parameters(), rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=passes * len(seen))
    generator = np.random.default_rng(seed)
    for number in range(passes):
        total = 0.0
        for index in generator.permutation(len(seen)):
            rows, outlier, mask = seen[index]
            odds = 3 * rows[..., N_OUTLIER_FEATURES].float() + head(rows.float())[..., 0]  # as OutlierRefinement.logits
            loss = binary_cross_entropy_with_logits(odds[mask], outlier[mask].float())
            pairs = outlier[:, :, None] & (mask & ~outlier)[:, None]
            if bool(pairs.any()):
                loss = loss + softplus(odds[:, None] - odds[:, :, None])[pairs].mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        print(f"pass {number + 1}: loss {total / len(seen):.4f}", flush=True)


def validate(network: UniversalSIB, validation: Mapping[str, Features]) -> float:
    """Return the mean AUROC on validation classes."""
    found = []
    for name, features in validation.items():
        of_set = []
        for shot in (1, 5):
            for mix in ("balanced", "dirichlet:2"):
                sampler = EpisodeSampler(features, n_shot=shot, class_mix=mix, outlier_share=0.25, seed=77)
                auroc = evaluate(network, sampler, 100).auroc
                assert auroc is not None
                of_set.append(float(np.nanmean(auroc)))
        print(f"{name:24s}", " ".join(f"{100 * value:5.1f}" for value in of_set), flush=True)
        found += of_set
    return float(np.mean(found))


if __name__ == "__main__":
    main()
