"""Labels that were not drawn at random count for less, and all others for one each, to the last bit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sibyl.methods.named import method_by_name
from sibyl.methods.universal import UniversalSIB, universal
from sibyl.methods.universal.adaptation import adapt
from sibyl.methods.universal.label_weights import label_weights, weights_in_graph
from sibyl.methods.universal.neighbours import Nodes
from sibyl.methods.universal.rows import NoRows, power_rows
from sibyl.methods.universal.sparse_graph import SparseGraph
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


def weights(network: UniversalSIB, task: Task) -> Tensor:
    with torch.no_grad():
        exponent, _ = network.power(task)
        return label_weights(task, exponent, Nodes.of(task, exponent, power_rows(task.support_x, exponent)))


@pytest.mark.parametrize("n_shot", [1, 2, 5, 20])
def test_random_labels_count_for_one_each(network: UniversalSIB, n_shot: int) -> None:
    assert torch.equal(weights(network, pile(n_shot, plainest=False)), torch.ones(1, N_WAY, dtype=torch.float64))


def test_n_labels_that_were_chosen_for_their_large_margins_count_as_their_root(network: UniversalSIB) -> None:
    task = pile(9, plainest=True)
    expected = torch.full((1, N_WAY), 1 / 3, dtype=torch.float64)
    assert torch.allclose(weights(network, task), expected)
    assert torch.allclose(weights(network, pad(task, 5, 30)), expected)


def test_without_unlabelled_rows_every_label_counts_for_one(network: UniversalSIB) -> None:
    task = pile(9, plainest=True)
    masked = replace(task, query_mask=torch.zeros_like(task.query_mask))
    assert torch.equal(weights(network, masked), torch.ones(1, N_WAY, dtype=torch.float64))


def test_the_answer_follows_the_weights_and_the_inductive_one_knows_nothing_of_them(
    network: UniversalSIB, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = pile(9, plainest=True)
    weighed, with_half = (
        network.solve(one) for one in (task, replace(task, query_x=task.query_x[:, ::2], query_mask=task.query_mask[:, ::2]))
    )
    monkeypatch.setattr(universal, "label_weights", lambda task, *_: torch.ones_like(task.n_shots))
    as_before = network.solve(task)
    assert weighed.inductive_logits is not None
    assert as_before.inductive_logits is not None
    assert with_half.inductive_logits is not None
    assert not torch.allclose(weighed.logits, as_before.logits, atol=1e-3)
    assert torch.equal(weighed.inductive_logits, as_before.inductive_logits)
    assert torch.allclose(weighed.inductive_logits[:, ::2], with_half.inductive_logits, atol=1e-12)


def test_equal_labels_that_count_as_fewer_are_fewer(network: UniversalSIB) -> None:
    once = pile(3, plainest=True)
    thrice = replace(
        once,
        support_x=once.support_x.repeat_interleave(3, 1),
        support_y=once.support_y.repeat_interleave(3, 1),
        support_mask=once.support_mask.repeat_interleave(3, 1),
    )
    with torch.no_grad():
        exponent, shape = network.power(once)
        none, x = NoRows(exponent.new_zeros(1, 1)), once.query_x[:, :50]
        found = []
        for task, weight in ((once, 1.0), (thrice, 1 / 3)):
            nodes = Nodes.of(task, exponent, power_rows(task.support_x, exponent))
            answer, _ = adapt(network, task, task.support_one_hot * weight, exponent, shape, nodes, none, None)
            found.append(answer(x))
    assert torch.allclose(found[0], found[1], atol=1e-9)


def test_in_the_graph_of_a_pile_a_class_with_many_chosen_labels_does_not_flood_the_others(network: UniversalSIB) -> None:
    task = pile(40, plainest=True)
    many = torch.ones_like(task.support_mask)
    many[:, 40 * N_WAY // 2 :] = torch.arange(40 * N_WAY // 2) % 40 < 2  # half of the classes have two labels
    task = replace(task, support_mask=many)
    with torch.no_grad():
        exponent, _ = network.power(task)
        nodes = Nodes.of(task, exponent, power_rows(task.support_x, exponent))
        counted = weights_in_graph(label_weights(task, exponent, nodes))
        assert torch.allclose(counted, 1 / task.n_shots)
        plain, weighed = (SparseGraph.of(task, exponent, one)[0] for one in (None, counted))
        assert torch.allclose(weighed.scores, plain.scores * counted[:, None], rtol=1e-4, atol=1e-9)
        unit = power_rows(task.query_x, exponent)
        of_plain, of_weighed = (graph.read(unit).argmax(1) for graph in (plain, weighed))
    got_by_few = [(said >= N_WAY // 2).double().mean() for said in (of_plain, of_weighed)]  # half of the rows are theirs
    assert got_by_few[0] < 0.25
    assert got_by_few[1] > 0.4
