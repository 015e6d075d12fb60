"""From features and a list of examples to the Task that a method solves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sibyl.errors import DataError
from sibyl.labeling.examples import Examples
from sibyl.tasks import Task
from sibyl.wording import counted

_SLICE_ROWS = 65536


def build_task(names: Sequence[str], matrix: npt.NDArray[np.floating[Any]], examples: Examples) -> Task:
    """Build one task: the examples are its support, all other rows its queries, both in the order of `names`.

    Parameters
    ----------
    names : sequence of str
        Item of each row.
    matrix : float array [item, dim]
        Features.
    examples : Examples
        Labelled items; those without a row are passed over.

    Returns
    -------
    Task
        A batch of one.

    Raises
    ------
    DataError
        If names and rows differ in number, or a feature is NaN or infinite; the message names the row.
    """
    if len(names) != len(matrix):
        raise DataError(f"{counted(len(matrix), 'row')} of features, but {counted(len(names), 'item')}; give one row per item")
    slices = [slice(start, start + _SLICE_ROWS) for start in range(0, len(matrix), _SLICE_ROWS)]
    bad = np.flatnonzero(np.concatenate([np.zeros(0, bool), *(~np.isfinite(matrix[part]).all(1) for part in slices)]))
    if len(bad):
        raise DataError(
            f"features must be finite, but row {bad[0]} ({names[bad[0]]!r}) holds NaN or infinity ({len(bad)} such rows); "
            "remove or recompute them"
        )
    number = {name: index for index, name in enumerate(examples.class_names)}
    support = [row for row, name in enumerate(names) if name in examples.labels]
    # Rows after the examples are used where they lie; rows among them must be copied.
    is_first = support == list(range(len(support)))
    queries = matrix[len(support) :] if is_first else np.delete(matrix, support, 0)
    return Task(
        torch.from_numpy(matrix[support].astype(np.float32))[None],
        torch.tensor([[number[examples.labels[names[row]]] for row in support]], dtype=torch.long),
        torch.from_numpy(np.require(queries, np.float32, ["C", "W"]))[None],
        len(examples.class_names),
    )
