"""Solve: features and examples → a table of labels. The data themselves are not looked at here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sibyl.errors import DataError
from sibyl.labeling.examples import Examples
from sibyl.labeling.table import labels_table
from sibyl.messages import counted
from sibyl.methods import Method
from sibyl.sources.item import Skipped
from sibyl.tasks import Solution, Task
from sibyl.transduction.class_names import read_class_vectors
from sibyl.transduction.class_prior import read_class_prior
from sibyl.transduction.transduce import transduce


@dataclass(frozen=True, eq=False)
class Solved:
    """A solved task in words and in numbers.

    Parameters
    ----------
    table : DataFrame
        One row per item; see `labels_table`.
    task, solution : Task, Solution
        A batch of one; its queries are the items that are no examples, in the order of the features.
    notes : tuple of str
        What a person should know of the rows.
    names : mapping of str to str
        Class → whether its name was used; empty where no class has one.
    """

    table: pd.DataFrame
    task: Task
    solution: Solution
    notes: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def fell_back(self) -> bool:
        """Whether the labels are the inductive ones because there are too few unlabelled items."""
        return bool(self.solution.fell_back is not None and self.solution.fell_back.all())


def solve_items(
    names: Sequence[str],
    matrix: npt.NDArray[np.floating[Any]],
    examples: Examples,
    method: Method,
    class_prior: Any = None,
    skipped: Sequence[Skipped] = (),
    *,
    is_table: bool = False,
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
    class_prior : None, "balanced", shares, counts or words
        What is known of the class mix of the unlabelled items.
    skipped : sequence of Skipped
        Items without features, for the table.
    is_table : bool
        Rows are the columns of a table and not an encoder's features.

    Raises
    ------
    DataError
        If names and rows differ in number, or features are not finite.
    """
    if len(names) != len(matrix):
        raise DataError(f"{counted(len(matrix), 'row')} of features, but {counted(len(names), 'item')}; give one row per item")
    number = {name: index for index, name in enumerate(examples.class_names)}
    codes = np.array([number[examples.labels[name]] if name in examples.labels else -1 for name in names], np.int64)
    if isinstance(class_prior, Mapping):  # classes are texts here, whatever they were given as
        class_prior = {str(name): value for name, value in class_prior.items()}
    prior = read_class_prior(class_prior, examples.class_names)
    vectors = read_class_vectors(examples.vectors, examples.class_names, matrix.shape[1]) if examples.vectors else None
    found = transduce(matrix, codes, len(number), method, prior, names=names, class_vectors=vectors, is_table=is_table)
    table = labels_table(names, examples, found.solution, skipped, method.name)
    notes, of_names = found.notes(names), {}
    if found.names is not None:
        of_names = found.names.words(examples.class_names)
        notes.append(found.names.note(examples.class_names))
    return Solved(table, found.task, found.solution, tuple(notes), of_names)
