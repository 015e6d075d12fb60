"""The answer for a pile, taught to itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.methods.named import method_by_name
from sibyl.methods.universal import graph_nodes, self_training, sparse_graph
from sibyl.methods.universal.landmarks import landmarks
from sibyl.methods.universal.rows import power_rows
from sibyl.methods.universal.self_training import SelfTrained
from sibyl.methods.universal.sparse_graph import SparseGraph
from sibyl.tasks import Task

N_WAY, N_QUERY = 6, 1500


def task_of(x: Tensor, y: Tensor) -> Task:
    """Label the first row of each class."""
    n_way = int(y.max()) + 1
    first = torch.stack([(y == one).nonzero()[0, 0] for one in range(n_way)])
    left = torch.ones(len(y), dtype=torch.bool)
    left[first] = False
    return Task(x[first][None], torch.arange(n_way)[None], x[left][None], n_way)


def nuisance(seed: int = 0, dim: int = 60) -> tuple[Task, Tensor]:
    """Classes that differ in some directions of small variance, while most of the variance says nothing of them."""
    draw = torch.Generator().manual_seed(seed)
    y = torch.arange(N_QUERY + N_WAY) % N_WAY
    deviation = torch.where(torch.arange(dim) < 20, 2.0, 0.6)
    centre = torch.randn(N_WAY, dim, generator=draw) * (torch.arange(dim) >= 20)
    x = centre[y] * 0.6 + torch.randn(len(y), dim, generator=draw) * deviation
    return task_of(x, y), y[N_WAY:]


def rings() -> tuple[Task, Tensor]:
    """Three rings one within the other, on a sphere so that angles see them: no linear classifier can repeat them."""
    draw = torch.Generator().manual_seed(0)
    y = torch.arange(N_QUERY + 3) % 3
    angle = 6.283 * torch.rand(len(y), generator=draw)
    x = torch.stack([angle.cos(), angle.sin()], 1) * (y + 1.0)[:, None] + 0.05 * torch.randn(len(y), 2, generator=draw)
    return task_of(torch.cat([x, torch.full((len(y), 1), 1.5)], 1), y), y[3:]


def share_of(task: Task, monkeypatch: pytest.MonkeyPatch) -> float:
    found: list[Tensor] = []
    real = self_training.linear_share

    def noted(*args: Tensor) -> Tensor:
        found.append(real(*args))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr(self_training, "linear_share", noted)
    method_by_name("universal_sib", task.query_x.shape[2], task.n_way).solve(task)
    return found[-1].item()


def test_directions_that_say_nothing_are_weighed_down() -> None:
    task, y = nuisance()
    solution = method_by_name("universal_sib", 60, N_WAY).solve(task)
    trained = solution.classifier.blend  # type: ignore[union-attr]
    before = trained.blend(power_rows(task.query_x, solution.classifier.exponent)).argmax(1)[0]  # type: ignore[union-attr]
    right_before, right = (before == y).double().mean(), (solution.predictions[0] == y).double().mean()
    new = (solution.classifier(task.query_x)[0].argmax(-1) == y).double().mean()  # type: ignore[misc]
    assert right > right_before + 0.05
    assert new > right_before + 0.03


def test_the_linear_classifier_counts_where_it_can_repeat_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert share_of(nuisance()[0], monkeypatch) > 0.4
    assert share_of(rings()[0], monkeypatch) < 0.1


def test_rows_that_are_no_nodes_get_the_classifiers_answer_and_a_given_mix_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    task, _ = nuisance()
    monkeypatch.setattr(sparse_graph, "n_nodes_of", lambda rows, columns: 1200)
    method = method_by_name("universal_sib", 60, N_WAY)
    solution = method.solve(task)
    assert solution.classifier is not None
    is_node = torch.zeros(N_QUERY, dtype=torch.bool)
    is_node[landmarks(task, 1200)[0]] = True
    said = solution.classifier(task.query_x).softmax(-1)[0]
    torch.testing.assert_close(said[~is_node], solution.probabilities[0, ~is_node], rtol=0, atol=1e-4)
    torch.testing.assert_close(said[is_node], solution.probabilities[0, is_node], rtol=0, atol=1e-4)  # all nodes go along
    shares = torch.arange(1.0, N_WAY + 1) / (N_WAY * (N_WAY + 1) / 2)
    torch.testing.assert_close(method.solve(task, shares).probabilities.mean(1)[0], shares, rtol=0, atol=1e-3)


def test_a_task_is_answered_alike_whatever_is_solved_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse_graph, "n_nodes_of", lambda rows, columns: min(rows, 1300))
    task, _ = nuisance()
    other, _ = nuisance(seed=1)
    few = replace(task, query_mask=(torch.arange(N_QUERY) < 1250)[None])  # all of them nodes, not so the rows of the other
    pairs = {
        name: torch.cat([getattr(one, name) for one in (few, other)])
        for name in ("support_x", "support_y", "query_x", "query_mask")
    }
    both = Task(n_way=N_WAY, **pairs)
    method = method_by_name("universal_sib", 60, N_WAY)
    alone = method.solve(few).probabilities[0, :1250]
    torch.testing.assert_close(method.solve(both).probabilities[0, :1250], alone, rtol=0, atol=1e-5)


def test_wide_rows_take_the_smaller_system() -> None:
    task, _ = nuisance()
    exponent = torch.full((1, 1, 1), 0.5)
    graph, _ = SparseGraph.of(replace(task, query_x=task.query_x[:, :40], query_mask=task.query_mask[:, :40]), exponent)
    assert graph.built is not None
    nodes = graph_nodes.GraphNodes(graph, task.support_one_hot)
    assert nodes.wide
    targets = torch.randn(1, 46, N_WAY, generator=torch.Generator().manual_seed(1))
    ridge = graph_nodes.RIDGE * nodes.seen.square().sum((1, 2)) / 60
    by_columns = torch.linalg.solve(nodes.seen.mT @ nodes.seen + ridge * torch.eye(60), nodes.seen.mT @ targets)
    torch.testing.assert_close(nodes.regressed(targets), by_columns, rtol=1e-3, atol=1e-3)


def test_a_class_that_one_row_alone_has_and_rows_that_are_all_equal_are_answered() -> None:
    x = normalize(torch.randn(1, 8, generator=torch.Generator().manual_seed(2)), dim=1).expand(1400, -1).clone()
    x[:3] = torch.eye(8)[:3]
    y = torch.zeros(1400, dtype=torch.long)
    y[1], y[2] = 1, 2
    solution = method_by_name("universal_sib", 8, 3).solve(task_of(x, y))
    assert bool(solution.logits.isfinite().all())
    assert isinstance(solution.classifier.blend, SelfTrained)  # type: ignore[union-attr]
