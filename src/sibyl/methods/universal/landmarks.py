"""Rows that stand for many: a sample that looks random but follows from the rows alone, in whatever order they come."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from sibyl.memmap import release
from sibyl.tasks import Task


def landmarks(task: Task, n_landmarks: int, slice_rows: int = 512) -> Int[Tensor, "task landmark"]:
    """Choose the real query rows whose bytes have the smallest hash; equal rows are chosen together."""
    return hashes(task, slice_rows).topk(n_landmarks, dim=1, largest=False).indices


def hashes(task: Task, slice_rows: int = 512) -> Int[Tensor, "task query"]:
    """Return the hash of each query row, 0 … 2⁶³ − 1; the largest for padding."""
    bits = task.query_x.contiguous().view(torch.int64 if task.query_x.dtype == torch.float64 else torch.int32)
    # Odd multipliers, and sums that wrap around: exact, whatever the order of adding up.
    multiplier = torch.arange(1, bits.shape[2] + 1, device=bits.device) * 6364136223846793005 | 1
    key = torch.empty(bits.shape[:2], dtype=torch.int64, device=bits.device)
    for start in range(0, bits.shape[1], slice_rows):  # filled in place: small pieces kept between large ones would split the heap
        part = slice(start, start + slice_rows)
        key[:, part] = (bits[:, part].long() * multiplier).sum(-1)
        release(bits)
    key = ((key ^ (key >> 29)) * 1181783497276652981) & torch.iinfo(torch.int64).max
    return torch.where(task.query_mask, key, torch.iinfo(torch.int64).max)
