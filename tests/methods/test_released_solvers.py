"""Newer rivals against what released solvers say of the same small tasks.

`released_solvers.npz` holds two tasks of three classes, six queries and eight columns, at one shot and at two, and the outputs of
the released code at the settings below (few steps, so that the file stays small), in double precision. The code is the authors' for
BPA, noHub and UNEM; of alpha-AM it is the copy in UNEM's repository, and of PSLP a file whose author is not known, iterated further
until it converges (docs/log.md).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.methods.alpha_am import AlphaAM
from sibyl.methods.bpa import BPA, balanced_affinities
from sibyl.methods.nohub import NoHub, near_probabilities
from sibyl.methods.preprocessing import powered
from sibyl.methods.pslp import PSLP
from sibyl.methods.task_rows import all_rows, mean_row
from sibyl.methods.unem import UNEM
from sibyl.tasks import Task

SHOTS = pytest.mark.parametrize("shot", [1, 2])
with np.load(Path(__file__).parent / "released_solvers.npz") as stored:
    STORED = {name: torch.from_numpy(stored[name]) for name in stored.files}


def task_of(shot: int) -> Task:
    return Task(STORED[f"support_x_{shot}"], STORED[f"support_y_{shot}"], STORED[f"query_x_{shot}"], 3)


def close(ours: Tensor, name: str, tolerance: float = 1e-8) -> bool:
    return torch.allclose(ours, STORED[name], rtol=0, atol=tolerance)


@SHOTS
def test_alpha_am(shot: int) -> None:
    """At one shot a centroid and its row tie as neighbours; there k is so large that no tie decides."""
    method = AlphaAM(alpha=2.0, spread=0.8, n_neighbours=11 if shot == 1 else 4, n_steps=5, learning_rate=1e-2)
    assert close(normalize(method.solve(task_of(shot)).logits, dim=-1), f"alpha_am_{shot}", 1e-6)


def test_alpha_am_takes_its_settings_from_the_shots() -> None:
    one, two = (AlphaAM(n_steps=2).solve(task_of(shot)).logits for shot in (1, 2))
    told = [AlphaAM(alpha=2.0, spread=0.8, n_neighbours=20, n_steps=2), AlphaAM(alpha=5.0, spread=0.9, n_neighbours=10, n_steps=2)]
    assert torch.equal(one, told[0].solve(task_of(1)).logits)
    assert torch.equal(two, told[1].solve(task_of(2)).logits)


@SHOTS
def test_bpa_features(shot: int) -> None:
    task = task_of(shot)
    x, mask, one_hot = all_rows(task)
    rows, n = powered(x, 0.5), task.support_x.shape[1]
    halves = ((rows[:, :n], mask[:, :n]), (rows[:, n:], mask[:, n:]))
    rows = torch.cat([normalize(half - mean_row(half, own), dim=-1) for half, own in halves], 1)
    assert close(balanced_affinities(rows, mask, one_hot, 0.1, 20), f"bpa_{shot}", 1e-4)


def test_bpa_affinities_are_doubly_stochastic_up_to_their_scale() -> None:
    x, mask, one_hot = all_rows(task_of(2))
    plan = balanced_affinities(x, mask, torch.zeros_like(one_hot), 0.1, 500) - torch.eye(x.shape[1])
    sums = plan.sum(1)
    assert torch.allclose(sums, sums[:, :1].expand_as(sums), rtol=1e-6)
    assert torch.allclose(plan, plan.mT, atol=1e-6)
    assert BPA().solve(task_of(2)).logits.isfinite().all()


@SHOTS
@pytest.mark.parametrize("labels", [False, True])
def test_nohub(shot: int, labels: bool) -> None:
    """Theirs averages the loss over tasks before Adam, whose ε then weighs a little more."""
    x, mask, one_hot = all_rows(task_of(shot))
    placed = NoHub(labels=labels, perplexity=4.0, n_steps=5).place(x, mask, one_hot if labels else torch.zeros_like(one_hot))
    assert close(placed @ placed.mT, f"nohub{'_s' if labels else ''}_{shot}", 2e-3)


def test_nohub_perplexity_is_that_of_each_row() -> None:
    draw = torch.Generator().manual_seed(0)
    unit = normalize(torch.randn(1, 60, 8, generator=draw, dtype=torch.float64), dim=-1)
    mask = torch.ones(1, 60, dtype=torch.bool)
    p = near_probabilities(unit @ unit.mT, mask, 20.0)
    assert torch.allclose(p.sum(), torch.tensor(1.0, dtype=torch.float64))
    assert torch.allclose(p, p.mT)
    rows = p[0] / p[0].sum(1, keepdim=True)
    perplexity = (-(rows * rows.clamp_min(1e-300).log()).sum(1)).exp()
    assert (perplexity - 20).abs().max() < 8  # the mean with the transpose blurs it


def test_nohub_may_be_followed_by_another_method() -> None:
    tim, means = (NoHub(then=then).solve(task_of(2)).logits for then in ("tim", "class_mean"))
    assert not torch.allclose(tim, means)


@SHOTS
def test_pslp(shot: int) -> None:
    """The released balancing is iterated to convergence here, where it stops at 1e-3."""
    assert close(PSLP(n_neighbours=4, n_steps=3).solve(task_of(shot)).probabilities, f"pslp_{shot}", 1e-4)


def test_pslp_without_balance_normalises_rows_alone() -> None:
    task = task_of(1)
    skewed = Task(task.support_x, task.support_y, task.query_x[:, [0, 3, 0, 3, 0, 3]], 3)
    free, held = (PSLP(n_neighbours=4, balanced=balanced).solve(skewed).class_mix for balanced in (False, True))
    assert free is not None
    assert held is not None
    assert torch.allclose(held, torch.full_like(held, 1 / 3), atol=5e-3)
    assert (free.amax(1) > 0.4).all()


@SHOTS
def test_unem(shot: int) -> None:
    network = UNEM(8, n_layers=4).double()
    with torch.no_grad():
        network.feature_scale.fill_(0.3)
        network.mix_weight.copy_(torch.tensor([0.5, 0.7, 0.9, 1.1]))
        network.sharpness.copy_(torch.tensor([0.4, 0.1, -0.2, -0.5]))
    assert close(network.solve(task_of(shot)).probabilities, f"unem_{shot}")
