"""SIB against mathematics: adaptation, prior, normalisations, and what the steps do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sibyl.episodes import EpisodeSampler
from sibyl.errors import CheckpointError, UnknownName
from sibyl.methods.class_mean import ClassMean
from sibyl.methods.preprocessing import power_transform
from sibyl.methods.sib import SIB, adapt
from sibyl.methods.sib.gradient_network import GradientNetwork, QueryNorm
from sibyl.methods.sib.objective import Prior, query_loss
from sibyl.tasks import Episode, Task
from tests.synthetic import clusters


def seeded(**settings: object) -> SIB:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SIB(16, 5, **settings)  # type: ignore[arg-type]


def episodes(n_tasks: int = 3) -> Episode:
    return EpisodeSampler(clusters(), n_query=6).sample(0, n_tasks)


def test_adaptation_with_the_true_gradient_is_gradient_descent() -> None:
    """Least squares: K steps of the pure function equal K steps written out."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20, 3, dtype=torch.float64, generator=generator)
    y = x @ torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    trajectory = adapt(torch.zeros(3, dtype=torch.float64), lambda w: x @ w, lambda p: (p - y) / 20, n_steps=200, step_size=0.3)
    weights = torch.zeros(3, dtype=torch.float64)
    for _ in range(200):
        weights = weights - 0.3 * x.T @ (x @ weights - y) / 20
    assert torch.allclose(trajectory[-1], weights)
    assert torch.allclose(trajectory[-1], torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64), atol=1e-6)
    assert len(trajectory) == 201


def test_weight_gradient_joins_each_step() -> None:
    start = torch.tensor([4.0])
    end = adapt(start, lambda w: w, torch.zeros_like, n_steps=3, step_size=0.5, weight_gradient=lambda w: w)[-1]
    assert end.item() == pytest.approx(0.5)


@pytest.mark.parametrize("settings", [{}, {"normalisation": "episode", "reduction": "mean", "step_size": 0.5}, {"prior": True}])
def test_gradients_through_all_steps_agree_with_finite_differences(settings: dict[str, object]) -> None:
    sib = seeded(n_steps=4, **{"step_size": 2e-3, **settings}).double()
    episode = episodes(2)
    episode = Episode(episode.task.to(torch.float64), episode.query_y)

    def loss() -> Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(1)
            return sib.objective(episode).loss

    loss().backward()
    step = 1e-6
    for name, parameter in sib.named_parameters():
        index = parameter.numel() // 2
        flat = parameter.data.view(-1)
        before = flat[index].item()
        flat[index] = before + step
        above = loss().item()
        flat[index] = before - step
        below = loss().item()
        flat[index] = before
        assert parameter.grad is not None
        assert parameter.grad.view(-1)[index].item() == pytest.approx((above - below) / (2 * step), rel=1e-4, abs=1e-8), name


def test_zero_steps_are_the_class_mean() -> None:
    task = episodes().task
    assert torch.allclose(seeded(n_steps=0).solve(task).logits, ClassMean().solve(task).logits, atol=1e-5)


def test_no_steps_with_one_query_and_the_solution_says_so() -> None:
    task = episodes().task
    one = replace(task, query_x=task.query_x[:, :1], query_mask=task.query_mask[:, :1])
    solution = seeded().solve(one)
    assert solution.fell_back is not None
    assert solution.fell_back.all()
    assert solution.inductive_logits is not None
    assert torch.equal(solution.logits, solution.inductive_logits)


def test_per_episode_statistics_make_batch_equal_loop_and_batch_statistics_do_not() -> None:
    task = episodes(4).task
    for normalisation, equal in (("episode", True), ("batch", False)):
        sib = seeded(normalisation=normalisation, step_size=0.05)
        together = sib.solve(task).logits
        alone = torch.cat([sib.solve(task.take([t])).logits for t in range(4)])
        assert torch.allclose(together, alone, atol=1e-5) == equal


def test_padding_changes_nothing() -> None:
    task = episodes(2).task
    noise = torch.full_like(task.query_x[:, :3], 9.0)
    padded = Task(
        task.support_x,
        task.support_y,
        torch.cat([task.query_x, noise], 1),
        5,
        query_mask=torch.cat([task.query_mask, torch.zeros(2, 3, dtype=torch.bool)], 1),
    )
    for normalisation in ("batch", "episode"):
        sib = seeded(normalisation=normalisation, step_size=0.05)
        assert torch.allclose(sib.solve(padded).logits[:, :-3], sib.solve(task).logits, atol=1e-5)


def test_query_norm_equals_batch_norm_in_training_mode() -> None:
    x = torch.randn(3, 7, 4, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.BatchNorm1d(4)(x.reshape(21, 4)).reshape(3, 7, 4)
    assert torch.allclose(QueryNorm(4, "batch")(x, torch.ones(3, 7, dtype=torch.bool)), expected, atol=1e-5)


def test_mean_over_queries_is_the_sum_with_a_smaller_step() -> None:
    task = episodes().task
    total = seeded(reduction="sum", step_size=0.01).solve(task).logits
    mean = seeded(reduction="mean", step_size=0.01 * 30).solve(task).logits
    assert torch.allclose(total, mean, atol=1e-4)


def test_the_power_transform_is_that_of_the_features_for_queries_and_new_rows_alike() -> None:
    plain, powered = seeded(), seeded(power=0.5)
    task = episodes().task
    by_hand = replace(task, support_x=power_transform(task.support_x), query_x=power_transform(task.query_x))
    solution = powered.solve(task)
    assert torch.allclose(solution.logits, plain.solve(by_hand).logits, atol=1e-5)
    assert not torch.allclose(solution.logits, plain.solve(task).logits, atol=1e-3)
    assert solution.classifier is not None
    assert torch.allclose(solution.classifier(task.query_x), solution.logits, atol=1e-5)


@pytest.mark.parametrize(
    "settings", [{}, {"normalisation": "episode", "power": 0.5}, {"reduction": "mean", "n_steps": 5}, {"n_steps": 0}]
)
def test_steps_in_the_span_of_the_queries_are_the_steps_themselves(settings: dict[str, object]) -> None:
    """Loss and every gradient, where training takes the way through inner products and where it does not."""
    sib = seeded(**{"step_size": 0.05, **settings}).double()
    episode = episodes()
    few = Episode(
        replace(episode.task.to(torch.float64), query_mask=torch.arange(30) < torch.tensor([[30], [20], [1]])), episode.query_y
    )
    prepared = sib._prepared(few.task)
    in_span = query_loss(sib._logits_in_span(prepared).mT, few).sum()
    scores = sib._scores(prepared)
    direct = query_loss(scores.logits(sib._adapt(prepared, scores)[-1]).mT, few).sum()
    assert torch.allclose(in_span, direct, rtol=1e-9)
    parameters = [parameter for parameter in sib.parameters() if sib.n_steps or parameter.shape in {(16,), (1,)}]
    for got, expected in zip(
        torch.autograd.grad(in_span, parameters, allow_unused=True),
        torch.autograd.grad(direct, parameters, allow_unused=True),
        strict=True,
    ):
        assert (got is None) == (expected is None)
        assert got is None or torch.allclose(got, expected, rtol=1e-6, atol=1e-9)


def test_prior_equals_the_closed_form_and_its_gradient() -> None:
    prior = Prior(4).double()
    with torch.no_grad():
        prior.mean.copy_(torch.tensor([0.1, -0.2, 0.3, 0.0]))
        prior.log_prior_width.fill_(0.4)
        prior.log_posterior_width.fill_(-0.3)
    weights = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    normal = torch.distributions.Normal
    q, p = normal(weights, prior.log_posterior_width.exp()), normal(prior.mean.expand_as(weights), prior.log_prior_width.exp())
    expected = torch.distributions.kl_divergence(q, p).sum((1, 2))
    assert torch.allclose(prior.divergence(weights), expected)
    (gradient,) = torch.autograd.grad(prior.divergence(weights).sum(), weights)
    assert torch.allclose(prior.gradient(weights), gradient)


def test_a_narrow_prior_holds_the_weights_at_its_mean() -> None:
    sib = seeded(prior=True, step_size=1e-3, n_steps=50)
    assert sib.prior is not None
    with torch.no_grad():
        sib.prior.log_prior_width.fill_(-2.5)  # pull of 1/τ² = 148 a step of 1e-3
        sib.prior.mean.fill_(0.2)
        for parameter in sib.gradient_network.linear3.parameters():
            parameter.zero_()  # the data say nothing
    task = episodes().task
    trajectory = sib.trajectory(task)
    distance = [(weights - 0.2).norm().item() for weights in (trajectory[0], trajectory[-1])]
    assert distance[1] < 0.01 * distance[0]


def test_both_terms_of_the_bound_are_reported() -> None:
    objective = seeded(prior=True, kl_weight=0.5).objective(episodes())
    assert set(objective.terms) == {"negative_log_likelihood", "kl"}
    expected = objective.terms["negative_log_likelihood"] + 0.5 * objective.terms["kl"]
    assert objective.loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_outliers_and_padding_do_not_count_in_the_loss() -> None:
    episode = episodes(1)
    logits = torch.randn(1, 30, 5, generator=torch.Generator().manual_seed(0))
    labels = episode.query_y.clone()
    labels[:, :10] = -1
    expected = torch.nn.functional.cross_entropy(logits[0, 10:], labels[0, 10:], reduction="sum")
    assert query_loss(logits, Episode(episode.task, labels)).item() == pytest.approx(expected.item(), rel=1e-5)


def test_another_shape_is_refused_with_both_shapes() -> None:
    with pytest.raises(CheckpointError, match="made for 5 classes and 16 feature columns; the task has 3 and 16"):
        seeded().solve(EpisodeSampler(clusters(), n_way=3).sample(0, 1).task)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean episode"):
        GradientNetwork(5, "episodes")
    with pytest.raises(UnknownName, match="mean, sum"):
        seeded(reduction="total")
