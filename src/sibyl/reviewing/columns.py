"""What the page knows of every item, as columns of numbers: 12 bytes an item, fetched after each solve."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from sibyl.reviewing.guesses import NOTHING, Guesses, translated
from sibyl.reviewing.state import ASIDE, CONFIRMED, TAUGHT, State

MAGIC = b"sibyl1\0\0"
GUESSED, STATUS_OF = 0, {TAUGHT: 1, CONFIRMED: 2, ASIDE: 3}
HEAD = struct.Struct("<8sIII")


def columns(
    state: State,
    guesses: Guesses | None,
    before: npt.NDArray[np.uint16] | None,
    row_of: Mapping[str, int],
    revision: int,
) -> bytes:
    """Put the columns together.

    Returns
    -------
    bytes
        A head (magic, number of items, revision, revision that the guesses know), then ``label``, ``runner``, ``alone``, ``before`` as
        uint16 and ``status``, ``sure``, ``margin``, ``outlier`` as uint8, of all items each.
    """
    n = len(row_of)
    label, runner, alone, earlier = (np.full(n, NOTHING, "<u2") for _ in range(4))
    status, sure, margin, outlier = (np.zeros(n, np.uint8) for _ in range(4))
    if guesses is not None and n:
        now = guesses.now(state)
        label[:], alone[:] = translated(guesses.likely[:, 0], now), translated(guesses.alone, now)
        sure[:] = np.minimum(np.rint(guesses.chance[:, 0] * 255), np.where(guesses.chance[:, 0] < 1, 254, 255))  # 255 is certain
        if guesses.likely.shape[1] > 1:
            runner[:] = translated(guesses.likely[:, 1], now)
            margin[:] = np.rint((guesses.chance[:, 0] - guesses.chance[:, 1]) * 255)
        outlier[:] = np.clip(np.rint(guesses.outlier * 16), 0, 255)
        if before is not None:
            earlier[:] = before
    place_of = state.place_of
    for item, mark in state.marks.items():
        row = row_of.get(item)
        if row is not None:
            status[row], sure[row], margin[row] = STATUS_OF[mark.kind], 255, 255
            label[row] = place_of.get(mark.key, NOTHING)
            earlier[row] = NOTHING
    head = HEAD.pack(MAGIC, n, revision, 0 if guesses is None else guesses.revision)
    return head + b"".join(column.tobytes() for column in (label, runner, alone, earlier, status, sure, margin, outlier))
