"""From features and a list of examples to the Task that a method solves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.errors import DataError
from sibyl.labeling.examples import Examples
from sibyl.mapped import allocate, release, slices
from sibyl.tasks import Task
from sibyl.wording import counted


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
    bad = np.flatnonzero(np.concatenate([np.zeros(0, bool), *(~np.isfinite(matrix[part]).all(1) for part in slices(matrix))]))
    if len(bad):
        raise DataError(
            f"features must be finite, but row {bad[0]} ({names[bad[0]]!r}) holds NaN or infinity ({len(bad)} such rows); "
            "remove or recompute them"
        )
    number = {name: index for index, name in enumerate(examples.class_names)}
    support = [row for row, name in enumerate(names) if name in examples.labels]
    task = Task(
        torch.from_numpy(matrix[support].astype(np.float32))[None],
        torch.tensor([[number[examples.labels[names[row]]] for row in support]], dtype=torch.long),
        query_rows(matrix, support)[None],
        len(examples.class_names),
    )
    release(matrix)
    return task


def query_rows(matrix: npt.NDArray[np.floating[Any]], left_out: Sequence[int]) -> Float[Tensor, "query dim"]:
    """Return all rows but some: where they lie if those come first, and otherwise a copy, in a file if it is large."""
    is_ready = matrix.dtype == np.float32 and matrix.flags.c_contiguous and matrix.flags.writeable
    if is_ready and left_out == list(range(len(left_out))):
        return torch.from_numpy(matrix[len(left_out) :])
    is_kept = np.ones(len(matrix), bool)
    is_kept[left_out] = False
    rest, filled = allocate((int(is_kept.sum()), matrix.shape[1])), 0
    for part in slices(matrix):
        chosen = matrix[part][is_kept[part]]
        rest[filled : filled + len(chosen)] = chosen
        filled += len(chosen)
        release(rest)
    return torch.from_numpy(rest)
