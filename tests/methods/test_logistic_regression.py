from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression as Reference
from torch.nn.functional import normalize

from sibyl.methods.logistic_regression import LogisticRegression
from sibyl.tasks import Task
from tests.methods.contract import make_task, pad, solve


@pytest.mark.parametrize("inverse_penalty", [0.1, 1.0, 100.0])
def test_equals_scikit_learn(inverse_penalty: float) -> None:
    """Same minimum, reached by another road, for unequal shots with padding."""
    task = make_task(2)
    logits = solve(LogisticRegression(inverse_penalty), pad(task, 3, 0)).logits
    for row in range(task.n_tasks):
        real = task.support_mask[row]
        x, query = (normalize(part[row], dim=-1).numpy() for part in (task.support_x, task.query_x))
        settings = {"class_weight": "balanced", "tol": 1e-12, "max_iter": 10_000}
        reference = Reference(C=inverse_penalty, **settings).fit(x[real], task.support_y[row][real].numpy())
        assert np.allclose(logits[row].softmax(-1), reference.predict_proba(query), atol=1e-6)


def test_many_rows_of_a_class_do_not_draw_the_others_into_it() -> None:
    """Nine rows near one axis and one on another: a query beside the single row belongs to it."""
    near = torch.tensor([1.0, 0.0, 0.0]) + 0.1 * torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    support = torch.cat([near, torch.tensor([[0.0, 1.0, 0.0]])])[None]
    task = Task(support, torch.tensor([[0] * 9 + [1]]), torch.tensor([[[0.1, 1.0, 0.0], [1.0, 0.1, 0.0]]]), 2)
    assert LogisticRegression().solve(task).predictions.tolist() == [[1, 0]]


def test_stops_by_itself() -> None:
    """Many more steps change nothing: the solver had converged."""
    task = make_task(3)
    assert torch.equal(
        solve(LogisticRegression(max_steps=2000), task).logits, solve(LogisticRegression(max_steps=50_000), task).logits
    )
