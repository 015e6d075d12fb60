"""How good and how fast encoders were found to be; the figures are written by `runs/encoders.py`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PATH = Path(__file__).with_name("measured.json")


@dataclass(frozen=True)
class Measured:
    """One encoder under the label job.

    Parameters
    ----------
    data : str
        What was labelled, in words.
    accuracy : float
        Share of right labels from one labelled example of each class, the other items unlabelled:
        mean over draws of the examples.
    half : float
        Half of the 95 % interval over draws.
    milliseconds : float
        To read and encode one item on one core.
    """

    data: str
    accuracy: float
    half: float
    milliseconds: float

    def __str__(self) -> str:
        digits = 2 if 0.9995 <= self.accuracy < 1 else 1  # what is not all is not shown as all
        return f"{100 * self.accuracy:.{digits}f} ± {100 * self.half:.{digits}f} % right on {self.data}, {self.milliseconds:.1f} ms an item"


def measured(name: str) -> Measured | None:
    """Return what was measured of an encoder, or None."""
    return _figures().get(name)


@cache
def _figures() -> dict[str, Measured]:
    if not PATH.is_file():
        return {}
    return {name: Measured(**figures) for name, figures in json.loads(PATH.read_text(encoding="utf-8")).items()}
