"""What a graph says of the queries: labels spread over all rows, which follows clusters that no class mean describes."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.mapped import allocate_beside, gather_rows, is_mapped, release, trim
from sibyl.methods.gaussian_graph import first_bridge, pairwise_squared_distances
from sibyl.methods.label_spreading import LabelSpreading
from sibyl.methods.preprocessing import all_rows
from sibyl.tasks import Task

LANDMARKS = 1024  # query rows that the graph is built on; of more, as many are chosen by their content


@torch.no_grad()
def spread_labels(task: Task, n_landmarks: int = LANDMARKS, slice_rows: int = 128) -> Float[Tensor, "task way query"]:
    """Spread the labels over the rows (Zhou et al. 2004), and read them off for every query.

    Up to `n_landmarks` queries are the graph's nodes themselves. Of more queries that many are chosen, and all are read off the nodes
    with the graph's own kernel (Delalleau, Bengio & Le Roux 2005), so that time and memory grow with the number of queries and not
    with its square. The choice depends on what the rows hold and not on where they stand.

    Returns
    -------
    float [task, way, query]
        Probabilities; even where the graph does not reach.
    """
    if task.query_x.shape[1] <= n_landmarks:
        return LabelSpreading().solve(task).probabilities.mT
    chosen = landmarks(task, n_landmarks)
    part = replace(
        task,
        query_x=gather_rows(task.query_x, chosen),
        query_mask=task.query_mask.gather(1, chosen),
    )
    rows, mask, one_hot = all_rows(part)
    rows = normalize(rows, dim=-1)
    spread = torch.cat([task.support_one_hot, LabelSpreading().solve(part).probabilities], 1) * mask[..., None]
    width = first_bridge(pairwise_squared_distances(rows, mask), one_hot).to(rows.dtype) / 9
    answer = allocate_beside(task.query_x, (task.n_tasks, task.query_x.shape[1], task.n_way))
    for start in range(0, task.query_x.shape[1], slice_rows):
        unit = normalize(task.query_x[:, start : start + slice_rows], dim=-1)
        log_affinity = (2 * unit @ rows.mT - 2) / width.clamp_min(torch.finfo(width.dtype).tiny)[:, None, None]
        affinity = log_affinity.masked_fill(~mask[:, None], -torch.inf).softmax(-1)
        answer[:, start : start + slice_rows] = affinity @ spread
        release(task.query_x, answer)
    if is_mapped(task.query_x):
        trim()
    return answer.mT


def landmarks(task: Task, n_landmarks: int, slice_rows: int = 512) -> Int[Tensor, "task landmark"]:
    """Choose real query rows by a hash of their bytes: the same rows in whatever order they come."""
    bits = task.query_x.contiguous().view(torch.int64 if task.query_x.dtype == torch.float64 else torch.int32)
    # Odd multipliers, and sums that wrap around: exact, whatever the order of adding up.
    multiplier = torch.arange(1, bits.shape[2] + 1) * 6364136223846793005 | 1
    key = torch.empty(bits.shape[:2], dtype=torch.int64, device=bits.device)
    for start in range(0, bits.shape[1], slice_rows):  # filled in place: small pieces kept between large ones would split the heap
        part = slice(start, start + slice_rows)
        key[:, part] = (bits[:, part].long() * multiplier).sum(-1)
        release(bits)
    key = ((key ^ (key >> 29)) * 1181783497276652981) & torch.iinfo(torch.int64).max
    key = torch.where(task.query_mask, key, torch.iinfo(torch.int64).max)
    return key.topk(n_landmarks, dim=1, largest=False).indices
