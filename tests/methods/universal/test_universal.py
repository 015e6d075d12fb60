from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.errors import DataError
from sibyl.methods.named import method_by_name
from sibyl.methods.universal import UniversalSIB
from sibyl.methods.universal.graph import spread_labels
from sibyl.methods.universal.landmarks import landmarks
from sibyl.methods.universal.posterior import Posterior
from sibyl.methods.universal.rows import power_rows
from sibyl.methods.universal.viewpoint import Viewpoint
from sibyl.tasks import Episode, Task
from tests.methods.contract import make_episode, make_task


@pytest.fixture(scope="module")
def network() -> UniversalSIB:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UniversalSIB()
        for parameter in network.parameters():  # away from the quiet start, so that every branch matters
            parameter.data += 0.05 * torch.randn_like(parameter)
    return network.double().eval()


def clusters(n_way: int, n_shot: int, n_query: int, dim: int, seed: int = 0, noise: float = 0.5) -> Episode:
    draw = torch.Generator().manual_seed(seed)
    centre = torch.randn(1, n_way, dim, generator=draw, dtype=torch.float64)
    support_y = torch.arange(n_way).repeat_interleave(n_shot)[None]
    query_y = torch.randint(0, n_way, (1, n_query), generator=draw)

    def items(y: Tensor) -> Tensor:
        return centre[:, y[0]] + noise * torch.randn(1, y.shape[1], dim, generator=draw, dtype=torch.float64)

    return Episode(Task(items(support_y), support_y, items(query_y), n_way), query_y)


@pytest.mark.parametrize(("n_way", "n_shot", "n_query", "dim"), [(2, 1, 3, 4), (7, 3, 40, 31), (60, 1, 100, 16), (3, 2, 0, 5)])
def test_one_network_fits_every_shape(network: UniversalSIB, n_way: int, n_shot: int, n_query: int, dim: int) -> None:
    task = clusters(n_way, n_shot, n_query, dim).task
    solution = network.solve(task)
    assert solution.logits.shape == (1, n_query, n_way)
    assert solution.classifier is not None
    assert solution.class_mix is not None
    fresh = solution.classifier(clusters(n_way, 1, 9, dim, seed=1).task.query_x)
    assert fresh.shape == (1, 9, n_way)
    assert bool(fresh.isfinite().all())
    assert torch.allclose(solution.class_mix.sum(1), torch.ones(1, dtype=torch.float64))


def test_untrained_network_already_solves_clusters_far_apart() -> None:
    episode = clusters(6, 1, 90, 32, noise=0.4)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        untrained = UniversalSIB().double().eval()
    assert (untrained.solve(episode.task).predictions == episode.query_y).double().mean() > 0.95


def test_given_shares_are_met(network: UniversalSIB) -> None:
    task = clusters(4, 1, 200, 8, noise=2.0).task
    for shares in (torch.full((4,), 0.25), torch.tensor([0.4, 0.3, 0.2, 0.1])):
        solution = network.solve(task, shares)
        assert solution.class_mix is not None
        assert torch.allclose(solution.class_mix[0], shares.double(), atol=1e-4)


def test_given_shares_are_met_over_slices_of_unequal_length(network: UniversalSIB) -> None:
    task, sliced = clusters(4, 1, 50, 8).task, copy.deepcopy(network)
    sliced.slice_rows = 33
    assert torch.allclose(sliced.solve(task, "balanced").logits, network.solve(task, "balanced").logits, atol=1e-6)


def test_without_queries_the_answer_is_the_inductive_one(network: UniversalSIB) -> None:
    episode = clusters(5, 2, 30, 16)
    whole = network.solve(episode.task)
    nothing = network.solve(replace(episode.task, query_x=episode.task.query_x[:, :0], query_mask=episode.task.query_mask[:, :0]))
    assert nothing.classifier is not None
    assert nothing.fell_back is not None
    assert whole.inductive_logits is not None
    assert nothing.fell_back.tolist() == [True]
    assert torch.allclose(nothing.classifier(episode.task.query_x), whole.inductive_logits)


def test_too_few_queries_fall_back(network: UniversalSIB) -> None:
    careful = copy.deepcopy(network)
    careful.min_queries_per_class = 2.0
    few, enough = (careful.solve(clusters(5, 1, n, 16).task) for n in (9, 10))
    assert few.inductive_logits is not None
    assert few.fell_back is not None
    assert enough.fell_back is not None
    assert few.fell_back.tolist() == [True]
    assert enough.fell_back.tolist() == [False]
    assert torch.allclose(few.logits, few.inductive_logits)


def test_outliers_score_higher_once_trained_on_them() -> None:
    """A few dozen steps on episodes with outliers teach the score: the loss reaches the outlier network."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UniversalSIB(n_steps=2)
        optimizer = torch.optim.AdamW(network.parameters(), 1e-2)

        def episode(seed: int) -> Episode:
            inside = make_episode(seed, n_tasks=4, noise=0.3)
            strange = torch.randn(4, 10, 48, generator=torch.Generator().manual_seed(seed + 500), dtype=torch.float64)
            task = replace(
                inside.task,
                query_x=torch.cat([inside.task.query_x, strange], 1),
                query_mask=torch.ones(4, inside.task.query_x.shape[1] + 10, dtype=torch.bool),
            )
            return Episode(task.to(torch.float32), torch.cat([inside.query_y, torch.full((4, 10), -1)], 1))

        for step in range(25):
            objective = network.objective(episode(step))
            optimizer.zero_grad()
            objective.loss.backward()
            optimizer.step()
    test = episode(1000)
    score = network.eval().solve(test.task).outlier_score
    assert score is not None
    inside, outside = score[test.query_y >= 0], score[test.query_y < 0]
    assert (outside[:, None] > inside).double().mean() > 0.9


def test_objective_reports_both_terms_of_the_bound_and_trains_every_parameter() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = UniversalSIB(n_steps=2)
        for parameter in network.parameters():
            parameter.data += 0.02 * torch.randn_like(parameter)
        episode = make_episode(2)
        query_y = episode.query_y.clone()
        query_y[:, :4] = -1
        objective = network.objective(Episode(episode.task.to(torch.float32), query_y))
    assert set(objective.terms) == {"negative_log_likelihood", "kl", "inductive"}
    objective.loss.backward()
    silent = [name for name, parameter in network.named_parameters() if parameter.grad is None or not bool(parameter.grad.any())]
    assert all(name.startswith(("second_outlier", "blend")) for name in silent), silent  # trained afterwards


def test_a_plain_step_is_the_m_step_of_an_anchored_mixture() -> None:
    """With λ = 0, η = 1, no offsets and every row counted, w_c = (κ n_c a_c + Σ r u + τ w̄) / (κ n_c + Σ r + τ)."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UniversalSIB(n_steps=1).double().eval()
    network.control.usual.data[:, 3:5] = -40.0  # λ
    network.gradient.leave.bias.data[1] = 40.0  # ω
    network.power.usual.data.fill_(40.0)  # exponent 1
    task = make_task()
    exponent, _ = network.power(task)
    unit, labelled = power_rows(task.query_x, exponent), power_rows(task.support_x, exponent)
    assert torch.allclose(unit, normalize(task.query_x, dim=-1), atol=1e-5)
    solution = network.solve(task)

    y, shots = task.support_one_hot.mT, task.n_shots[..., None]
    anchor = (y @ labelled) / shots
    step = network.control(0, torch.zeros(3, 21, dtype=torch.float64))
    view = Viewpoint.of(anchor, unit.mean(1, keepdim=True), step.shift)
    share = (
        15 * Viewpoint.of(anchor, anchor.mean(1, keepdim=True), torch.zeros(3, 1, 1, dtype=torch.float64)).cosines(unit)
    ).softmax(1)
    mass = share.sum(2, keepdim=True) + 1e-3
    mix = (1 - step.smoothing) * mass / mass.sum(1, keepdim=True) + step.smoothing / 5
    assigned = (step.scale * view.cosines(unit) + step.mix_weight * mix.log()).softmax(1)
    weight = step.anchor * shots + assigned.sum(2, keepdim=True) + step.shrinkage
    centre = (step.anchor * shots * anchor + assigned @ unit + step.shrinkage * anchor.mean(1, keepdim=True)) / weight
    expected = Viewpoint.of(centre, unit.mean(1, keepdim=True), step.shift).cosines(unit)
    assert solution.classifier is not None
    assert torch.allclose(solution.classifier.view.cosines(unit), expected, atol=1e-6)  # type: ignore[attr-defined]


def test_power_rows_do_not_see_the_scale_of_a_row() -> None:
    x, exponent = torch.randn(2, 3, 8, dtype=torch.float64), torch.full((2, 1, 1), 0.5, dtype=torch.float64)
    assert torch.allclose(power_rows(x, exponent), power_rows(1e3 * x, exponent))
    assert bool(power_rows(torch.zeros(1, 1, 4), torch.ones(1, 1, 1)).isfinite().all())


def test_posterior_is_the_prior_where_widths_and_means_agree() -> None:
    posterior = Posterior().double()
    posterior.log_width.data.fill_(0.3)
    posterior.log_prior_width.data.fill_(0.3)
    centre, evidence = torch.ones(2, 3, 8, dtype=torch.float64), torch.ones(2, 3, 1, dtype=torch.float64)
    assert torch.allclose(posterior.divergence(centre, evidence), torch.zeros(2, dtype=torch.float64), atol=1e-9)
    assert bool((posterior.divergence(centre * torch.arange(3.0)[:, None], evidence) > 0).all())
    assert bool((posterior.divergence(centre, 10 * evidence) > 0).all())


def test_landmarks_are_the_same_rows_in_any_order_and_never_padding() -> None:
    task = make_task(n_query=40)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    shuffled = replace(task, query_x=task.query_x[:, order])
    chosen, again = landmarks(task, 10), order[landmarks(shuffled, 10)]
    assert torch.equal(chosen.sort(1).values, again.sort(1).values)
    masked = replace(task, query_mask=torch.arange(40).expand(3, -1) < 15)
    assert int(landmarks(masked, 10).max()) < 15


def test_a_pile_is_read_off_a_graph_of_neighbours(network: UniversalSIB) -> None:
    episode = make_episode(4, n_query=60, noise=0.2, n_shot=2)
    exponent = torch.full((3, 1, 1), 0.5, dtype=torch.float64)
    (whole, none), (part, graph) = spread_labels(episode.task, exponent), spread_labels(episode.task, exponent, few=30)
    assert none is None
    assert graph is not None
    assert whole.shape == part.shape
    assert torch.allclose(part.sum(1), torch.ones(3, 60, dtype=torch.float64))
    for answer in (whole, part):
        assert (answer.argmax(1) == episode.query_y).double().mean() > 0.95


def test_a_wrong_prior_is_refused(network: UniversalSIB) -> None:
    with pytest.raises(DataError, match="class_prior"):
        network.solve(make_task(), torch.tensor([0.5, 0.5]))


def test_what_is_built_by_default_is_what_ships() -> None:
    shipped = method_by_name("universal_sib", 8, 3)
    assert isinstance(shipped, UniversalSIB)
    assert UniversalSIB().settings == shipped.settings
