"""Checks are drawn at random, and their interval holds the truth as often as it says."""

from __future__ import annotations

import numpy as np

from sibyl.reviewing.audit import EVERY, advice, checked, course, doubts, wilson
from sibyl.reviewing.guesses import Guesses
from sibyl.reviewing.questions import checking_order, queue
from sibyl.reviewing.state import State


def guesses_of(n: int, suggested: list[int]) -> Guesses:
    zeros = np.zeros((n, 2), np.uint16)
    chance = np.ones((n, 2), np.float32)
    return Guesses(
        1, ("a", "b"), zeros, chance, np.zeros(n, np.float32), np.zeros(n, np.uint16), [[row, 1.0, "a", "b", False] for row in suggested],
        frozenset(), 0.1, 2, 0.0,
    )  # fmt: skip


def test_wilson_against_known_values() -> None:
    assert np.allclose(wilson(44, 50), (0.7619, 0.9438), atol=2e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(20, 20)
    assert 0.83 < low < 0.84
    assert high == 1.0


def test_the_interval_covers_the_truth_and_checks_are_uniform() -> None:
    draw = np.random.default_rng(0)
    held = []
    counts = np.zeros(200)
    for seed in range(1500):
        right = draw.random(200) < draw.uniform(0.6, 0.98)
        order = checking_order(200, seed)
        asked = queue(20, 0, guesses_of(200, []), [], order, set(), checks_only=True)
        rows = [one["row"] for one in asked]
        counts[rows] += 1
        low, high = wilson(int(right[rows].sum()), len(rows))
        held.append(low <= right.mean() <= high)
    assert np.mean(held) > 0.93
    assert counts.min() > 100  # 150 expected
    assert counts.max() < 205


def test_every_fifth_is_a_check_and_none_before_there_is_a_guess() -> None:
    order = checking_order(100, 1)
    asked = queue(20, 0, guesses_of(100, list(range(100))), [], order, {3, 4})
    assert [place for place, one in enumerate(asked) if one["audit"]] == [4, 9, 14, 19]
    assert len({one["row"] for one in asked}) == 20
    assert not {3, 4} & {one["row"] for one in asked}
    assert not any(one["audit"] for one in queue(20, 0, None, list(range(50)), order, set()))
    assert [one["audit"] for one in queue(3, EVERY - 2, guesses_of(100, [7, 8, 9]), [], order, set())] == [False, True, False]


def test_when_all_is_labelled_nothing_is_asked() -> None:
    assert queue(5, 0, guesses_of(10, list(range(10))), [], checking_order(10, 0), set(range(10))) == []
    assert len(queue(5, 0, guesses_of(10, []), [], checking_order(10, 0), set(range(8)))) == 2


def state_with(checks: list[tuple[str, str]]) -> State:
    state = State()
    for name in ("cat", "dog"):
        state.apply({"seq": 1, "at": "", "kind": "class", "names": [name]})
    for number, (seen, said) in enumerate(checks):
        event = {
            "seq": number + 2,
            "at": "",
            "kind": "teach",
            "items": [f"{number}"],
            "label": said,
            "seen": seen,
            "sure": 0.5,
            "audit": True,
        }
        state.apply(event)
    return state


def test_a_check_is_right_where_the_guess_was_what_the_person_says() -> None:
    state = state_with([("cat", "cat")] * 6 + [("cat", "dog")] * 2)
    assert (checked(state).right, checked(state).of) == (6, 8)
    assert doubts(state)[0] == {"class": "dog", "wrong": 2, "of": 2, "taken_for": [["cat", 2]]}
    assert course(state)[-1] == 0.75


def test_only_the_last_fifty_count() -> None:
    state = state_with([("cat", "dog")] * 30 + [("cat", "cat")] * 50)
    assert (checked(state).right, checked(state).of) == (50, 50)


def test_advice() -> None:
    good, few = state_with([("cat", "cat")] * 50), state_with([("cat", "cat")] * 5)
    assert advice(1, 90, few, [], None, 0.9)["view"] == "start"
    assert advice(2, 90, few, [], None, 0.9)["stop"] is False
    # 140 items of two classes: a heap counts from a quarter of an average class, 17.5 items, on.
    assert advice(2, 90, good, [[1] * 18], None, 0.9)["view"] == "new"
    assert advice(2, 90, good, [[1] * 17], None, 0.9)["view"] == "finish"
    assert advice(2, 90, good, [[1]], None, 0.9)["stop"] is True
    assert advice(2, 90, good, [], 0.005, 0.99)["stop"] is True  # more would change little
    assert advice(2, 90, good, [], 0.2, 0.99)["stop"] is False
    assert advice(2, 0, good, [], None, 0.99)["stop"] is True
