"""More rows than `FEW`: a graph of nearest neighbours among all of them, and a blend of what it says with the class means."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sibyl.methods.named import method_by_name
from sibyl.methods.saved_classifier import put_together, take_apart
from sibyl.methods.universal import UniversalSIB, blend, self_training
from sibyl.methods.universal.graph import FEW
from sibyl.methods.universal.rows import power_rows
from sibyl.methods.universal.sparse_graph import SparseGraph, n_nodes_of
from sibyl.tasks import Episode, Task
from tests.methods.contract import is_close, pad
from tests.methods.universal.golden import task_of
from tests.methods.universal.test_universal import clusters

N_QUERY, N_WAY = 3 * FEW // 2, 7


@pytest.fixture(scope="module")
def pile() -> Episode:
    return clusters(N_WAY, 1, N_QUERY, 12, noise=0.8)


@pytest.fixture(scope="module")
def network() -> UniversalSIB:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UniversalSIB()
        for parameter in network.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    network.blend.usual.data = torch.tensor([0.0, 0.0, -1.0, 0.0])  # every answer has a say
    return network.double().eval()


def first_rows(task: Task, n: int) -> Task:
    return replace(task, query_x=task.query_x[:, :n], query_mask=task.query_mask[:, :n])


def logits(network: UniversalSIB, task: Task, prior: Tensor | None = None) -> Tensor:
    return network.solve(task, prior).logits


def test_classes_rows_and_padding_come_in_any_order(network: UniversalSIB, pile: Episode) -> None:
    task, straight = pile.task, logits(network, pile.task)
    rename = torch.randperm(N_WAY, generator=torch.Generator().manual_seed(1))
    assert is_close(logits(network, replace(task, support_y=rename[task.support_y]))[..., rename], straight)
    order = torch.randperm(N_QUERY, generator=torch.Generator().manual_seed(2))
    assert is_close(logits(network, replace(task, query_x=task.query_x[:, order])), straight[:, order])
    assert is_close(logits(network, pad(task, 3, 40))[:, 40:], straight)


def test_slices_add_up(network: UniversalSIB, pile: Episode) -> None:
    whole = logits(network, pile.task)
    network.slice_rows = 100
    try:
        assert is_close(logits(network, pile.task), whole)
    finally:
        network.slice_rows = None


def test_the_classifier_says_of_the_rows_what_the_answer_says_and_can_be_stored(network: UniversalSIB, pile: Episode) -> None:
    solution = network.solve(pile.task)
    assert solution.classifier is not None
    said = solution.classifier(pile.task.query_x)
    assert is_close(said.softmax(-1), solution.probabilities)
    tensors, description = take_apart(solution.classifier)
    again = put_together(tensors, description)
    assert torch.equal(again(pile.task.query_x), said)
    former = json.dumps(description)  # as earlier versions wrote it
    for now, before in (
        ("classifier:UniversalClassifier", "answer:UniversalClassifier"),
        ("outlier_refinement:OutlierRefinement", "second_look:SecondLook"),
        ('"is_neighbour"', '"heard"'),
    ):
        assert now in former
        former = former.replace(now, before)
    assert torch.equal(put_together(tensors, json.loads(former))(pile.task.query_x), again(pile.task.query_x))


def test_a_given_mix_is_met(network: UniversalSIB, pile: Episode) -> None:
    shares = torch.arange(1.0, N_WAY + 1, dtype=torch.float64) / (N_WAY * (N_WAY + 1) / 2)
    met = logits(network, pile.task, shares).softmax(-1).mean(1)[0]
    assert torch.allclose(met, shares, atol=1e-4)


def test_the_blend_fades_in(network: UniversalSIB, pile: Episode) -> None:
    inside, outside = (network.solve(first_rows(pile.task, FEW - N_WAY + more)) for more in (1, 0))
    assert outside.classifier is not None
    assert inside.classifier is not None
    assert outside.classifier.blend is None  # type: ignore[attr-defined]
    trained = inside.classifier.blend  # type: ignore[attr-defined]
    for trust, alone in ((trained.trust, [1.0, 0.0]), (trained.blend.trust, [1.0, 0.0, 0.0])):
        assert torch.allclose(trust[:, :1], torch.tensor(alone[:1], dtype=trust.dtype), atol=0.02)


def test_a_curved_class_is_followed_along_its_rows() -> None:
    n, draw = 150, torch.Generator().manual_seed(0)
    angle = torch.rand(2 * n, generator=draw, dtype=torch.float64) * 3.1
    y = torch.arange(2).repeat_interleave(n)
    x = torch.stack([angle.cos() + y, angle.sin() * (1 - 2 * y) + 0.4 * y, torch.full_like(angle, 1.5)], 1)
    x = x + 0.03 * torch.randn(*x.shape, generator=draw, dtype=torch.float64)
    first = torch.stack([angle[:n].argmin(), n + angle[n:].argmin()])
    task = Task(x[first][None], torch.tensor([[0, 1]]), x[None], 2)
    exponent = torch.ones(1, 1, 1, dtype=torch.float64)
    said = SparseGraph.of(task, exponent)[0].read(torch.nn.functional.normalize(x[None], dim=-1))
    assert (said[0].argmax(0) == y).double().mean() > 0.97


def test_neighbours_known_from_building_the_graph_say_what_is_read_off_it(pile: Episode) -> None:
    task, exponent = replace(pile.task, query_mask=torch.ones_like(pile.task.query_mask)), torch.full((1, 1, 1), 0.4)
    graph, own = SparseGraph.of(task, exponent)
    assert own is not None
    part = slice(100, 400)
    known = graph.read_off(*own.of(part))
    torch.testing.assert_close(known, graph.read(power_rows(task.query_x[:, part], exponent)), rtol=0, atol=1e-6)
    padded = replace(task, query_mask=torch.arange(N_QUERY)[None] < N_QUERY - 1)
    assert SparseGraph.of(padded, exponent)[1] is None


def test_copies_of_rows_do_no_harm(network: UniversalSIB, pile: Episode) -> None:
    few = pile.task.query_x[:, :60]
    task = replace(
        pile.task, query_x=few.repeat(1, N_QUERY // 60, 1), query_mask=torch.ones(1, N_QUERY // 60 * 60, dtype=torch.bool)
    )
    assert bool(logits(network, task).isfinite().all())


def test_a_pile_that_is_padding_almost_everywhere_is_answered(network: UniversalSIB, pile: Episode) -> None:
    masked = replace(pile.task, query_mask=(torch.arange(N_QUERY) < 5)[None])
    assert bool(logits(network, masked)[:, :5].isfinite().all())


def test_the_graph_is_of_all_rows_up_to_some_ten_thousand() -> None:
    assert n_nodes_of(13_083, 384) == 13_083
    assert n_nodes_of(5_421, 512) == 5_421
    assert 1_024 <= n_nodes_of(1_000_000, 64) <= 4_096
    assert n_nodes_of(10_000, 768) * 768 <= 1 << 23


def test_a_pile_is_tempered_by_its_labels_a_class_and_keeps_its_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    def temperature(*n_labels: float) -> float:
        return blend.pile_temperature(torch.tensor([n_labels], dtype=torch.float64)).item()

    assert temperature(1, 1, 1, 1) == pytest.approx(1.1)
    assert temperature(5, 5, 5, 5) == temperature(400, 400, 400, 400) == pytest.approx(0.9)
    assert temperature(5, 5, 0, 0) == pytest.approx(0.9)  # classes that only have a name
    assert temperature(1000, *[1] * 19) > 1.05  # one class with many
    network, task = method_by_name("universal_sib", 24, 6), task_of(1, 6, 2500, 24)
    tempered = network.solve(task)
    monkeypatch.setattr(self_training, "CHANGED", 0.0)
    monkeypatch.setattr(self_training, "PER_LABEL", 0.0)
    plain = network.solve(task)
    assert torch.equal(tempered.predictions, plain.predictions)
    factor = (tempered.logits[0, 0, 0] / plain.logits[0, 0, 0]).item()
    assert 2**0.1 <= factor < 2  # two labels a class, and what changed
    real = task.query_mask  # padding is answered as new rows are
    torch.testing.assert_close(tempered.logits[real], factor * plain.logits[real], rtol=1e-4, atol=1e-4)
