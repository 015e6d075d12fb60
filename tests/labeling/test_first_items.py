"""The first items stand for the pile."""

from __future__ import annotations

import numpy as np
import pytest

import sibyl
from sibyl.errors import InputError
from sibyl.labeling import first_items as module


def clusters(sizes: list[int], dim: int = 12, spread: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    kinds = np.repeat(np.arange(len(sizes)), sizes)
    order = draw.permutation(len(kinds))
    rows = 4 * draw.normal(size=(len(sizes), dim))[kinds] / np.sqrt(dim) + spread * draw.normal(size=(len(kinds), dim))
    return rows[order], kinds[order]


def test_one_of_each_kind_where_random_ones_miss_some() -> None:
    rows, kinds = clusters([300, 200, 60, 30, 20, 20, 15, 10])
    chosen = sibyl.first_items(rows, 8)
    assert len({*kinds[chosen]}) == 8
    draw = np.random.default_rng(0)
    random = np.mean([len({*kinds[draw.choice(len(kinds), 8, replace=False)]}) for _ in range(200)])
    assert random < 5
    assert kinds[chosen[0]] in (0, 1)  # the largest kinds come first


def test_it_is_the_greedy_choice_by_hand() -> None:
    draw = np.random.default_rng(1)
    rows = draw.normal(size=(40, 5))
    unit = rows - rows.mean(0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    alike = np.maximum(unit @ unit.T, 0) ** 2
    taken: list[int] = []
    explained = np.zeros(40)
    for _ in range(6):
        gain = np.maximum(alike - explained, 0).sum(1)
        taken.append(int(gain.argmax()))
        explained = np.maximum(explained, alike[taken[-1]])
    assert sibyl.first_items(rows, 6).tolist() == taken


def test_few_rows_none_and_many(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted(sibyl.first_items(np.eye(3), 10).tolist()) == [0, 1, 2]
    assert sibyl.first_items(np.zeros((0, 4)), 3).tolist() == []
    monkeypatch.setattr(module, "_CANDIDATES", 100)
    monkeypatch.setattr(module, "_EXPLAINED", 80)
    rows, kinds = clusters([600, 600, 600])
    chosen = sibyl.first_items(rows.astype(np.float32), 3)
    assert len({*kinds[chosen]}) == 3
    assert chosen.tolist() == sibyl.first_items(rows.astype(np.float32), 3).tolist()
    assert len({*sibyl.first_items(rows, 150).tolist()}) == 150


@pytest.mark.parametrize("wrong", [np.zeros(3), np.array([[np.nan, 1.0]])])
def test_what_is_no_pile(wrong: np.ndarray) -> None:
    with pytest.raises(InputError):
        sibyl.first_items(wrong, 1)
    with pytest.raises(InputError):
        sibyl.first_items(np.eye(2), 0)
