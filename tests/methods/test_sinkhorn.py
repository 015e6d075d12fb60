from __future__ import annotations

import torch

from sibyl.methods.sinkhorn import balanced, column_potentials


def _scores(seed: int = 0) -> torch.Tensor:
    return 5 * torch.randn(2, 30, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


EVEN = torch.full((1, 4), 0.25, dtype=torch.float64)


def test_marginals_hold() -> None:
    scores, mask = _scores(), torch.ones(2, 30, dtype=torch.bool)
    shares = torch.tensor([[0.7, 0.1, 0.1, 0.1], [0.4, 0.3, 0.3, 0.0]], dtype=torch.float64)
    plan = (scores + column_potentials(scores, mask, shares, tolerance=1e-9)).softmax(-1)
    assert torch.allclose(plan.mean(1), shares, atol=1e-8)
    assert plan[1, :, 3].max() < 1e-8


def test_scales_rows_and_columns_of_the_kernel_only() -> None:
    """The plan is the one matrix diag(a) exp(scores) diag(b) with those marginals: a balanced matrix stays as it is."""
    scores, mask = _scores(), torch.ones(2, 30, dtype=torch.bool)
    balanced = scores + column_potentials(scores, mask, EVEN, tolerance=1e-12)
    again = column_potentials(balanced + torch.randn(2, 30, 1, dtype=torch.float64), mask, EVEN, tolerance=1e-12)
    assert again.abs().max() < 1e-9


def test_start_does_not_matter() -> None:
    scores, mask = _scores(), torch.ones(2, 30, dtype=torch.bool)
    cold = column_potentials(scores, mask, EVEN, tolerance=1e-12)
    warm = column_potentials(scores, mask, EVEN, start=torch.full((2, 1, 4), 3.0, dtype=torch.float64), tolerance=1e-12)
    assert torch.allclose((scores + cold).softmax(-1), (scores + warm).softmax(-1), atol=1e-10)


def test_nearly_decided_rows_take_few_steps() -> None:
    """Where plain scaling needs thousands of steps: 40 nats between best and second best, and a mix far from the wanted one."""
    scores, mask = 8 * _scores(), torch.ones(2, 30, dtype=torch.bool)
    scores[..., 0] += 30
    shares = torch.tensor([[0.1, 0.2, 0.3, 0.4]], dtype=torch.float64)
    plan = (scores + column_potentials(scores, mask, shares, max_steps=60, tolerance=1e-9)).softmax(-1)
    assert torch.allclose(plan.mean(1), shares.expand(2, -1), atol=1e-8)


def test_single_precision_takes_few_steps_far_from_zero() -> None:
    """Costs of hundreds, as of features not scaled to unit length: the objective's own change is lost in rounding there."""
    scores, mask = -300 + 4 * _scores().float(), torch.ones(2, 30, dtype=torch.bool)
    plan = (scores + column_potentials(scores, mask, EVEN.float(), max_steps=10)).softmax(-1)
    assert torch.allclose(plan.mean(1), EVEN.float().expand(2, -1), atol=2e-5)


def test_padding_has_no_mass() -> None:
    scores, mask = _scores(), torch.ones(2, 30, dtype=torch.bool)
    mask[:, 20:] = False
    alone = column_potentials(scores[:, :20], mask[:, :20], EVEN)
    assert torch.allclose(column_potentials(scores, mask, EVEN), alone)


def test_extreme_scores_do_not_underflow() -> None:
    scores, mask = 300 * _scores().float(), torch.ones(2, 30, dtype=torch.bool)
    assert column_potentials(scores, mask, EVEN.float()).isfinite().all()


def test_a_task_without_rows_asks_for_no_further_rounds() -> None:
    rounds = []

    def met(potential: torch.Tensor, curved: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        rounds.append(curved)
        return torch.zeros_like(potential), torch.zeros(1, 3, 3) if curved else None

    assert torch.isfinite(balanced(met, torch.full((1, 3), 1 / 3), torch.zeros(1, 3, 1))).all()
    assert len(rounds) == 1
