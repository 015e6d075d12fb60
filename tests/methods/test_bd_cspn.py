from __future__ import annotations

import torch
from torch.nn.functional import cosine_similarity, normalize

from sibyl.methods.bd_cspn import BDCSPN, rectified_means
from sibyl.tasks import Task
from tests.methods.contract import make_episode, make_task, solve


def test_written_out_for_one_task() -> None:
    task = make_task(4, n_tasks=1)
    real = task.support_mask[0]
    support, labels = normalize(task.support_x[0, real], dim=-1), task.support_y[0, real]
    query = normalize(task.query_x[0], dim=-1)
    query = query + support.mean(0) - query.mean(0)
    means = torch.stack([support[labels == c].mean(0) for c in range(5)])
    guesses = torch.stack([cosine_similarity(query, mean[None]) for mean in means], 1).argmax(1)
    cosine = torch.stack([cosine_similarity(torch.cat([support, query]), mean[None]) for mean in means], 1)
    sure = (10 * cosine).softmax(1)  # over the classes, for each item
    rectified = []
    for c in range(5):
        items = torch.cat([labels == c, guesses == c])
        rectified.append((sure[items, c, None] * torch.cat([support, query])[items]).mean(0))
    unshifted = normalize(task.query_x[0], dim=-1)
    expected = torch.stack([-10 * (unshifted - mean).square().sum(1) for mean in rectified], 1)
    assert torch.allclose(solve(BDCSPN(), task).logits[0], expected)


def test_means_of_unsure_items_are_short() -> None:
    """The released rectification: an item between two classes counts half, and nothing makes up for it."""
    support = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]], dtype=torch.float64)
    between = torch.tensor([[[0.8, 0.79], [0.79, 0.8]]], dtype=torch.float64)
    task = Task(support, torch.tensor([[0, 1]]), between, 2)
    means = rectified_means(support, normalize(between, dim=-1), task, 10.0)
    assert (means.norm(dim=-1) < 0.8).all()


def test_undoes_a_shift_of_all_queries() -> None:
    """The cross-class bias: queries from a domain that lies elsewhere are brought back onto the support."""
    episode = make_episode(9, n_tasks=30, noise=1.0)
    task = episode.task
    away = normalize(task.query_x, dim=-1) + 1.5 * normalize(torch.ones_like(task.query_x), dim=-1)
    task = type(task)(normalize(task.support_x, dim=-1), task.support_y, away, task.n_way, task.support_mask)
    rectified = solve(BDCSPN(), task)
    assert rectified.inductive_logits is not None
    accuracy, inductive = (
        (logits.argmax(-1) == episode.query_y).double().mean() for logits in (rectified.logits, rectified.inductive_logits)
    )
    assert accuracy > inductive + 0.01
