"""Clusters with few labelled rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sibyl.methods import Method
from sibyl.methods.class_mean import ClassMean
from sibyl.methods.method import Traits
from sibyl.tasks import ClassPrior, Solution, Task

N_ROWS, DIM, N_CLASSES = 90, 16, 3


def clusters(
    n_rows: int = N_ROWS, spread: float = 0.6
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows, labels with one labelled row per class (the first of each), and the truth."""
    draw = np.random.default_rng(0)
    truth = np.arange(n_rows) % N_CLASSES
    X = draw.normal(size=(N_CLASSES, DIM))[truth] + spread * draw.normal(size=(n_rows, DIM))
    y = np.full(n_rows, -1)
    y[:N_CLASSES] = truth[:N_CLASSES]
    return X, y, truth


class SlicedClassMean(Method):
    """The class mean as a method that reads its queries where they lie."""

    name = "sliced_class_mean"
    traits = Traits(transductive=True, chunked=True, classifier=True)

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        self.seen = task.query_x
        return ClassMean().solve(task, class_prior)
