"""What a file of features holds, before it is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Columns:
    """What was found in a file, unchecked.

    Parameters
    ----------
    matrix : array
        Meant to be [item, dim].
    labels, ids : list, optional
        Meant to be one per item.
    """

    matrix: npt.NDArray[Any]
    labels: list[Any] | None
    ids: list[Any] | None
