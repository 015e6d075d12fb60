"""Solve: features and examples → a table of labels. The data themselves are not looked at here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from sibyl.labeling.examples import Examples
from sibyl.labeling.table import labels_table
from sibyl.labeling.task import build_task
from sibyl.methods import Method
from sibyl.sources.item import Skipped
from sibyl.tasks import ClassPrior, Solution, Task


@dataclass(frozen=True, eq=False)
class Solved:
    """A solved task in words and in numbers.

    Parameters
    ----------
    table : DataFrame
        One row per item; see `labels_table`.
    task, solution : Task, Solution
        A batch of one; its queries are the items that are no examples, in the order of the features.
    """

    table: pd.DataFrame
    task: Task
    solution: Solution

    @property
    def fell_back(self) -> bool:
        """Whether the labels are the inductive ones because there are too few unlabelled items."""
        return bool(self.solution.fell_back is not None and self.solution.fell_back.all())


def solve_items(
    names: Sequence[str],
    matrix: npt.NDArray[np.floating[Any]],
    examples: Examples,
    method: Method,
    class_prior: ClassPrior = None,
    skipped: Sequence[Skipped] = (),
) -> Solved:
    """Label items from their features and some examples.

    Parameters
    ----------
    names : sequence of str
        Item of each row.
    matrix : float array [item, dim]
        Features.
    examples : Examples
        Labelled items.
    method : Method
        What solves the task.
    class_prior : None, "balanced" or shares
        What is known of the class mix of the unlabelled items.
    skipped : sequence of Skipped
        Items without features, for the table.

    Raises
    ------
    DataError
        If names and rows differ in number, or features are not finite.
    """
    task = build_task(names, matrix, examples)
    solution = solve_task(task, method, class_prior)
    return Solved(labels_table(names, examples, solution, skipped, method.name), task, solution)


def solve_task(task: Task, method: Method, class_prior: ClassPrior = None) -> Solution:
    """Solve a task; without any unlabelled item the solution is empty."""
    if not task.query_x.shape[1]:
        empty = task.query_x.new_zeros(task.n_tasks, 0, task.n_way)
        return Solution(empty, empty, fell_back=torch.ones(task.n_tasks, dtype=torch.bool))
    with torch.no_grad():
        return method.solve(task, class_prior)
