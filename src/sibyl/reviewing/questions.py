"""Which items are asked next: those whose label would help most, and among them every fifth drawn at random, as a check."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sibyl.reviewing.audit import EVERY
from sibyl.reviewing.guesses import Guesses


def checking_order(n_items: int, seed: int) -> npt.NDArray[np.int64]:
    """Return the order in which items are drawn for checks: settled before any label, so that no label sways which is next."""
    return np.random.default_rng(seed).permutation(n_items)


def queue(
    number: int,
    asked: int,
    guesses: Guesses | None,
    first: Sequence[int],
    order: npt.NDArray[np.int64],
    left_out: Collection[int],
    checks_only: bool = False,
) -> list[dict[str, Any]]:
    """Choose the next items.

    Parameters
    ----------
    number : int
        How many.
    asked : int
        Items asked so far; each fifth is a check.
    guesses : Guesses, optional
        Of the last solve; without one, the items that stand for the pile are asked, and nothing is checked.
    first : sequence of int
        Rows that stand for the pile.
    order : int array [item]
        Of `checking_order`.
    left_out : collection of int
        Rows that are labelled, set aside or skipped.
    checks_only : bool
        Ask for nothing but checks.

    Returns
    -------
    list of mapping
        ``row``, ``audit``, ``new`` (unlike every class), ``between`` (keys of two classes).
    """
    taken = set(left_out)
    checks = (int(row) for row in order if row not in left_out)
    if guesses is None:
        helpful = iter([{"row": int(row), "audit": False, "new": False, "between": []} for row in first])
    else:
        helpful = iter(
            [
                {"row": row, "audit": False, "new": new, "between": [] if new else [one, two]}
                for row, _, one, two, new in guesses.suggested
            ]
        )
    chosen: list[dict[str, Any]] = []
    while len(chosen) < number:
        is_check = guesses is not None and (checks_only or (asked + len(chosen)) % EVERY == EVERY - 1)
        one: dict[str, Any] | None = None
        if not is_check:
            one = next((item for item in helpful if item["row"] not in taken), None)
        if one is None:  # nothing is left of the others: the rest is asked in random order
            row = next((row for row in checks if row not in taken), None)
            if row is None:
                break
            one = {"row": row, "audit": guesses is not None, "new": False, "between": []}
        taken.add(one["row"])
        chosen.append(one)
    return chosen
