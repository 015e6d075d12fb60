"""How right the labels are: an interval from items drawn at random, and what to do next."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sibyl.reviewing.state import TAUGHT, Mark, State

EVERY = 5  # of the items asked one at a time, each fifth is drawn at random
LAST = 50  # checks that count: earlier ones judged an earlier state
SETTLED = 0.01
_HEAP = 5


@dataclass(frozen=True)
class Checked:
    """What the checks say.

    Parameters
    ----------
    right, of : int
        Right guesses among the checks that count.
    low, high : float
        95 % interval of the share of right guesses (Wilson 1927).
    """

    right: int
    of: int
    low: float
    high: float

    def plain(self) -> dict[str, float]:
        """Return the fields."""
        return {"right": self.right, "of": self.of, "low": self.low, "high": self.high}


def wilson(right: int, of: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the Wilson interval of a share: honest for few trials too, and never outside 0 … 1."""
    if not of:
        return 0.0, 1.0
    share, n = right / of, of
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def checked(state: State) -> Checked:
    """Count the last checks. A check is right where the guess of that time is what the person says now."""
    verdicts = [state.current(mark.seen) == mark.key for mark in _checks(state)][-LAST:]
    return Checked(sum(verdicts), len(verdicts), *wilson(sum(verdicts), len(verdicts)))


def _checks(state: State) -> list[Mark]:
    marks = [mark for mark in state.marks.values() if mark.audit and mark.key]
    return sorted(marks, key=lambda mark: mark.seq)


def doubts(state: State, most: int = 12) -> list[dict[str, object]]:
    """Classes whose items were most often guessed wrongly before they were taught, with what they were taken for."""
    wrong: dict[str, Counter[str]] = {}
    seen: Counter[str] = Counter()
    for mark in state.marks.values():
        guess = state.current(mark.seen)
        if mark.kind == TAUGHT and guess:
            seen[mark.key] += 1
            if guess != mark.key:
                wrong.setdefault(mark.key, Counter())[guess] += 1
    worst = sorted(wrong, key=lambda key: (-sum(wrong[key].values()), key))[:most]
    return [
        {
            "class": state.titles[key],
            "wrong": sum(wrong[key].values()),
            "of": seen[key],
            "taken_for": [[state.titles[other], number] for other, number in wrong[key].most_common(3)],
        }
        for key in worst
    ]


def course(state: State, window: int = 20) -> list[float]:
    """Share of right guesses among the last `window` taught items, after each: each was judged before it was taught."""
    marks = sorted((mark for mark in state.marks.values() if mark.kind == TAUGHT and mark.seen), key=lambda mark: mark.seq)
    right = [state.current(mark.seen) == mark.key for mark in marks]
    return [sum(right[max(0, end - window) : end]) / min(window, end) for end in range(1, len(right) + 1)]


def advice(
    n_classes: int, n_left: int, state: State, heaps: Iterable[list[int]], moved: float | None, goal: float
) -> dict[str, object]:
    """Say whether to stop, and what would help most."""
    found, largest = checked(state), max(map(len, heaps), default=0)
    if n_classes < 2:
        return {"stop": False, "words": "Name items of at least two classes; then the rest follows.", "view": "start"}
    if not n_left:
        return {"stop": True, "words": "Every item has a label from you.", "view": "finish"}
    n_items = n_left + len(state.marks)
    if largest >= max(_HEAP, n_items / n_classes / 4):  # a class that is missing would be a heap of about its size
        return {"stop": False, "words": f"{largest} items look alike and unlike every class: name them first.", "view": "new"}
    if found.of < 10:
        words = f"Too few checks to tell how right the labels are ({found.of} of at least 10): go on, or check some at random."
        return {"stop": False, "words": words, "view": "next"}
    if found.low >= goal:
        return {"stop": True, "words": f"Stop: at least {found.low:.0%} are right, and {goal:.0%} was the goal.", "view": "finish"}
    if moved is not None and moved <= SETTLED and found.of >= 20:
        words = f"More would change little: the last ten labels moved {moved:.1%}; about {found.right / found.of:.0%} are right."
        return {"stop": True, "words": words, "view": "finish"}
    pair = next(iter(doubts(state, 1)), None)
    if pair is not None and pair["taken_for"]:
        words = f"Go on: {pair['class']} was taken for {pair['taken_for'][0][0]} {pair['taken_for'][0][1]} times."  # type: ignore[index]
        return {"stop": False, "words": words, "view": "class", "class": pair["class"]}
    return {"stop": False, "words": "Go on with the queue.", "view": "next"}
