"""TaskMixture: episodes of every shape from many encoders, for a network that must serve them all.

Each block of episodes has one shape, since they are solved as one batch: features of one encoder and data set, classes, shots, queries,
class mix, absent classes, outliers, and what is done to the features first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from sibyl.episodes import EpisodeSampler
from sibyl.errors import DataError
from sibyl.features import Features
from sibyl.tasks import Episode, Task


@dataclass(frozen=True)
class Ranges:
    """What shapes are drawn from.

    Parameters
    ----------
    balanced, one_class : float
        Chance of a balanced class mix and of queries of one class; else Dirichlet(α), α log-uniform in `alpha`.
    alpha : (float, float)
        Its ends.
    absent : float
        Chance that some classes of a skewed episode have no query.
    outliers : float
        Chance that 5 to 40 % of the queries belong to no class.
    most_ways, most_queries : int
        Largest number of classes, and of queries in all, of most tasks.
    wide : float
        Chance of more classes than that, up to `widest`.
    widest, pairs : int
        Largest number of classes of wide tasks; pairs of a query and a class that a block holds at most: where it would hold more, it has
        fewer tasks. Features of fewer than `most_ways` classes are not drawn for wide tasks.
    projected, centred : float
        Chance that features are projected at random, some through a ReLU; or moved to their set's mean.
    synthetic : float
        Chance of synthetic clusters in place of real features.
    """

    balanced: float = 0.34
    one_class: float = 0.07
    alpha: tuple[float, float] = (0.3, 8.0)
    absent: float = 0.15
    outliers: float = 0.3
    most_ways: int = 30
    most_queries: int = 400
    wide: float = 0.05
    widest: int = 200
    pairs: int = 60_000
    projected: float = 0.3
    centred: float = 0.1
    synthetic: float = 0.06


class TaskMixture:
    """Numbered episodes of mixed shapes; a source for `sibyl.training.meta_train`.

    Parameters
    ----------
    features : mapping of str to Features
        Training classes of each encoder and data set; all are equally likely.
    block : int
        Episodes of one shape; the numbers of episodes drawn at once must lie in one block.
    ranges : Ranges
        What shapes are drawn from.
    seed : int
        Chooses the sequence.
    """

    def __init__(self, features: Mapping[str, Features], block: int = 8, ranges: Ranges | None = None, seed: int = 0) -> None:
        # In memory and writable once, so that drawing an episode copies only its own rows.
        self.features = {name: replace(one, matrix=np.array(one.matrix, np.float32), views=None) for name, one in features.items()}
        self.block, self.ranges, self.seed = block, ranges or Ranges(), seed

    def sample(self, start: int, n_tasks: int) -> Episode:
        """Return episodes ``start … start + n_tasks − 1``, which must lie in one block; fewer where tasks are wide."""
        number, first = divmod(start, self.block)
        if first + n_tasks > self.block:
            raise DataError(
                f"episodes {start} … {start + n_tasks - 1} lie in two blocks of {self.block}; draw them one after the other"
            )
        generator = np.random.default_rng([self.seed, 17, number])
        names = list(self.features)
        for _ in range(100):
            is_synthetic = generator.random() < self.ranges.synthetic
            data = clusters(generator) if is_synthetic else self.features[names[generator.integers(len(names))]]
            try:
                sampler = self._sampler(data, generator, number)
            except DataError:  # too few classes or items for this shape: another one
                continue
            n_pairs = sampler.n_way**2 * sampler.n_query
            episode = sampler.sample(0, max(1, min(self.block, self.ranges.pairs // n_pairs)))
            task = self._prepared(episode.task, data, generator)
            first = min(first, task.n_tasks - 1)
            rows = slice(first, first + n_tasks)
            return Episode(task.take(rows), episode.query_y[rows])
        raise DataError("no shape of the mixture fits these features: they hold too few classes or items")

    def _sampler(self, data: Features, generator: np.random.Generator, number: int) -> EpisodeSampler:
        ranges, usual = self.ranges, generator.random() < 0.5
        most = max(2, min(ranges.most_ways, len(data.class_names) - 1))
        n_way = min(5, most) if usual else round(float(np.exp(generator.uniform(np.log(2), np.log(most + 0.49)))))
        is_wide = generator.random() < ranges.wide
        if is_wide:
            most = min(ranges.widest, len(data.class_names) - 1)
            n_way = round(float(np.exp(generator.uniform(np.log(ranges.most_ways), np.log(max(ranges.most_ways, most))))))
        shots = generator.choice([1, 1, 5, int(generator.integers(2, 9))])
        n_shot: int | tuple[int, int] = (1, max(2, int(shots))) if generator.random() < 0.15 else int(shots)
        n_query = 15 if generator.random() < 0.5 else round(float(np.exp(generator.uniform(0, np.log(40)))))
        n_query = min(n_query, max(1, ranges.pairs // n_way**2 if is_wide else ranges.most_queries // n_way))
        draw = generator.random()
        if draw < ranges.balanced:
            mix = "balanced"
        elif draw < ranges.balanced + ranges.one_class:
            mix = "one-class"
        else:
            mix = f"dirichlet:{np.exp(generator.uniform(*np.log(ranges.alpha))):.4f}"
        may_lack = mix.startswith("dirichlet") and n_way > 2 and generator.random() < ranges.absent
        n_absent = int(generator.integers(1, n_way // 2 + 1)) if may_lack else 0
        outliers = float(generator.uniform(0.05, 0.4)) if generator.random() < ranges.outliers else 0.0
        return EpisodeSampler(
            data, n_way=n_way, n_shot=n_shot, n_query=n_query, class_mix=mix, n_absent=n_absent, outlier_share=outliers,
            seed=self.seed + 1 + number,
        )  # fmt: skip

    def _prepared(self, task: Task, data: Features, generator: np.random.Generator) -> Task:
        draw = generator.random()
        if draw < self.ranges.projected:
            dim = task.query_x.shape[-1]
            n_columns = int(np.exp(generator.uniform(np.log(min(dim, max(16, dim // 8))), np.log(1.5 * dim))))
            projection = torch.from_numpy(generator.standard_normal((dim, n_columns)).astype(np.float32)) / n_columns**0.5
            threshold = float(generator.choice([-np.inf, -np.inf, 0.0, -1.0])) * float((task.query_x @ projection).std())
            return _mapped(task, lambda x: (x @ projection).clamp_min(threshold) - (threshold if np.isfinite(threshold) else 0.0))
        if draw < self.ranges.projected + self.ranges.centred:
            mean = torch.from_numpy(data.matrix[generator.integers(0, len(data), 500)].mean(0))
            return _mapped(task, lambda x: x - mean)
        return task


def _mapped(task: Task, change: Callable[[Tensor], Tensor]) -> Task:
    return replace(task, support_x=change(task.support_x), query_x=change(task.query_x))


def clusters(generator: np.random.Generator, n_classes: int = 31, n_items: int = 80) -> Features:
    """Return clusters that were never pictures or sentences: of random dimension, spread, tightness and tail, some cut at zero."""
    dim = int(np.exp(generator.uniform(np.log(8), np.log(256))))
    spectrum = np.arange(1, dim + 1) ** -generator.uniform(0, 1.2)
    centre = generator.standard_normal((n_classes, dim)) * spectrum
    tightness = np.exp(generator.uniform(np.log(0.4), np.log(2.0))) * np.exp(0.3 * generator.standard_normal((n_classes, 1, 1)))
    noise = generator.standard_normal((n_classes, n_items, dim)) * spectrum ** generator.uniform(0.5, 1.0)
    if generator.random() < 0.3:
        noise *= generator.gamma(2.0, 0.5, (n_classes, n_items, 1)) ** -0.5  # heavy tails
    items = (centre[:, None] + tightness * noise).reshape(-1, dim) + generator.standard_normal(dim) * generator.choice([0.0, 1.0])
    if generator.random() < 0.3:
        items = items.clip(0)
    names = tuple(f"cluster {index}" for index in range(n_classes))
    return Features(items.astype(np.float32), np.repeat(np.arange(n_classes), n_items), names)
