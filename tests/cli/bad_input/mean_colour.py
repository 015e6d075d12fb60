"""An encoder that needs no library, the examples of three colours, and a reader of what was written."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sibyl.encoders.encoder import Encoder

COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}
EXAMPLES = {f"{name}/0.png": name for name in COLOURS}


class MeanColour(Encoder[Any, Any]):
    """Mean of each channel; slow on request, so that a run can be stopped in its middle."""

    name = "mean-colour"
    key = "mean-colour-1"
    dim = 3
    description: ClassVar[dict[str, Any]] = {"name": "mean-colour"}

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay

    def prepare(self, item: Any) -> Any:
        time.sleep(self.delay)
        return np.asarray(item, np.float32).mean((0, 1)) / 255

    def encode(self, batch: Sequence[Any]) -> Any:
        return np.stack(batch).astype(np.float32)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
