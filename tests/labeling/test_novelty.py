"""Which items are said to be perhaps of a class that has no example."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from sibyl.labeling.novelty import suspected
from sibyl.labeling.page_choice import choose_outliers

CLASSES = np.arange(400) % 5


def score_of(odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 1 / (1 + np.exp(-odds))


def even_tail(seed: int) -> npt.NDArray[np.float64]:
    """Log odds of items of known classes: most are low, and the upper end runs out evenly."""
    return np.random.default_rng(seed).exponential(1.5, 400) - 3


@pytest.mark.parametrize("seed", range(5))
def test_scores_that_run_out_evenly_flag_nothing_however_high(seed: int) -> None:
    odds = even_tail(seed)
    assert (odds > 2).sum() > 5  # some are higher than 0.88
    assert not suspected(score_of(odds), CLASSES).any()


def test_a_lump_at_the_upper_end_is_suspected() -> None:
    odds = np.minimum(even_tail(0), 1.5)
    odds[:40] = np.random.default_rng(1).normal(4, 0.4, 40)
    assert np.flatnonzero(suspected(score_of(odds), CLASSES)).tolist() == list(range(40))


def test_a_lump_of_low_scores_is_not() -> None:
    odds = np.minimum(even_tail(0), -2)
    odds[:40] = np.random.default_rng(1).normal(1, 0.3, 40)
    assert not suspected(score_of(odds), CLASSES).any()


def test_a_whole_class_is_unlike_its_examples_and_not_new() -> None:
    odds = np.minimum(even_tail(0), 1.5)
    odds[CLASSES == 2] = np.random.default_rng(1).normal(4, 0.4, 80)
    assert not suspected(score_of(odds), CLASSES).any()


def test_few_items_are_no_lump() -> None:
    odds = np.minimum(even_tail(0), 1.5)
    odds[:9] = 5
    assert not suspected(score_of(odds), CLASSES).any()
    assert suspected(np.zeros(0), np.zeros(0, int)).tolist() == []
    assert not suspected(np.array([0.0, 1.0]), np.array([0, 1])).any()


def test_the_report_shows_the_suspected_ones_highest_first() -> None:
    odds = np.minimum(even_tail(0), 1.5)
    odds[:40] = np.linspace(4, 5, 40)
    table = pd.DataFrame({"label": CLASSES.astype(str), "status": "labelled", "outlier_score": score_of(odds)})
    table.loc[39, "status"] = "example"
    assert choose_outliers(table, 400) == list(range(38, -1, -1))
    assert choose_outliers(table, 3) == [38, 37, 36]
