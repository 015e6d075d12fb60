"""A place on the map for every item: t-SNE of some, the others amid their nearest ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MOST = 4000  # items that t-SNE lays out
_NEAREST = 3


def places(matrix: npt.NDArray[np.floating[Any]], unit: npt.NDArray[np.float32], cache: str | None) -> npt.NDArray[np.uint16]:
    """Lay out all items.

    Parameters
    ----------
    matrix : float array [item, dim]
        Features.
    unit : float32 array [item, dim]
        Their directions, of unit length.
    cache : str, optional
        Folder where layouts are kept.

    Returns
    -------
    uint16 array [item, 2]
        Across and down, 0 … 65535.
    """
    from sibyl.labeling.item_map import map_points, map_rows
    from sibyl.storage import cache_folder

    shown = map_rows(len(matrix), [], MOST)
    laid = map_points(matrix[shown], cache_folder() if cache is None else Path(cache))
    points = np.empty((len(matrix), 2), np.float32)
    points[shown] = laid
    others = np.setdiff1d(np.arange(len(matrix)), shown)
    for start in range(0, len(others), 2000):
        rows = others[start : start + 2000]
        alike = unit[rows] @ unit[shown].T
        near = np.argpartition(-alike, min(_NEAREST, alike.shape[1] - 1), axis=1)[:, :_NEAREST]
        weight = np.maximum(np.take_along_axis(alike, near, 1), 1e-6) ** 2
        points[rows] = (laid[near] * weight[..., None]).sum(1) / weight.sum(1, keepdims=True)
    return np.asarray(np.rint(points * 65535), "<u2")
