"""Labels that were not drawn at random count for less, and all others for one each, to the last bit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sibyl.methods.named import method_by_name
from sibyl.methods.universal import UniversalSIB, universal
from sibyl.methods.universal.label_weights import label_weights
from sibyl.methods.universal.neighbours import Nodes
from sibyl.methods.universal.rows import NoRows, QueryRows, power_rows
from sibyl.tasks import Task
from tests.methods.contract import pad
from tests.methods.universal.test_universal import clusters

N_WAY = 8


@pytest.fixture(scope="module")
def network() -> UniversalSIB:
    network = method_by_name("universal_sib", 16, N_WAY)
    assert isinstance(network, UniversalSIB)
    return network.double().eval()


def pile(n_shot: int, *, plainest: bool) -> Task:
    """Make a task of clusters whose labelled rows are random ones, or those that a class mean is surest of."""
    episode = clusters(N_WAY, 300, 400, 16, noise=2.0)
    support = episode.task.support_x.view(N_WAY, 300, 16)
    apart = torch.cdist(support, support.mean(1)[None])  # [class, row, mean]
    margin = apart.masked_fill(torch.eye(N_WAY, dtype=torch.bool)[:, None], torch.inf).amin(2) - apart.diagonal(dim1=0, dim2=2).T
    chosen = margin.argsort(1, descending=True)[:, :n_shot] if plainest else torch.arange(n_shot).expand(N_WAY, -1)
    x = support.gather(1, chosen[..., None].expand(-1, -1, 16)).reshape(1, -1, 16)
    return Task(x, torch.arange(N_WAY).repeat_interleave(n_shot)[None], episode.task.query_x, N_WAY)


def weights(network: UniversalSIB, task: Task, n_rows: int = 1000) -> Tensor | None:
    with torch.no_grad():
        exponent, _ = network.power(task)
        nodes = Nodes.of(task, exponent, power_rows(task.support_x, exponent))
        graph = task.query_x.new_zeros(task.n_tasks, N_WAY, task.query_x.shape[1])
        return label_weights(task, exponent, QueryRows(task, exponent, graph, nodes, n_rows, keep=False, keep_products=False))


@pytest.mark.parametrize("n_shot", [1, 2, 5, 20])
def test_random_labels_count_for_one_each(network: UniversalSIB, n_shot: int) -> None:
    assert weights(network, pile(n_shot, plainest=False)) is None


def test_n_labels_that_were_chosen_for_being_plain_count_as_their_root(network: UniversalSIB) -> None:
    task = pile(9, plainest=True)
    expected = torch.full((1, N_WAY), 1 / 3, dtype=torch.float64)
    found = weights(network, task)
    assert found is not None
    assert torch.allclose(found, expected)
    in_slices, padded = weights(network, task, n_rows=70), weights(network, pad(task, 5, 30))
    assert in_slices is not None
    assert padded is not None
    assert torch.equal(in_slices, found)
    assert torch.allclose(padded, expected)


def test_without_unlabelled_rows_every_label_counts_for_one(network: UniversalSIB) -> None:
    task = pile(9, plainest=True)
    with torch.no_grad():
        assert label_weights(task, network.power(task)[0], NoRows(task.query_x.new_zeros(1, 1))) is None


def test_the_answer_follows_the_weights(network: UniversalSIB, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine equal labels of one class that count as three weigh no more than three do."""
    task = pile(9, plainest=True)
    weighed = network.solve(task)
    monkeypatch.setattr(universal, "label_weights", lambda *_: None)
    as_before = network.solve(task)
    assert weighed.inductive_logits is not None
    assert as_before.inductive_logits is not None
    assert not torch.allclose(weighed.logits, as_before.logits, atol=1e-3)
    assert not torch.allclose(weighed.inductive_logits, as_before.inductive_logits, atol=1e-3)


def test_equal_labels_that_count_as_fewer_are_fewer(network: UniversalSIB, monkeypatch: pytest.MonkeyPatch) -> None:
    once = pile(3, plainest=True)
    thrice = replace(
        once,
        support_x=once.support_x.repeat_interleave(3, 1),
        support_y=once.support_y.repeat_interleave(3, 1),
        support_mask=once.support_mask.repeat_interleave(3, 1),
    )
    monkeypatch.setattr(universal, "label_weights", lambda *_: None)
    expected = network.solve(once).inductive_logits
    monkeypatch.setattr(universal, "label_weights", lambda *_: torch.full((1, N_WAY), 1 / 3, dtype=torch.float64))
    found = network.solve(thrice).inductive_logits
    assert expected is not None
    assert found is not None
    assert torch.allclose(found, expected, atol=1e-6)
