"""The map of a report: a point in the plane for each item, near each other where features are alike."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sibyl.errors import CheckpointError
from sibyl.tensors import load_tensors, save_tensors

Points = npt.NDArray[np.float32]
_VERSION = 1  # part of the cache's key: raise it when points move


def map_rows(n_items: int, always: list[int], limit: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """Choose the rows that a map shows: those of `always` first, then others at random; sorted."""
    always = always[:limit]
    if n_items <= limit:
        return np.arange(n_items)
    others = np.setdiff1d(np.arange(n_items), always)
    drawn = np.random.default_rng(seed).choice(others, limit - len(always), replace=False)
    return np.sort(np.concatenate([np.asarray(always, np.int64), drawn]))


def map_points(matrix: npt.NDArray[np.floating[Any]], cache: Path | None = None) -> Points:
    """Lay rows of features out in the plane.

    Rows of unit length are rotated to their 50 main directions and laid out by t-SNE (van der
    Maaten & Hinton 2008), which keeps neighbours together; distances between far groups mean
    little. Fewer than 30 rows show their two main directions instead.

    Parameters
    ----------
    matrix : float array [item, dim]
        Finite.
    cache : path, optional
        Folder where points are kept by the content of `matrix`, so that a second run need not
        compute them.

    Returns
    -------
    float32 array [item, 2]
        In 0 … 1.
    """
    rows = np.array(matrix, np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    key = hashlib.sha256(f"{_VERSION} {rows.shape}".encode() + rows.tobytes()).hexdigest()
    path = None if cache is None else cache / "maps" / f"{key}.safetensors"
    if path is not None and path.is_file():
        try:
            kept: Points = load_tensors(path)[0]["points"].numpy()
            if kept.shape == (len(rows), 2):
                return kept
        except (CheckpointError, KeyError):
            pass  # a damaged file is computed again and replaced
    points = _in_unit_square(_lay_out(rows))
    if path is not None:
        with suppress(OSError):  # a full disk costs the next run some seconds, not this one its report
            save_tensors(path, {"points": torch.from_numpy(points)}, {"rows": len(rows)})
    return points


def _lay_out(rows: Points) -> Points:
    if len(rows) < 3:
        return np.stack([np.arange(len(rows), dtype=np.float32), np.zeros(len(rows), np.float32)], 1)
    centred = rows - rows.mean(0)
    # Signs of singular vectors are arbitrary: the largest loading counts as positive, so that a map does not flip between machines.
    _, _, directions = np.linalg.svd(centred[: 4 * rows.shape[1] + 200], full_matrices=False)
    directions = directions[:50]
    directions *= np.sign(directions[np.arange(len(directions)), np.abs(directions).argmax(1)])[:, None] + 0.0
    main = centred @ directions.T
    if main.shape[1] < 2:
        main = np.concatenate([main, np.zeros_like(main)], 1)
    if len(rows) < 30 or not main.std():
        return np.asarray(main[:, :2], np.float32)
    from sklearn.manifold import TSNE  # costs a second to import, and only here

    start = main[:, :2] / max(float(main[:, 0].std()), 1e-12) * 1e-4
    laid = TSNE(perplexity=min(30.0, (len(rows) - 1) / 3), init=start.astype(np.float32), random_state=0, max_iter=500)
    return np.asarray(laid.fit_transform(main), np.float32)


def _in_unit_square(points: Points) -> Points:
    low, high = points.min(0), points.max(0)
    return np.asarray((points - low) / np.maximum(high - low, 1e-12), np.float32)
