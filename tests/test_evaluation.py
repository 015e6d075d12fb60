"""Evaluation: figures that can be worked out by hand."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy.special import stdtrit

from sibyl.episodes import EpisodeSampler
from sibyl.errors import DataError
from sibyl.evaluation import Evaluation, evaluate, interval
from sibyl.methods.class_mean import ClassMean
from sibyl.methods.method import Method, Traits
from sibyl.tasks import ClassPrior, Solution, Task
from tests.synthetic import clusters


@dataclass(frozen=True)
class Constant(Method):
    """Says class 0 with a given probability, whatever it sees."""

    probability: float

    name: ClassVar[str] = "constant"
    traits: ClassVar[Traits] = Traits(transductive=False)

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        probabilities = torch.full((*task.query_x.shape[:2], task.n_way), (1 - self.probability) / (task.n_way - 1))
        probabilities[..., 0] = self.probability
        return Solution(probabilities.log(), outlier_score=task.query_x.sum(-1))


@dataclass(frozen=True)
class Hungry(Method):
    """Class mean that fills some memory first."""

    n_floats: int

    name: ClassVar[str] = "hungry"
    traits: ClassVar[Traits] = Traits(transductive=False)

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        torch.ones(self.n_floats)
        return ClassMean().solve(task)


def test_a_constant_answer_has_known_figures() -> None:
    result = evaluate(Constant(0.6), EpisodeSampler(clusters()), 40, batch_size=16)
    assert np.allclose(result.accuracy, 0.2)
    assert result.ece == pytest.approx(0.4)  # says 60 %, is right in 20 %
    assert result.nll.mean() == pytest.approx(-(0.2 * np.log(0.6) + 0.8 * np.log(0.1)))
    assert np.isnan(result.auroc).all()
    assert np.isnan(result.inductive_accuracy).all()
    assert "gain" not in result.summary()


def test_batch_size_does_not_change_the_answer() -> None:
    sampler = EpisodeSampler(clusters(spread=2.0))
    one, many = evaluate(ClassMean(), sampler, 30, batch_size=1), evaluate(ClassMean(), sampler, 30, batch_size=7)
    assert np.array_equal(one.accuracy, many.accuracy)


def test_interval_is_the_published_formula() -> None:
    values = np.array([0.5, 0.7, 0.9, 0.7])
    mean, half = interval(values)
    assert mean == pytest.approx(0.7)
    assert half == pytest.approx(stdtrit(3, 0.975) * np.std(values, ddof=1) / 2)


def test_outliers_are_ranked_but_not_counted() -> None:
    result = evaluate(ClassMean(), EpisodeSampler(clusters(12, spread=0.3), outlier_share=0.3), 30)
    assert result.auroc.mean() > 0.8
    assert result.accuracy.mean() > 0.95


def test_per_episode_results_can_be_paired(tmp_path: Path) -> None:
    result = evaluate(ClassMean(), EpisodeSampler(clusters()), 12)
    result.save(tmp_path / "class_mean.npz")
    with np.load(tmp_path / "class_mean.npz", allow_pickle=False) as file:
        assert np.array_equal(file["accuracy"], result.accuracy)
        assert file["bins"].shape == (15, 3)


def test_results_come_back_as_they_were_saved(tmp_path: Path) -> None:
    result = evaluate(ClassMean(), EpisodeSampler(clusters(12), outlier_share=0.2), 12)
    result.save(tmp_path / "class_mean.npz")
    again = Evaluation.load(tmp_path / "class_mean.npz")
    assert again.summary() == result.summary()
    for name in ("accuracy", "inductive_accuracy", "nll", "auroc", "bins"):
        assert np.array_equal(getattr(again, name), getattr(result, name))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"\x93NUMPY", None])
def test_damaged_results_are_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "torn.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"torn\.npz"):
        Evaluation.load(tmp_path / "torn.npz")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can reset a process's peak memory")
def test_peak_memory_is_that_of_this_evaluation() -> None:
    def peak(n_floats: int) -> int:
        return evaluate(Hungry(n_floats), EpisodeSampler(clusters()), 4).peak_memory

    freed = [bytearray(100_000) for _ in range(4000)]
    last = bytearray(100_000)  # above them on the heap, so that they are not given back
    del freed
    large = peak(40_000_000)
    small = peak(1)
    assert large - small > 100e6
    assert last


def test_summary_names_what_a_table_needs() -> None:
    summary = evaluate(ClassMean(), EpisodeSampler(clusters()), 12).summary()
    assert {"accuracy", "interval", "gain", "ece", "nll", "tasks_per_second", "episodes"} <= set(summary)
