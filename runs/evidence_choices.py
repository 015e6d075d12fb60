"""Which items of a pile are labelled first: rivals of `sibyl.first_items`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans

from sibyl import first_items

Matrix = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]


def unit(x: Matrix) -> Matrix:
    centred = x - x.mean(0)
    rows: Matrix = centred / np.linalg.norm(centred, axis=1, keepdims=True).clip(1e-12)
    return rows


def random_items(x: Matrix, y: Codes, n: int, seed: int) -> Codes:
    return np.random.default_rng(seed).permutation(len(x))[:n]


def browsed(x: Matrix, y: Codes, n: int, seed: int) -> Codes:
    """As many random items of each class as the budget has room for."""
    generator, n_way = np.random.default_rng(seed), int(y.max()) + 1
    return np.concatenate([generator.permutation(np.flatnonzero(y == one))[: n // n_way] for one in range(n_way)])


def clusters(x: Matrix, n: int, seed: int) -> tuple[Matrix, KMeans]:
    rows = unit(x)
    return rows, KMeans(n, n_init=1, random_state=seed).fit(rows)


def medoids(x: Matrix, y: Codes, n: int, seed: int) -> Codes:
    rows, found = clusters(x, n, seed)
    return np.unique(found.transform(rows).argmin(0))


def typical_items(x: Matrix, y: Codes, n: int, seed: int) -> Codes:
    """TypiClust: of each cluster the item nearest to its 20 neighbours within it."""
    rows, found = clusters(x, n, seed)
    chosen = []
    for one in range(n):
        own = np.flatnonzero(found.labels_ == one)
        apart = np.linalg.norm(rows[own][:, None] - rows[own][None], axis=-1) if len(own) < 800 else np.zeros((len(own), 1))
        chosen.append(own[np.sort(apart, 1)[:, 1:21].mean(1).argmin() if len(own) > 1 else 0])
    return np.array(chosen)


CHOICES: dict[str, Callable[[Matrix, Codes, int, int], Codes]] = {
    "random": random_items,
    "first items": lambda x, y, n, seed: np.asarray(first_items(x, n), np.int64),
    "k-means": medoids,
    "TypiClust": typical_items,
    "one per class": browsed,
}
