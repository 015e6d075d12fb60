"""Paired statistics against textbook and hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit
from scipy.stats import ttest_rel

from sibyl.compare.statistics import differences, holm, paired_p_value, relative_gain
from sibyl.errors import DataError


def test_holm_on_a_worked_example() -> None:
    # 0.01 · 4, 0.013 · 3, 0.014 · 2, 0.19 · 1, then made monotone in ascending order, told in the order given.
    assert holm([0.19, 0.01, 0.014, 0.013]) == pytest.approx([0.19, 0.04, 0.04, 0.04])
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert len(holm([])) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_the_plain_value_and_bonferroni(p: list[float]) -> None:
    corrected = holm(p)
    assert (corrected >= np.array(p)).all()
    assert (corrected <= np.minimum(1, len(p) * np.array(p) + 1e-15)).all()
    assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= 0).all()


def test_paired_difference_by_hand() -> None:
    ours, theirs = np.array([0.8, 0.6, 0.9, 0.7]), np.array([0.7, 0.6, 0.7, 0.6])
    found = differences({"ours": ours, "theirs": theirs}, "theirs")["ours"]
    # Differences 0.1, 0, 0.2, 0.1: mean 0.1, standard deviation √(0.02 / 3), t = 0.1 / (s / 2) with 3 degrees of freedom.
    spread = (0.02 / 3) ** 0.5
    assert found.mean == pytest.approx(0.1)
    assert found.half == pytest.approx(stdtrit(3, 0.975) * spread / 2)
    assert found.p_value == pytest.approx(0.0917, abs=1e-4)
    assert found.holm == found.p_value  # a family of one
    assert not found.significant


def test_p_value_is_that_of_the_paired_t_test() -> None:
    draw = np.random.default_rng(0)
    ours, theirs = draw.random(50), draw.random(50)
    assert paired_p_value(ours, theirs) == pytest.approx(float(ttest_rel(ours, theirs).pvalue))


def test_pairing_sees_what_unpaired_intervals_hide() -> None:
    """A small gain on every episode, with episodes of very different difficulty."""
    draw = np.random.default_rng(0)
    hard = draw.uniform(0.2, 0.9, 100)
    found = differences({"a": hard, "b": hard + 0.01 + 0.001 * draw.normal(size=100)}, "a")["b"]
    assert found.significant
    assert found.half < 0.001 < 1.96 * hard.std() / 10


def test_degenerate_differences() -> None:
    values = np.array([0.25, 0.5, 0.75])
    assert paired_p_value(values, values.copy()) == 1.0
    assert paired_p_value(values + 0.125, values) == 0.0
    with pytest.raises(DataError, match="3 and 2"):
        paired_p_value(values, values[:2])
    with pytest.raises(DataError, match="two at least"):
        paired_p_value(values[:1], values[:1])


def test_the_family_is_all_comparisons_with_the_baseline() -> None:
    draw = np.random.default_rng(1)
    base = draw.random(30)
    accuracies = {"base": base} | {f"m{index}": base + 0.05 * draw.normal(size=30) + 0.01 * index for index in range(4)}
    found = differences(accuracies, "base")
    assert set(found) == {"m0", "m1", "m2", "m3"}
    assert [found[name].holm for name in found] == pytest.approx(holm([found[name].p_value for name in found]))
    assert differences(accuracies, "absent") == {}


def test_relative_gain_of_a_constant_factor_is_exact() -> None:
    theirs = np.array([0.2, 0.4, 0.6])
    assert relative_gain(1.25 * theirs, theirs) == pytest.approx((0.25, 0.0), abs=1e-12)
    assert np.isnan(relative_gain(theirs, 0 * theirs)).all()


def test_relative_gain_covers_as_often_as_it_says() -> None:
    """95 % intervals of a ratio of means, over 400 repetitions of 200 correlated episodes."""
    draw = np.random.default_rng(2)
    hits = 0
    for _ in range(400):
        theirs = draw.uniform(0.3, 0.9, 200)
        ours = 1.1 * theirs + draw.normal(0, 0.1, 200)
        gain, half = relative_gain(ours, theirs)
        hits += abs(gain - 0.1) < half
    assert 0.91 < hits / 400 < 0.985
