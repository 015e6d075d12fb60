"""Whole piles: a task of many classes and all of their items, drawn from a set of features; tables of clumps that stand for other encoders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sibyl.features import Features
from sibyl.tasks import Task


@dataclass(frozen=True)
class Pile:
    """What a pile is drawn by: features by name, classes, items at most, class mix (equal, unequal or dirichlet:α), labels of a class, seed."""

    features: str
    n_way: int
    n_items: int
    mix: str = "unequal"
    n_shot: int = 1
    seed: int = 0

    @property
    def title(self) -> str:
        return f"{self.features}: {self.n_way} classes, {self.mix}"


def draw_pile(pile: Pile, features: Features) -> tuple[Task, Tensor]:
    """Return the task and the classes of its queries; `unequal` spreads class sizes over a factor of four."""
    n_shot, generator = pile.n_shot, np.random.default_rng([pile.seed, pile.n_way, pile.n_items])
    labels = np.asarray(features.labels)
    classes = generator.permutation(np.unique(labels[labels >= 0]))[: pile.n_way]
    support, query, y = [], [], []
    for number, (label, share) in enumerate(zip(classes, shares_of(pile, len(classes), generator), strict=True)):
        rows = generator.permutation(np.flatnonzero(labels == label))
        support.append(rows[:n_shot])
        query.append(rows[n_shot : n_shot + max(1, round(pile.n_items * share))])
        y.append(np.full(len(query[-1]), number))
    order = generator.permutation(sum(map(len, query)))
    x = np.asarray(features.matrix, np.float32)
    task = Task(
        torch.from_numpy(x[np.concatenate(support)])[None],
        torch.arange(len(classes)).repeat_interleave(n_shot)[None],
        torch.from_numpy(x[np.concatenate(query)[order]])[None],
        len(classes),
    )
    return task, torch.from_numpy(np.concatenate(y)[order])


def shares_of(pile: Pile, n_way: int, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    if pile.mix == "equal":
        return np.full(n_way, 1 / n_way)
    if pile.mix == "unequal":
        size = np.exp(generator.uniform(0, np.log(4), n_way))
        return np.asarray(size / size.sum())
    return generator.dirichlet(np.full(n_way, float(pile.mix.removeprefix("dirichlet:"))))


def clump_table(seed: int, n_classes: int, n_items: int = 12_000) -> Features:
    """Return a table of 8 to 24 standardised columns whose classes are a few clumps each; some are skewed, some of whole numbers."""
    generator = np.random.default_rng([seed, 5])
    kind, dim = generator.integers(3), int(generator.integers(8, 25))
    apart, along, tight = generator.uniform(0.4, 0.8), generator.uniform(0.2, 0.45), generator.uniform(0.12, 0.35)
    rows, labels = [], []
    for label in range(n_classes):
        middle = generator.standard_normal(dim) * apart
        for _ in range(generator.integers(1, 6)):
            centre = middle + generator.standard_normal(dim) * generator.uniform(0.4, 0.9)
            directions = generator.standard_normal((4, dim)) * along
            n = max(8, int(n_items / n_classes / 3 * np.exp(0.3 * generator.standard_normal())))
            rows.append(centre + generator.standard_normal((n, 4)) @ directions + tight * generator.standard_normal((n, dim)))
            labels.append(np.full(n, label))
    x = np.concatenate(rows)
    x = np.sign(x) * np.abs(x) ** 1.5 if kind == 1 else np.round(2.5 * x) if kind == 2 else x
    x = (x - x.mean(0)) / x.std(0).clip(1e-6)
    return Features(x.astype(np.float32), np.concatenate(labels), tuple(f"class {label}" for label in range(n_classes)))


def round_clouds(seed: int, n_classes: int, n_items: int = 12_000) -> Features:
    """Return rows of 48 to 384 columns whose classes are round Gaussian clouds of one size: where class means say all that there is to know."""
    generator = np.random.default_rng([seed, 7])
    dim = int(generator.choice([48, 64, 128, 256, 384]))
    deviation = np.sqrt(dim) * generator.uniform(0.13, 0.24)
    labels = np.arange(n_items) % n_classes
    x = generator.standard_normal((n_classes, dim))[labels] + deviation * generator.standard_normal((n_items, dim))
    return Features(x.astype(np.float32), labels, tuple(f"class {label}" for label in range(n_classes)))


def averaged(features: Features, n: int, seed: int = 0) -> Features:
    """Return means of `n` items of one class each: the same classes under an encoder that sees them more clearly."""
    generator = np.random.default_rng([seed, 6])
    rows, labels = [], []
    for label in np.unique(features.labels):
        own = generator.permutation(np.flatnonzero(features.labels == label))
        rows.append(features.matrix[own[: len(own) // n * n]].reshape(-1, n, features.dim).mean(1))
        labels.append(np.full(len(rows[-1]), label))
    return Features(np.concatenate(rows).astype(np.float32), np.concatenate(labels), features.class_names)


def joined(first: Features, second: Features) -> Features:
    """Return two sets of classes as one."""
    return Features(
        np.concatenate([first.matrix, second.matrix]),
        np.concatenate([first.labels, second.labels + len(first.class_names)]),
        (*first.class_names, *second.class_names),
    )
