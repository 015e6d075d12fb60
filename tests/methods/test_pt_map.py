from __future__ import annotations

import torch

from sibyl.methods.preprocessing import powered
from sibyl.methods.pt_map import PTMAP
from tests.methods.contract import make_episode, make_task, solve


def test_powered() -> None:
    x = torch.tensor([[[4.0, 9.0, 0.0]]], dtype=torch.float64)
    assert torch.allclose(powered(x, 0.5, unit_length=False), torch.tensor([[[2.0, 3.0, 1e-3]]], dtype=torch.float64))
    assert torch.allclose(powered(x, 0.5), -powered(-x - 1e-300, 0.5))
    assert torch.allclose(powered(x, 0.5).norm(dim=-1), torch.ones(1, 1, dtype=torch.float64))


def test_answer_is_balanced_or_as_told() -> None:
    """The column sums of the assignment are the class shares, whatever the queries are."""
    task = make_task(6)
    assert torch.allclose(solve(PTMAP(), task).probabilities.mean(1), torch.full((3, 5), 0.2, dtype=torch.float64), atol=1e-5)
    shares = torch.tensor([0.5, 0.2, 0.1, 0.1, 0.1], dtype=torch.float64)
    assert torch.allclose(solve(PTMAP(), task, shares).probabilities.mean(1), shares.expand(3, -1), atol=1e-5)


def test_written_out_for_one_task() -> None:
    """Algorithm 1 of the paper on the features themselves, one task, plain Sinkhorn scaling."""
    task = make_task(7, n_tasks=1)
    support, query = (powered(x, 0.5)[0] for x in (task.support_x[:, task.support_mask[0]], task.query_x))
    support, query = (torch.nn.functional.normalize(x - x.mean(0), dim=-1) for x in (support, query))
    y = task.support_one_hot[0, task.support_mask[0]]
    means = y.T @ support / y.sum(0)[:, None]
    for step in range(6):
        plan = torch.exp(-10.0 * torch.cdist(query, means).square())
        for _ in range(2000):
            plan = plan / plan.sum(0) * len(query) / 5
            plan = plan / plan.sum(1, keepdim=True)
        if step < 5:
            weight = torch.cat([y, plan])
            means = means + 0.2 * ((weight / weight.sum(0)).T @ torch.cat([support, query]) - means)
    assert torch.allclose(solve(PTMAP(n_steps=5), task).probabilities[0], plan, atol=1e-5)


def test_knowing_the_shares_helps_under_skew() -> None:
    episode = make_episode(8, n_tasks=20, noise=2.0)
    shares = torch.nn.functional.one_hot(episode.query_y, 5).double().mean(1)
    told, presumed = (
        (solve(PTMAP(), episode.task, prior).predictions == episode.query_y).double().mean() for prior in (shares, None)
    )
    assert told > presumed + 0.02
