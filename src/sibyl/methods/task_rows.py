"""All rows of a task together, labelled and not, and their mean."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sibyl.tasks import Task


def all_rows(task: Task) -> tuple[Float[Tensor, "task row dim"], Bool[Tensor, "task row"], Float[Tensor, "task row way"]]:
    """Join support and query: features, which rows are real, and one-hot classes that are zero for queries and padding."""
    x = torch.cat([task.support_x, task.query_x], 1)
    mask = torch.cat([task.support_mask, task.query_mask], 1)
    unlabelled = task.query_x.new_zeros(*task.query_mask.shape, task.n_way)
    return x, mask, torch.cat([task.support_one_hot, unlabelled], 1)


def mean_row(x: Float[Tensor, "task row dim"], mask: Bool[Tensor, "task row"]) -> Float[Tensor, "task 1 dim"]:
    """Mean of the real rows; zero where there is none."""
    weight = mask[..., None].to(x.dtype)
    return (x * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp_min(1)
