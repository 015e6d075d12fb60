"""Few rows: solved again, told the mix that they came to, by a graph too, and averaged; as sure as the first answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sibyl.datasets.glyphs import glyph_features
from sibyl.episodes import EpisodeSampler
from sibyl.methods.anchored_means import AnchoredMeans
from sibyl.methods.named import method_by_name
from sibyl.methods.saved_classifier import put_together, take_apart
from sibyl.methods.universal import UniversalSIB, mix_refinement
from sibyl.methods.universal.blend import LocalModel
from sibyl.methods.universal.classifier import UniversalClassifier
from sibyl.methods.universal.graph import FEW, spread_labels
from sibyl.methods.universal.neighbours import Nodes
from sibyl.methods.universal.rows import QueryRows, power_rows
from sibyl.tasks import Episode, Solution, Task
from tests.methods.universal.golden import task_of


@pytest.fixture(scope="module")
def network() -> UniversalSIB:
    network = method_by_name("universal_sib", 64, 5)
    assert isinstance(network, UniversalSIB)
    return network


@pytest.fixture(scope="module")
def skewed() -> Episode:
    return EpisodeSampler(glyph_features("validation", n_per_class=30), n_shot=1, class_mix="dirichlet:0.5", seed=3).sample(0, 40)


def classifier_of(solution: Solution) -> UniversalClassifier:
    assert isinstance(solution.classifier, UniversalClassifier)
    return solution.classifier


def rows_of(task: Task, exponent: torch.Tensor, graph: torch.Tensor | None = None) -> QueryRows:
    nodes = Nodes.of(task, exponent, power_rows(task.support_x, exponent))
    if graph is None:
        graph = task.query_x.new_full((task.n_tasks, task.n_way, task.query_x.shape[1]), 1 / task.n_way)
    return QueryRows(task, exponent, graph, nodes, 40, keep=True, keep_products=False)


def test_sharpened_answers_come_closer_to_the_mix_than_probabilities(network: UniversalSIB, skewed: Episode) -> None:
    task = skewed.task
    answer = classifier_of(network.solve(task))
    truth = torch.nn.functional.one_hot(skewed.query_y, task.n_way).double().mean(1)
    first = answer.model
    soft = first(power_rows(task.query_x, answer.exponent)).softmax(1).mean(2)
    counted = mix_refinement.counted_mix(rows_of(task, answer.exponent), first)
    assert (counted.sum(1) - 1).abs().max() < 1e-5
    assert (counted - truth).abs().mean() < (soft - truth).abs().mean() - 0.001


def test_labels_spread_over_the_graph_bring_the_counted_mix_closer(network: UniversalSIB, skewed: Episode) -> None:
    task = skewed.task
    answer = classifier_of(network.solve(task))
    truth = torch.nn.functional.one_hot(skewed.query_y, task.n_way).double().mean(1)
    rows = rows_of(task, answer.exponent, spread_labels(task, answer.exponent)[0])
    mixture = mix_refinement.anchored_mixture(power_rows(task.support_x, answer.exponent), task.support_one_hot, rows)

    def error(of_graph: float) -> float:
        plain = mix_refinement.PlainAnswers(mixture, rows.count.new_full((task.n_tasks, 1), of_graph))
        return (mix_refinement.counted_mix(rows, answer.model, plain) - truth).abs().mean().item()

    assert error(0.5) < 0.95 * error(0.0)


def test_glyphs_of_an_uneven_mix_are_better_answered_for_the_graph(
    network: UniversalSIB, skewed: Episode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def right() -> float:
        return (network.solve(skewed.task).predictions == skewed.query_y).double().mean().item()

    heard = right()
    monkeypatch.setattr(mix_refinement, "SURE_ENOUGH", (2.0, 3.0))  # as if every first answer were unsure
    assert heard > right() + 0.002


@pytest.mark.parametrize(
    ("n_way", "sureness", "open_rows", "contradicted", "share"),
    [
        (4, 0.7, 1, 9, 0.0), (4, 0.8, 1, 9, 0.25), (4, 1.0, 1, 9, 0.5),
        (4, 1.0, 4, 4, 0.0), (4, 1.0, 4, 5, 0.25), (4, 1.0, 9, 1, 0.0),
        (10, 1.0, 1, 9, 0.5), (15, 1.0, 1, 9, 0.25), (20, 1.0, 1, 9, 0.0), (50, 1.0, 1, 9, 0.0),
    ],
)  # fmt: skip
def test_the_graph_is_heard_where_the_first_answer_is_sure_and_the_mixture_contradicts_it(
    n_way: int, sureness: float, open_rows: float, contradicted: float, share: float
) -> None:
    rows = rows_of(task_of(1, 4, 43, 8), torch.full((1, 1, 1), 0.5))  # three of them are padding
    sums = (torch.tensor([[one]], dtype=torch.float64) for one in (40 * (1 - sureness), open_rows, contradicted))
    assert mix_refinement.share_of_graph(rows, n_way, *sums).item() == pytest.approx(share, abs=1e-6)


def test_the_mean_is_as_sure_as_the_first_answer(network: UniversalSIB, skewed: Episode) -> None:
    solution = network.solve(skewed.task)
    answer = classifier_of(solution)
    alone = answer.model(power_rows(skewed.task.query_x, answer.exponent)).exp().amax(1).mean(1)
    assert (solution.probabilities.amax(-1).mean(1) - alone).abs().max() < 1e-3
    assert isinstance(answer.blend, mix_refinement.LogMean)
    assert (answer.blend.trust.sum(1) - 1).abs().max() > 0.1  # told a mix, answers are too sure


def test_the_plain_mixture_is_that_of_anchored_means() -> None:
    task = task_of(2, 5, 75, 16).to(torch.float64)
    exponent = torch.full((2, 1, 1), 0.5, dtype=torch.float64)
    unit, support = power_rows(task.query_x, exponent), power_rows(task.support_x, exponent)
    mixture = mix_refinement.anchored_mixture(support, task.support_one_hot, rows_of(task, exponent))
    expected = AnchoredMeans().solve(replace(task, query_x=unit, support_x=support)).probabilities.mT
    assert torch.allclose(mixture(unit).exp(), expected, atol=1e-6)


def test_neither_a_handful_of_rows_nor_a_pile_is_told() -> None:
    def share(n: int, *, n_labelled: int = 0, fell_back: bool = False) -> float:
        rows = rows_of(task_of(1, 4, n + 3, 8), torch.full((1, 1, 1), 0.5))  # three of them are padding
        return mix_refinement.share_of_told(rows, rows.count + n_labelled, torch.tensor([fell_back]), 4).item()

    assert share(8) == share(FEW) == share(100, fell_back=True) == 0
    assert share(16) == pytest.approx(0.5)
    assert share(24) == share(FEW // 2) == 1
    assert share(3 * FEW // 4) == share(FEW // 2, n_labelled=FEW // 4) == pytest.approx(0.5)
    assert share(24, n_labelled=FEW) == 0


@pytest.mark.parametrize("n_query", [1, 2, 3, 6])
def test_new_rows_do_not_suffer_where_few_rows_are_counted(network: UniversalSIB, n_query: int) -> None:
    glyphs = glyph_features("validation", n_per_class=40)
    whole = EpisodeSampler(glyphs, n_shot=5, n_query=20, seed=8).sample(0, 30)
    order = whole.query_y.argsort(dim=1, stable=True).reshape(30, 5, 20)
    first, rest = order[..., :n_query].reshape(30, -1), order[..., n_query:].reshape(30, -1)
    few_rows = torch.take_along_dim(whole.task.query_x, first[..., None], 1)
    task = replace(whole.task, query_x=few_rows, query_mask=torch.ones(30, first.shape[1], dtype=torch.bool))
    answer = classifier_of(network.solve(task))
    new, y = torch.take_along_dim(whole.task.query_x, rest[..., None], 1), torch.take_along_dim(whole.query_y, rest, 1)
    right = (answer(new).argmax(-1) == y).double().mean()
    alone = (answer.model(power_rows(new, answer.exponent)).argmax(1) == y).double().mean()
    assert right > alone - 0.015


def test_new_rows_are_answered_likewise_and_the_classifier_can_be_stored(network: UniversalSIB) -> None:
    task = task_of(1, 6, 90, 24)
    solution = network.solve(task)
    answer = classifier_of(solution)
    assert torch.allclose(answer(task.query_x), solution.logits, atol=1e-5)
    again = put_together(*take_apart(answer))
    assert torch.equal(again(task.query_x), answer(task.query_x))


def test_a_mix_that_is_given_is_the_only_one_told(network: UniversalSIB) -> None:
    assert classifier_of(network.solve(task_of(1, 6, 90, 24), "balanced")).blend is None


def test_two_classes_and_hardly_any_rows_are_answered(network: UniversalSIB) -> None:
    for n_way, n_query in ((2, 20), (5, 4)):
        probabilities = network.solve(task_of(1, n_way, n_query, 8)).probabilities
        assert bool(probabilities.isfinite().all())


def test_log_mean_adds_weighted_log_probabilities(network: UniversalSIB) -> None:
    answer = classifier_of(network.solve(task_of(1, 6, 90, 24)))
    model: LocalModel = answer.model
    unit = power_rows(task_of(1, 6, 90, 24).query_x, answer.exponent)
    twice = mix_refinement.LogMean((model, model), torch.tensor([[0.25, 0.75]]))
    assert torch.allclose(twice(unit), model(unit), atol=1e-5)
