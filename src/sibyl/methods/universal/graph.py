"""What a graph says of the queries: labels spread over all rows, which follows clusters that no class mean describes."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.memmap import allocate_beside, is_mapped, release, trim
from sibyl.methods.label_spreading import LabelSpreading
from sibyl.methods.universal.rows import power_rows
from sibyl.methods.universal.sparse_graph import SparseGraph
from sibyl.tasks import Task
from sibyl.threads import in_order

FEW = 1024  # rows, labelled ones among them, up to which every pair is an edge, as in training; more are a pile
ENTRIES = 1 << 16  # pairs of a row and a node, or of a row's neighbour and a class, that a slice holds


@torch.no_grad()
def spread_labels(
    task: Task, exponent: Float[Tensor, "task 1 1"], weights: Float[Tensor, "task way"] | None = None, few: int = FEW
) -> tuple[Float[Tensor, "task way query"], SparseGraph | None]:
    """Spread the labels over the rows, by all edges between few rows, by those to nearest neighbours in a pile.

    Few rows are spread over as `LabelSpreading` does, on the raw rows: with that the network was
    trained. A pile is spread over on rows after the power transform, see `SparseGraph`; its `Blend`
    was fitted with that.

    Parameters
    ----------
    task : Task
        Without unlabelled rows it is no pile.
    exponent : float [task, 1, 1]
        Of the power transform.
    weights : float [task, way], optional
        What a label of each class counts for in a pile; None for one.
    few : int
        Rows up to which a task is no pile.

    Returns
    -------
    float [task, way, query]
        Probabilities; even where the graph does not reach.
    SparseGraph, optional
        The graph of a pile.
    """
    n_labelled, n_query = task.support_x.shape[1], task.query_x.shape[1]
    if n_query == 0 or n_labelled + n_query <= few:
        return LabelSpreading().solve(task).probabilities.mT, None
    graph, own = SparseGraph.of(task, exponent, weights)
    answer = allocate_beside(task.query_x, (task.n_tasks, task.query_x.shape[1], task.n_way))
    n_rows = max(16, 16 * ENTRIES // (graph.nodes.shape[1] + 16 * task.n_way) // task.n_tasks)
    starts = range(0, task.query_x.shape[1], n_rows)

    def read(start: int) -> Tensor:
        part = slice(start, start + n_rows)
        if own is not None:
            return graph.read_off(*own.of(part)).mT
        return graph.read(power_rows(task.query_x[:, part], exponent)).mT

    for start, of_part in zip(starts, in_order(read, starts), strict=True):
        answer[:, start : start + n_rows] = of_part
        release(task.query_x, answer)
    if is_mapped(task.query_x):
        trim()
    return answer.mT, graph
