"""Write golden.npz: answers of the shipped network that a change of its passes over the rows must keep.

Run as ``python -m tests.methods.universal.golden`` where an answer is meant to change.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from sibyl.methods.named import method_by_name
from sibyl.methods.universal import UniversalSIB
from sibyl.tasks import ClassPrior, Solution, Task

PLACE = Path(__file__).with_suffix(".npz")
KEPT = 13  # every so many rows of a pile are written down
CASES: tuple[tuple[str, int, int, int, int, int | None], ...] = (
    ("few", 3, 5, 75, 32, None),
    ("some", 1, 8, 900, 24, 200),
    ("pile", 1, 6, 2500, 24, 300),
)
PRIORS: tuple[tuple[str, ClassPrior], ...] = (("unknown", None), ("balanced", "balanced"))


def task_of(n_tasks: int, n_way: int, n_query: int, dim: int) -> Task:
    """Make clusters, skewed, with a few rows that are padding."""
    draw = np.random.default_rng(n_query)
    centre = draw.normal(size=(n_way, dim))
    y = np.minimum((n_way * draw.random((n_tasks, n_query)) ** 1.5).astype(int), n_way - 1)
    query = centre[y] + draw.normal(size=(n_tasks, n_query, dim))
    support_y = np.tile(np.arange(n_way).repeat(2), (n_tasks, 1))
    support = centre[support_y] + draw.normal(size=(*support_y.shape, dim))
    mask = torch.ones(n_tasks, n_query, dtype=torch.bool)
    mask[:, -3:] = False
    return Task(
        torch.from_numpy(support.astype(np.float32)), torch.from_numpy(support_y),
        torch.from_numpy(query.astype(np.float32)), n_way, query_mask=mask,
    )  # fmt: skip


def solutions() -> Iterator[tuple[str, Solution]]:
    """Solve every case."""
    network = method_by_name("universal_sib", 32, 5)
    assert isinstance(network, UniversalSIB)
    for name, n_tasks, n_way, n_query, dim, slice_rows in CASES:
        network.slice_rows = slice_rows
        for told, prior in PRIORS:
            yield f"{name}.{told}", network.solve(task_of(n_tasks, n_way, n_query, dim), prior)


def kept(solution: Solution) -> dict[str, np.ndarray]:
    """Return what is written down of a solution."""
    assert solution.outlier_score is not None
    assert solution.inductive_logits is not None
    step = KEPT if solution.logits.shape[1] > 500 else 1
    parts = {"p": solution.probabilities, "alone": solution.inductive_logits.softmax(-1), "outlier": solution.outlier_score}
    return {key: value[:, ::step].numpy() for key, value in parts.items()} | {
        "labels": solution.predictions.numpy().astype(np.uint8)
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    arrays = {f"{name}.{key}": value for name, solution in solutions() for key, value in kept(solution).items()}
    np.savez_compressed(PLACE, **arrays)  # type: ignore[arg-type]
