"""The columns that the page reads."""

from __future__ import annotations

import numpy as np

from sibyl.reviewing.columns import HEAD, columns
from sibyl.reviewing.guesses import Guesses
from sibyl.reviewing.state import State


def test_a_guess_that_is_not_certain_does_not_become_so_by_rounding() -> None:
    state = State(titles={"a": "a", "b": "b"})
    chance = np.array([[0.9, 0.1], [0.9999, 0.0001], [1.0, 0.0]], np.float32)
    likely = np.array([[0, 1]] * 3, np.uint16)
    guesses = Guesses(1, ("a", "b"), likely, chance, np.zeros(3, np.float32), likely[:, 0], [], frozenset(), 0.1, 2, 0.0)
    content = columns(state, guesses, None, {"x": 0, "y": 1, "z": 2}, 1)
    after = HEAD.size + 4 * 2 * 3 + 3  # four columns of two bytes, and the status
    assert list(content[after : after + 3]) == [230, 254, 255]
