"""What self-training gives to piles of training and validation classes: the blend before it, and the answer after it.

    python runs/self_training.py --features runs/piles [--most 5000] [--with ALPHA=0.9 …]

Prints the accuracy of both, their stated confidence less it, and what the classifier says of rows as if they were new, by how the labels
came about (one, one and the mix told, more, chosen by first items and `suggest`, names) and by family of features. `--with` sets numbers of
`sibyl.methods.universal.self_training`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from pile_draws import Pile, clump_table, draw_pile, round_clouds
from piles_gate import SHAPES, load_frozen, pile_sets
from torch import Tensor

from sibyl import first_items
from sibyl.cli.progress import progress_bar
from sibyl.encoders.named import encoder_by_name
from sibyl.features import Features
from sibyl.labeling.suggest import suggest
from sibyl.methods.universal import UniversalSIB, self_training
from sibyl.tasks import Task
from sibyl.transduction.class_names import among_rows, weigh_names

ROUNDS = 6  # of labels that `suggest` chooses, the first items among them
CLOUDS = (
    ("clouds", 20, 1300, "equal"), ("clouds", 100, 5000, "unequal"), ("clouds", 20, 3000, "equal"), ("clouds", 40, 4000, "dirichlet:2"),
    ("clouds", 10, 2500, "unequal"), ("cifar-squeezenet-3", 24, 1400, "equal"), ("clinc150-new", 16, 1200, "equal"),
    ("cifar-conv4-new", 10, 1300, "unequal"),
)  # fmt: skip
MORE = (  # features, classes, items, class mix, labels of each class
    ("cifar-squeezenet", 80, 4000, "unequal", 5), ("cifar-squeezenet-2", 40, 2200, "equal", 3), ("cifar-squeezenet-3", 60, 3000, "unequal", 2),
    ("cifar-squeezenet-3", 24, 1300, "equal", 5), ("cifar-squeezenet-new", 16, 2500, "unequal", 2), ("cifar-squeezenet-new", 16, 1500, "equal", 5),
    ("cifar-squeezenet-new", 14, 2500, "dirichlet:2", 10), ("cifar-squeezenet-new-2", 16, 2500, "unequal", 3),
    ("clinc150", 80, 5000, "unequal", 3), ("clinc150", 40, 3000, "dirichlet:2", 5), ("clinc150-new", 30, 3000, "unequal", 2),
    ("clinc150-new", 30, 2000, "equal", 5), ("clinc150-new", 16, 1200, "unequal", 10), ("clinc150-new", 25, 2500, "dirichlet:2", 3),
    ("cifar-conv4-new", 16, 3000, "unequal", 5), ("cifar-conv4-new", 16, 3000, "equal", 2), ("cifar-conv4-new", 10, 1300, "unequal", 10),
    ("cifar-pixels", 40, 3000, "unequal", 5), ("omniglot-pixels", 100, 1500, "equal", 3), ("omniglot-pixels", 90, 1200, "equal", 5),
    ("table", 26, 4000, "unequal", 5), ("table", 10, 1500, "equal", 3), ("table", 16, 2500, "dirichlet:2", 10), ("table", 12, 2000, "unequal", 2),
    ("glyphs", 40, 2000, "unequal", 3), ("glyphs", 30, 1400, "equal", 5),
    ("clouds", 100, 5000, "equal", 5), ("clouds", 20, 3000, "unequal", 5), ("clouds", 30, 1500, "equal", 2),
)  # fmt: skip
CHOSEN = (
    ("cifar-squeezenet", 24, 1500, "equal"), ("cifar-squeezenet-3", 24, 1500, "equal"), ("cifar-squeezenet-new", 16, 1800, "unequal"),
    ("cifar-squeezenet-new-2", 16, 2400, "equal"), ("clinc150", 30, 1700, "equal"), ("clinc150-new", 24, 1500, "equal"), ("clinc150-new", 30, 3000, "unequal"),
    ("cifar-conv4-new", 12, 1600, "unequal"), ("omniglot-pixels", 90, 1700, "equal"), ("glyphs", 30, 1600, "equal"), ("table", 16, 1800, "unequal"),
    ("clouds", 20, 1600, "equal"),
)  # fmt: skip
NAMED = (
    ("clinc150", 40, 3000, "unequal"), ("clinc150", 60, 5000, "equal"), ("clinc150-new", 30, 4400, "equal"), ("clinc150-new", 30, 2500, "dirichlet:0.5"),
    ("clinc150-new", 20, 1500, "unequal"),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--features", type=Path, required=True, help="what piles_features.py wrote, and clinc150/{train,validation}"
    )
    parser.add_argument("--most", type=int, default=5000, help="leave out piles of more items")
    parser.add_argument("--with", dest="numbers", nargs="*", default=(), metavar="NAME=NUMBER")
    arguments = parser.parse_args()
    for name, _, number in (one.partition("=") for one in arguments.numbers):
        setattr(self_training, name, type(getattr(self_training, name))(number))
    network, sets = load_frozen(), pile_sets(arguments.features)
    cases = [one for one in all_cases() if one[1].n_items <= arguments.most]
    found: dict[tuple[str, ...], list[tuple[float, ...]]] = {}
    with progress_bar("solve piles") as report:
        for number, (labels, pile) in enumerate(cases):
            for kind, task, y, shares in tasks_of(network, labels, pile, sets):
                of_task = figures(network, task, y, shares)
                family = pile.features.partition("-new")[0].rstrip("-23")
                keys: list[tuple[str, ...]] = [(kind,), (kind, family), ("all",), ("all", family)]
                for key in keys:
                    found.setdefault(key, []).append(of_task)
            report(number + 1, len(cases))
    print(f"{'':36s}   n  before after  stated less true  as new rows  worst")
    for key in sorted(found):
        of = np.array(found[key])
        before, stated_before, after, stated, new = of.mean(0)
        worst = (of[:, 2] - of[:, 0]).min()
        gaps = f"{stated_before - before:+6.1f} {stated - after:+6.1f}"
        print(f"{' '.join(key):36s} {len(of):3d} {before:7.1f} {after:5.1f}   {gaps} {new:12.1f} {worst:+8.1f}")


def all_cases() -> list[tuple[str, Pile]]:
    cases = [("one", Pile(*shape, seed=seed)) for seed in (0, 1) for shape in (*SHAPES, *CLOUDS)]
    cases += [("more", Pile(*shape)) for shape in MORE]
    return (
        cases
        + [("chosen", Pile(*shape)) for shape in CHOSEN]
        + [("named", Pile(*shape, seed=seed)) for seed in (0, 1) for shape in NAMED]
    )


@torch.no_grad()
def figures(network: UniversalSIB, task: Task, y: Tensor, shares: Tensor | None) -> tuple[float, ...]:
    """Accuracy and stated confidence before and after, and the accuracy of the classifier, on rows of classes that have a label."""
    with patch.object(self_training, "FULL", 1e9):  # the answer as if it were never all self-trained
        before = network.solve(task, shares)
    solution = network.solve(task, shares)
    assert solution.classifier is not None
    known = y >= 0
    answers = [one[0].softmax(-1).max(-1) for one in (before.logits, solution.logits, solution.classifier(task.query_x))]
    right = [100 * float((one.indices == y)[known].float().mean()) for one in answers]
    stated = [100 * float(one.values[known].mean()) for one in answers]
    return right[0], stated[0], right[1], stated[1], right[2]


def tasks_of(
    network: UniversalSIB, labels: str, pile: Pile, sets: dict[str, Features]
) -> Iterator[tuple[str, Task, Tensor, Tensor | None]]:
    """Give every task of a case, and its mix where it is told; −1 is the class of rows of which no label shows the class."""
    made = {"table": clump_table, "clouds": round_clouds}.get(pile.features)
    data = sets[pile.features] if made is None else made(2 * pile.n_items + pile.n_way + pile.seed, pile.n_way)
    task, y = draw_pile(pile, data)
    if labels == "chosen":
        yield from chosen_rounds(network, task, y)
        return
    if labels == "named":
        task = with_names(pile, data, task)
    yield labels, task, y, None
    if labels == "one" and pile.seed == 1:
        yield "one, told", task, y, torch.bincount(y, minlength=task.n_way) / len(y)


def chosen_rounds(network: UniversalSIB, task: Task, y: Tensor) -> Iterator[tuple[str, Task, Tensor, None]]:
    """Label first items, then what `suggest` asks for, round by round."""
    x, truth = torch.cat([task.support_x[0], task.query_x[0]]), torch.cat([task.support_y[0], y])
    chosen = torch.from_numpy(np.asarray(first_items(x.numpy(), task.n_way), np.int64))
    for number in range(ROUNDS):
        met, left = truth[chosen].unique(), torch.ones(len(truth), dtype=torch.bool)
        left[chosen] = False
        code = torch.full((task.n_way,), -1).scatter(0, met, torch.arange(len(met)))
        labelled = Task(x[chosen][None], code[truth[chosen]][None], x[left][None], len(met))
        yield f"chosen {number + 1}", labelled, code[truth[left]], None
        with torch.no_grad():
            rows = [one.row for one in suggest(labelled, network.solve(labelled), task.n_way)]
        chosen = torch.cat([chosen, left.nonzero()[:, 0][rows]])


def with_names(pile: Pile, data: Features, task: Task) -> Task:
    """Put the names of CLINC150's classes behind the labelled rows, as `transduce` does."""
    classes = np.random.default_rng([pile.seed, pile.n_way, pile.n_items]).permutation(len(data.class_names))[: task.n_way]
    vectors = encoder_by_name("minilm-int8").encode_names([data.class_names[one].replace("_", " ") for one in classes])
    x, codes = task.support_x[0].numpy(), task.support_y[0].numpy()
    evidence = weigh_names(vectors, x, codes)
    believed = np.flatnonzero(evidence.believed)
    names = among_rows(vectors, evidence, x, codes, task.query_x[0].numpy())[believed]
    support_x, support_y = np.concatenate([x, names]), np.concatenate([codes, believed])
    return Task(torch.from_numpy(support_x)[None], torch.from_numpy(support_y)[None], task.query_x, task.n_way)


if __name__ == "__main__":
    main()
