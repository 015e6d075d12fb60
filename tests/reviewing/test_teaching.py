"""Confirmed in bulk is not taught: right labels of sure items may not make the others worse."""

from __future__ import annotations

import numpy as np
import torch

from sibyl.labeling.examples import Examples
from sibyl.labeling.solve import solve_items
from sibyl.methods.named import DEFAULT_METHOD, method_by_name
from sibyl.reviewing.teaching import PER_CLASS, examples_of


def test_at_most_a_few_of_a_class_teach() -> None:
    draw = np.random.default_rng(0)
    names = [f"{row}" for row in range(60)]
    matrix = draw.normal(size=(60, 8)).astype(np.float32)
    confirmed = {f"{row}": "ab"[row % 2] for row in range(10, 60)}
    few = examples_of(names, matrix, {"0": "a", "1": "a", "2": "b"}, confirmed)
    chosen = [label for item, label in few.items() if int(item) >= 10]
    assert chosen.count("a") == PER_CLASS - 2
    assert chosen.count("b") == PER_CLASS - 1
    assert list(few)[:3] == ["0", "1", "2"]
    assert examples_of(names, matrix, {}, confirmed) == examples_of(names, matrix, {}, dict(reversed(confirmed.items())))


def test_an_item_that_was_taught_otherwise_is_not_confirmed_too() -> None:
    names, matrix = ["x", "y"], np.eye(2, dtype=np.float32)
    assert examples_of(names, matrix, {"x": "a"}, {"x": "b", "y": "b"}) == {"x": "a", "y": "b"}


def test_confirming_sure_right_items_does_not_spoil_the_others() -> None:
    torch.manual_seed(0)
    draw = np.random.default_rng(3)
    kinds = np.repeat(np.arange(6), 60)
    spread = np.where(kinds < 3, 0.45, 1.0)[:, None]  # three easy classes, three that are hard
    matrix = (draw.normal(size=(6, 12))[kinds] + spread * draw.normal(size=(360, 12))).astype(np.float32)
    names = [f"{row:03}" for row in range(360)]
    truth = {name: f"class {kind}" for name, kind in zip(names, kinds, strict=True)}
    taught = {names[int(np.flatnonzero(kinds == kind)[0])]: f"class {kind}" for kind in range(6)}
    method = method_by_name(DEFAULT_METHOD, 12, 6)

    def guesses(labels: dict[str, str]) -> dict[str, tuple[str, float]]:
        solved = solve_items(names, matrix, Examples(labels, tuple(sorted(set(labels.values())))), method)
        table = solved.table[solved.table["status"] == "labelled"]
        return {item: (label, sure) for item, label, sure in zip(table["item"], table["label"], table["confidence"], strict=True)}

    first = guesses(taught)
    confirmed = {item: label for item, (label, sure) in first.items() if label == truth[item] and sure > 0.9}
    assert len(confirmed) > 60
    rest = [item for item in first if item not in confirmed]

    def right(labels: dict[str, str]) -> float:
        found = guesses(labels)
        return float(np.mean([found[item][0] == truth[item] for item in rest]))

    before, after = right(taught), right(examples_of(names, matrix, taught, confirmed))
    assert after >= before - 0.01
