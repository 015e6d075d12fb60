"""EpisodeSampler: batches of episodes drawn from features, the same for the same seed on every machine.

Episode number i takes its random numbers from a counter-based generator (Philox) at a place that
depends on seed and i alone: neither the batch size nor what was drawn before changes it, and no
global random state is touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from sibyl.class_mix import ClassMix
from sibyl.errors import DataError
from sibyl.features import Features
from sibyl.tasks import Episode, Task

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def _whole_counts(shares: Floats, total: int) -> Ints:
    """Round shares × total to whole numbers with that sum, largest remainders first."""
    exact = np.round(shares * total, 9)
    counts = np.floor(exact).astype(np.int64)
    missing = total - counts.sum(1, keepdims=True)
    rank = np.argsort(np.argsort(-(exact - counts), axis=1, kind="stable"), axis=1, kind="stable")
    whole: Ints = counts + (rank < missing)
    return whole


def _capped(counts: Ints, room: Ints, wanted: npt.NDArray[np.bool_]) -> Ints:
    """Cut counts to the items there are and hand the rest to wanted classes that have more."""
    cut = np.minimum(counts, room)
    left = counts.sum(1) - cut.sum(1)
    for column in range(counts.shape[1] if left.any() else 0):
        more = np.minimum(left, (room[:, column] - cut[:, column]) * wanted[:, column])
        cut[:, column] += more
        left -= more
    return cut


def _draw(keys: Floats, population: Ints) -> Ints:
    """Draw without replacement: uniform keys [..., k] → k different numbers below `population` [...], in random order.

    Fisher–Yates over a virtual array 0 … population − 1 that remembers only the places swapped so
    far. Where the population is smaller than k the last draws repeat; callers do not use them.
    """
    k = keys.shape[-1]
    drawn = np.empty(keys.shape, np.int64)
    place = np.empty(keys.shape, np.int64)  # places swapped so far …
    holds = np.empty(keys.shape, np.int64)  # … and what lies there now

    def value_at(where: Ints, n_swaps: int) -> Ints:
        if not n_swaps:
            return where
        # The latest swap of a place counts: the first hit when looking backwards.
        hit = place[..., :n_swaps][..., ::-1] == where[..., None]
        latest = n_swaps - 1 - hit.argmax(-1)[..., None]
        return np.where(hit.any(-1), np.take_along_axis(holds, latest, -1)[..., 0], where)

    for j in range(k):
        span = np.maximum(population - j, 1)
        target = j + np.minimum((keys[..., j] * span).astype(np.int64), span - 1)
        drawn[..., j] = value_at(target, j)
        holds[..., j] = value_at(np.full_like(target, j), j)
        place[..., j] = target
    return drawn


def _uniforms(seed: tuple[int, ...], start: int, n_tasks: int, width: int) -> Floats:
    """Numbers in [0, 1), `width` for each task; those of a task depend on `seed` and its number alone."""
    blocks = -(-width // 4)  # Philox gives four numbers per counter value
    key = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    raw = np.random.Philox(key=key, counter=start * blocks).random_raw(n_tasks * blocks * 4)
    return (raw.reshape(n_tasks, blocks * 4)[:, :width] >> np.uint64(11)).astype(np.float64) * 2.0**-53


@dataclass(frozen=True, eq=False)
class EpisodeRows:
    """Which feature rows a batch of episodes consists of; −1 marks padding.

    Parameters
    ----------
    support, query : int64 [task, support], int64 [task, query]
        Row numbers.
    support_y, query_y : int64, same shapes
        Classes within the episode; −1 for outliers and padding of the query.
    classes : int64 [task, way]
        Class of the features behind each class of the episode.
    """

    support: Ints
    support_y: Ints
    query: Ints
    query_y: Ints
    classes: Ints


class EpisodeSampler:
    """Draws episodes from labelled features.

    Parameters
    ----------
    features : Features
        Rows with label −1 are never drawn.
    n_way : int
        Classes per episode.
    n_shot : int or (int, int)
        Labelled items per class; a pair draws a number for each class, both ends included.
    n_query : int
        Unlabelled items per class on average: an episode has ``n_way · n_query`` query rows,
        outliers included.
    class_mix : str
        ``balanced``, ``dirichlet:A`` or ``one-class`` (see `ClassMix`).
    n_absent : int
        Classes of each episode that have no query at all.
    outlier_share : float
        Share of the query rows that belong to none of the episode's classes.
    seed : int
        Chooses the sequence of episodes.
    views : bool
        Draw a random augmented view of each item instead of the item's own features.

    Raises
    ------
    DataError
        If a class has fewer items than an episode needs, or there are too few classes.
    """

    def __init__(
        self,
        features: Features,
        *,
        n_way: int = 5,
        n_shot: int | tuple[int, int] = 1,
        n_query: int = 15,
        class_mix: str = "balanced",
        n_absent: int = 0,
        outlier_share: float = 0.0,
        seed: int = 0,
        views: bool = False,
    ) -> None:
        self.features, self.n_way, self.n_query, self.seed = features, n_way, n_query, seed
        self.min_shot, self.max_shot = (n_shot, n_shot) if isinstance(n_shot, int) else n_shot
        self.class_mix = ClassMix.parse(class_mix)
        self.n_absent = n_absent
        total = n_way * n_query
        self._n_outliers = round(outlier_share * total)
        self._n_inliers = total - self._n_outliers
        order = np.argsort(features.labels, kind="stable")
        self._rows = order[features.labels[order] >= 0]
        self._sizes = np.bincount(features.labels[self._rows], minlength=len(features.class_names)).astype(np.int64)
        self._offsets = np.cumsum(self._sizes) - self._sizes
        self._usable = np.flatnonzero(self._sizes)
        self._check(n_way, outlier_share)
        self._n_extra = min(n_way, len(self._usable) - n_way) if self._n_outliers else 0
        largest = int(self._sizes.max())
        balanced = -(-self._n_inliers // (n_way - n_absent)) if self.class_mix.kind == "balanced" else self._n_inliers
        outliers = -(-self._n_outliers // self._n_extra) if self._n_extra else 0
        self._n_draws = min(largest, self.max_shot + max(balanced, outliers))
        if views and features.views is None:
            raise DataError("these features hold no augmented views; embed with views first")
        stored = features.views if views else features.matrix
        assert stored is not None
        self._n_views = stored.shape[1] if views else 1
        flat = np.ascontiguousarray(stored).reshape(-1, features.dim) if views else np.asarray(stored)
        self._matrix = torch.from_numpy(np.require(flat, requirements=["C", "W"]))

    def _check(self, n_way: int, outlier_share: float) -> None:
        if not 0 <= self.n_absent < n_way:
            raise DataError(f"n_absent must lie in 0 … {n_way - 1} for {n_way} classes, got {self.n_absent}")
        if not 1 <= self.min_shot <= self.max_shot:
            raise DataError(f"n_shot must be at least 1 and in order, got {self.min_shot} … {self.max_shot}")
        if not 0 <= outlier_share < 1:
            raise DataError(f"outlier_share must lie in [0, 1), got {outlier_share}")
        needed = n_way + (1 if self._n_outliers else 0)
        if len(self._usable) < needed:
            raise DataError(f"{n_way}-way episodes need {needed} classes with items, these features hold {len(self._usable)}")
        fixed = self.class_mix.kind == "balanced" and not self.n_absent and not self._n_outliers
        least = self.max_shot + (self.n_query if fixed else 1)
        small = [row for row in self._usable if self._sizes[row] < least]
        if small:
            name = self.features.class_names[small[0]]
            what = f"{self.max_shot} shot + {self.n_query} query" if fixed else f"{self.max_shot} shot + 1 query"
            raise DataError(
                f"class {name!r} has {self._sizes[small[0]]} items, an episode needs {least} ({what}); "
                "lower n_shot or n_query, or leave the class out"
            )

    def rows(self, start: int, n_tasks: int) -> EpisodeRows:
        """Return the rows of episodes ``start … start + n_tasks − 1``."""
        n_way, n_all = self.n_way, self.n_way + self._n_extra
        n_total = self._n_inliers + self._n_outliers
        n_slots = n_all * (self._n_draws - self.min_shot)
        widths = (n_all, n_way, n_way, n_way, n_all * self._n_draws, n_slots)
        uniforms = _uniforms((self.seed,), start, n_tasks, sum(widths))
        class_keys, shot_keys, mix_keys, absent_keys, item_keys, order_keys = np.split(uniforms, np.cumsum(widths)[:-1], axis=1)

        classes = self._usable[_draw(class_keys, np.full(n_tasks, len(self._usable)))]
        shots = np.full((n_tasks, n_all), self.min_shot)  # outlier classes skip the first places too, though they have no support
        shots[:, :n_way] = self.min_shot + (shot_keys * (self.max_shot - self.min_shot + 1)).astype(np.int64)
        sizes = self._sizes[classes]
        present = np.argsort(np.argsort(absent_keys, 1), 1) >= self.n_absent
        shares = self.class_mix.shares(mix_keys, present)
        counts = np.zeros((n_tasks, n_all), np.int64)
        room = np.minimum(sizes, self._n_draws)[:, :n_way] - shots[:, :n_way]
        counts[:, :n_way] = _capped(_whole_counts(shares, self._n_inliers), room, shares > 0)
        if self._n_extra:
            even = np.full((n_tasks, self._n_extra), 1 / self._n_extra)
            room = np.minimum(sizes, self._n_draws)[:, n_way:] - self.min_shot
            counts[:, n_way:] = np.minimum(_whole_counts(even, self._n_outliers), room)

        drawn = _draw(item_keys.reshape(n_tasks, n_all, self._n_draws), sizes)
        items = self._rows[np.minimum(self._offsets[classes][..., None] + drawn, len(self._rows) - 1)]
        place = np.arange(self._n_draws)
        label = np.broadcast_to(np.arange(n_all)[:, None], (n_all, self._n_draws))
        label = np.where(label < n_way, label, -1)

        in_support = (place < shots[..., None])[:, :n_way, : self.max_shot]
        support = np.where(in_support, items[:, :n_way, : self.max_shot], -1).reshape(n_tasks, -1)
        support_y = np.where(in_support, label[:n_way, : self.max_shot], 0).reshape(n_tasks, -1)

        after = slice(self.min_shot, None)
        wanted = ((place >= shots[..., None]) & (place < (shots + counts)[..., None]))[..., after].reshape(n_tasks, -1)
        order = np.argsort(np.where(wanted, order_keys, 2.0), axis=1, kind="stable")[:, :n_total]
        real = np.take_along_axis(wanted, order, 1)
        query = np.where(real, np.take_along_axis(items[..., after].reshape(n_tasks, -1), order, 1), -1)
        flat_label = np.broadcast_to(label[:, after].reshape(-1), wanted.shape)
        query_y = np.where(real, np.take_along_axis(flat_label, order, 1), -1)
        return EpisodeRows(support, support_y, query, query_y, classes[:, :n_way])

    def _gather(self, rows: Ints, view_keys: Floats | None) -> torch.Tensor:
        index = np.maximum(rows, 0)
        if view_keys is not None:
            index = index * self._n_views + (view_keys * self._n_views).astype(np.int64)
        taken = self._matrix.index_select(0, torch.from_numpy(index.reshape(-1))).float()
        taken = taken.reshape(*rows.shape, -1)
        if (rows < 0).any():
            taken[torch.from_numpy(rows < 0)] = 0
        return taken

    def sample(self, start: int, n_tasks: int) -> Episode:
        """Return episodes ``start … start + n_tasks − 1`` as one batch."""
        rows = self.rows(start, n_tasks)
        support_keys = query_keys = None
        if self._n_views > 1:
            n_support, n_query = rows.support.shape[1], rows.query.shape[1]
            # A second stream, so that the same episodes are drawn with and without views.
            keys = _uniforms((self.seed, 1), start, n_tasks, n_support + n_query)
            support_keys, query_keys = keys[:, :n_support], keys[:, n_support:]
        task = Task(
            self._gather(rows.support, support_keys),
            torch.from_numpy(rows.support_y),
            self._gather(rows.query, query_keys),
            self.n_way,
            torch.from_numpy(rows.support >= 0),
            torch.from_numpy(rows.query >= 0),
        )
        return Episode(task, torch.from_numpy(rows.query_y))

    def batches(self, n_episodes: int, batch_size: int, start: int = 0) -> Iterator[Episode]:
        """Yield `n_episodes` episodes from number `start` on, in batches."""
        for first in range(start, start + n_episodes, batch_size):
            yield self.sample(first, min(batch_size, start + n_episodes - first))
