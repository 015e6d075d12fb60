from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import minimum_spanning_tree

from sibyl.methods.gaussian_graph import class_mass_normalised, first_bridge, pairwise_squared_distances
from sibyl.methods.task_rows import all_rows
from tests.methods.contract import make_task, pad


def first_bridge_by_kruskal(squared: np.ndarray, label: np.ndarray) -> float:
    """Grow the minimum spanning tree edge by edge until it joins two labelled classes."""
    tree = minimum_spanning_tree(np.where(np.isfinite(squared), squared, 0)).tocoo()
    group = np.arange(len(label))
    for edge in np.argsort(tree.data):
        first, second = group[tree.row[edge]], group[tree.col[edge]]
        classes = [set(label[(group == part) & (label >= 0)]) for part in (first, second)]
        if classes[0] and classes[1] and classes[0] != classes[1]:
            return float(tree.data[edge])
        group[group == second] = first
    raise AssertionError("one class only")


def test_first_bridge_is_where_kruskal_joins_two_classes() -> None:
    task = make_task(n_tasks=4)
    x, mask, one_hot = all_rows(task)
    squared = pairwise_squared_distances(x, mask)
    bridge = first_bridge(squared, one_hot)
    for row in range(4):
        real = mask[row].numpy()
        label = np.where(one_hot[row].numpy().any(1), one_hot[row].numpy().argmax(1), -1)[real]
        expected = first_bridge_by_kruskal(squared[row].numpy()[real][:, real], label)
        assert np.isclose(bridge[row], expected)


def test_first_bridge_of_many_rows_is_that_of_the_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    for task in (make_task(n_tasks=4), pad(make_task(n_tasks=2), 2, 3)):
        x, mask, one_hot = all_rows(task)
        squared = pairwise_squared_distances(x, mask)
        swept = first_bridge(squared, one_hot)
        monkeypatch.setattr("sibyl.methods.gaussian_graph.MANY_ROWS", 1)
        assert torch.allclose(first_bridge(squared, one_hot), swept)
        one_hot[..., 1:] = 0
        assert first_bridge(squared, one_hot).tolist() == [1.0] * len(squared)
        monkeypatch.undo()


def test_one_labelled_class_has_no_bridge() -> None:
    x, mask, one_hot = all_rows(make_task(n_tasks=1))
    one_hot[..., 1:] = 0
    assert first_bridge(pairwise_squared_distances(x, mask), one_hot).tolist() == [1.0]


def test_class_mass_is_proportional_to_the_shares_before_rows_are_scaled() -> None:
    task = pad(make_task(n_tasks=1, n_query=4), 0, 2)
    probabilities = torch.rand(1, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shares = torch.tensor([[0.4, 0.3, 0.2, 0.1, 0.0]], dtype=torch.float64)
    mass = probabilities[:, 2:].sum(1, keepdim=True)  # the first two rows are padding
    expected = probabilities * shares[:, None] / mass
    assert torch.allclose(class_mass_normalised(probabilities, task, shares), expected / expected.sum(-1, keepdim=True))
