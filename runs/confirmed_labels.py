"""What labels beyond the first do to a pile of training and validation classes: those a person confirms among the surest answers, and random ones.

    python runs/confirmed_labels.py --features runs/piles [--items 1500 2200] [--out FILE.json]

One example of each class; then 30 or 65 % of the items are gone over, the surest first, and those that are right are taught; or as many random
ones are. Prints by family of features and by share: how right the items that are left were before and are after, the stated confidence, the
worst pile, and likewise with random labels. FEATURES is what piles_features.py wrote, and clinc150/{train,validation}.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from pile_draws import Pile, clump_table, draw_pile, round_clouds
from piles_gate import load_frozen, pile_sets
from torch import Tensor

from sibyl.cli.progress import progress_bar
from sibyl.methods.universal import UniversalSIB
from sibyl.storage import write_json
from sibyl.tasks import Task

FEATURES = (  # and classes at most
    ("cifar-squeezenet", 100), ("cifar-squeezenet-3", 100), ("cifar-squeezenet-new", 16), ("clinc150", 100), ("clinc150-new", 30), ("cifar-conv4-new", 16),
    ("omniglot-pixels", 100), ("glyphs", 100), ("cifar-pixels", 100), ("table", 100), ("clouds", 100),
)  # fmt: skip
WAYS, SHARES = (10, 24), (0.3, 0.65)
COLUMNS = "before", "confirmed", "stated", "random", "stated, random"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--items", type=int, nargs="*", default=[1500, 2200])
    parser.add_argument("--out", type=Path, help="every cell, as JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    network, sets = load_frozen(), pile_sets(arguments.features)
    made = {"table": clump_table, "clouds": round_clouds}
    piles = [
        Pile(name, way if way <= most else 16, n_items, mix, seed=seed)
        for n_items in arguments.items
        for name, most in FEATURES
        for way in WAYS
        for seed, mix in enumerate(("equal", "unequal"))
    ]
    found = {}
    with progress_bar("solve piles") as report:
        for number, pile in enumerate(piles):
            make = made.get(pile.features)
            data = sets[pile.features] if make is None else make(2 * pile.n_items + pile.n_way + pile.seed, pile.n_way)
            for share, figures in confirm(network, *draw_pile(pile, data), pile.seed):
                found[f"{pile.n_items}/{pile.features}/{pile.n_way}/{pile.mix}/{share}"] = figures
            report(number + 1, len(piles))
    if arguments.out is not None:
        write_json(arguments.out, found)
    print_table(found)


@torch.no_grad()
def confirm(network: UniversalSIB, task: Task, y: Tensor, seed: int) -> list[tuple[float, tuple[float, ...]]]:
    """Solve with one label a class, then for every share with the confirmed labels and with as many random ones."""
    said, sure = answer(network, task)
    order, generator, found = (
        sure.argsort(descending=True),
        torch.Generator().manual_seed(seed),
        list[tuple[float, tuple[float, ...]]](),
    )
    for share in SHARES:
        surest = order[: round(share * len(y))]
        confirmed = surest[said[surest] == y[surest]]
        left = torch.ones(len(y), dtype=torch.bool)
        left[confirmed] = False
        before = 100 * float((said == y)[left].float().mean())
        drawn = torch.randperm(len(y), generator=generator)[: len(confirmed)]
        found.append((share, (before, *taught(network, task, y, confirmed), *taught(network, task, y, drawn))))
    return found


def taught(network: UniversalSIB, task: Task, y: Tensor, chosen: Tensor) -> tuple[float, float]:
    """Return how many of the other items are right in %, and their mean confidence, when these are labelled."""
    kept = torch.ones(len(y), dtype=torch.bool)
    kept[chosen] = False
    x = task.query_x[0]
    support_x, support_y = torch.cat([task.support_x[0], x[chosen]]), torch.cat([task.support_y[0], y[chosen]])
    said, sure = answer(network, Task(support_x[None], support_y[None], x[kept][None], task.n_way))
    return 100 * float((said == y[kept]).float().mean()), 100 * float(sure.mean())


def answer(network: UniversalSIB, task: Task) -> tuple[Tensor, Tensor]:
    best = network.solve(task).probabilities[0].max(-1)
    return best.indices, best.values


def print_table(found: dict[str, tuple[float, ...]]) -> None:
    groups: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for key, figures in found.items():
        n_items, features, _, _, share = key.split("/")
        for group in (features, f"{n_items} items, {float(share):.0%}", "all"):
            groups[group].append(figures)
    print(f"{'':24s}   n  " + "  ".join(COLUMNS) + "  worst confirmed less before")
    for group, rows in groups.items():
        of = np.array(rows)
        means = "  ".join(f"{mean:{len(column)}.1f}" for mean, column in zip(of.mean(0), COLUMNS, strict=True))
        print(f"{group:24s} {len(of):3d}  {means}  {(of[:, 1] - of[:, 0]).min():+.1f}")


if __name__ == "__main__":
    main()
