from __future__ import annotations

import torch
from torch.nn.functional import normalize

from sibyl.methods.classifiers import class_means
from sibyl.methods.transductive_finetuning import TransductiveFinetuning
from tests.methods.contract import make_episode, make_task, solve


def test_steps_are_adam_on_the_objective() -> None:
    task = make_task(1)
    support, query = normalize(task.support_x, dim=-1), normalize(task.query_x, dim=-1)
    weight = normalize(class_means(support, task.support_one_hot), dim=-1).requires_grad_()
    bias = torch.zeros(3, 1, 5, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([weight, bias], lr=1e-2)
    for _ in range(20):
        log_s = (4 * (support @ weight.mT + bias)).log_softmax(-1)
        log_q = (4 * (query @ weight.mT + bias)).log_softmax(-1)
        cross = -(log_s * task.support_one_hot).sum((1, 2)) / task.support_mask.sum(1)
        optimiser.zero_grad()
        (cross - (log_q.exp() * log_q).sum(2).mean(1)).sum().backward()
        optimiser.step()
    expected = 4 * (query @ weight.mT + bias).detach()
    method = TransductiveFinetuning(n_steps=20, learning_rate=1e-2, temperature=4.0)
    assert torch.allclose(solve(method, task).logits, expected, atol=1e-6)


def test_queries_become_decided() -> None:
    task = make_episode(1, noise=2.0).task
    solution = solve(TransductiveFinetuning(n_steps=100, learning_rate=1e-2, temperature=10.0), task)
    assert solution.inductive_logits is not None

    def entropy(logits: torch.Tensor) -> torch.Tensor:
        return -(logits.softmax(-1) * logits.log_softmax(-1)).sum(-1).mean(1)

    assert (entropy(solution.logits) < entropy(solution.inductive_logits)).all()


def test_it_moves_as_it_comes() -> None:
    """With the paper's step for a whole network the classifier alone would stay at the class means."""
    task = make_episode(1, noise=3.0, n_query=60).task
    solution = solve(TransductiveFinetuning(), task)
    assert solution.inductive_logits is not None
    assert float((solution.probabilities - solution.inductive_logits.softmax(-1)).abs().max()) > 0.01
