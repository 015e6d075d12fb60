from __future__ import annotations

import numpy as np
import pytest
import torch

from sibyl.errors import DataError
from sibyl.features import Features
from sibyl.seeding import generator_for
from sibyl.training.task_mixture import Ranges, TaskMixture, clusters


def some_features(n_classes: int = 8, n_items: int = 40, dim: int = 24) -> Features:
    rows = torch.randn(n_classes * n_items, dim, generator=generator_for(3)).numpy()
    return Features(rows, np.repeat(np.arange(n_classes), n_items), tuple(f"class {index}" for index in range(n_classes)))


def test_episodes_depend_on_their_number_alone() -> None:
    first, second = (TaskMixture({"some": some_features()}, block=4, seed=5) for _ in range(2))
    second.sample(400, 4)
    whole, part = first.sample(8, 4), second.sample(10, 2)
    assert torch.equal(whole.task.query_x[2:], part.task.query_x)
    assert torch.equal(whole.query_y[2:], part.query_y)
    other = TaskMixture({"some": some_features()}, block=4, seed=6).sample(8, 4)
    assert whole.task.query_x.shape != other.task.query_x.shape or not torch.equal(whole.task.query_x, other.task.query_x)


def test_shapes_vary_and_rows_are_finite() -> None:
    mixture = TaskMixture({"some": some_features(), "more": some_features(20, 25, 6)}, block=2)
    episodes = [mixture.sample(2 * number, 2) for number in range(150)]
    assert all(bool(episode.task.query_x.isfinite().all() and episode.task.support_x.isfinite().all()) for episode in episodes)
    assert len({episode.task.n_way for episode in episodes}) > 5
    assert len({episode.task.query_x.shape[-1] for episode in episodes}) > 10
    assert len({episode.task.query_x.shape[1] for episode in episodes}) > 20
    assert any(bool((~episode.scored & episode.task.query_mask).any()) for episode in episodes)
    assert any(len(set(shots.tolist())) > 1 for episode in episodes for shots in episode.task.n_shots)


def test_balanced_only_is_balanced() -> None:
    only = Ranges(balanced=1.0, outliers=0.0, synthetic=0.0)
    mixture = TaskMixture({"some": some_features()}, block=1, ranges=only)
    for number in range(20):
        counts = torch.bincount(mixture.sample(number, 1).query_y[0])
        assert len(set(counts.tolist())) == 1


def test_wide_tasks_have_many_classes_and_come_in_fewer_at_once() -> None:
    many = some_features(150, 20, 6)
    ranges = Ranges(wide=1.0, synthetic=0.0, outliers=0.0, projected=0.0, centred=0.0)
    mixture = TaskMixture({"many": many}, block=8, ranges=ranges)
    episodes = [mixture.sample(8 * number, 8) for number in range(20)]
    assert all(ranges.most_ways <= episode.task.n_way < 150 for episode in episodes)
    assert max(episode.task.n_way for episode in episodes) > 100
    pairs = [episode.task.n_way * episode.query_y.numel() for episode in episodes]
    assert max(pairs) <= max(ranges.pairs, 149**2)
    assert min(episode.task.n_tasks for episode in episodes) < 8
    part = mixture.sample(3, 1)
    whole = mixture.sample(0, 8)
    assert torch.equal(part.task.query_x[0], whole.task.query_x[min(3, whole.task.n_tasks - 1)])


def test_synthetic_clusters_have_as_many_items_as_said() -> None:
    features = clusters(np.random.default_rng(1), n_classes=4, n_items=9)
    features.check_finite()
    assert np.bincount(features.labels).tolist() == [9] * 4


def test_two_blocks_at_once_and_features_too_small_are_refused() -> None:
    with pytest.raises(DataError, match="two blocks of 4"):
        TaskMixture({"some": some_features()}, block=4).sample(2, 4)
    with pytest.raises(DataError, match="too few classes or items"):
        TaskMixture({"tiny": some_features(2, 1)}, block=1, ranges=Ranges(synthetic=0.0)).sample(0, 1)
