"""Meta-training: it learns, it resumes to the same parameters, it refuses what does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from sibyl.episodes import EpisodeSampler
from sibyl.errors import CheckpointError, DataError, UnknownName
from sibyl.evaluation import evaluate
from sibyl.methods import METHODS
from sibyl.methods.checkpoint import load_method, save_method
from sibyl.methods.method import LearnedMethod
from sibyl.methods.sib import SIB
from sibyl.storage import Json
from sibyl.tensors import save_tensors
from sibyl.training.meta_train import MetaRecipe, meta_train
from tests.synthetic import clusters

TRAIN = EpisodeSampler(clusters(12, 40, spread=1.3, seed=1), seed=1)
HELD_OUT = EpisodeSampler(clusters(8, 40, spread=1.3, seed=2))


class Killed(Exception):
    """Stands in for a kill: raised at a step of the test's choosing."""


def build(**settings: Any) -> SIB:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SIB(16, 5, **settings)


def accuracy(method: LearnedMethod) -> float:
    return float(evaluate(method, HELD_OUT, 64).accuracy.mean())


def run(method: LearnedMethod, out: Path, stop_at: int | None = None, **recipe: Any) -> None:
    def on_step(done: int, total: int, report: Json) -> None:
        if done == stop_at:
            raise Killed

    settings = MetaRecipe(**{"iterations": 30, "episodes": 4, "validate_every": 10, **recipe})
    meta_train(method, TRAIN, out, recipe=settings, validate=accuracy, seed=3, on_step=on_step, save_every=0.0)


def test_sib_learns_to_use_the_unlabelled_queries(tmp_path: Path) -> None:
    sib = build(normalisation="episode")
    run(sib, tmp_path, iterations=150, validate_every=50, optimizer="adamw", rate=1e-2)
    result = evaluate(sib, HELD_OUT, 200)
    gain = result.accuracy - result.inductive_accuracy
    assert gain.mean() > 0.05  # on clusters that no training task had


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("settings", [{}, {"prior": True}])
def test_a_killed_run_goes_on_to_the_same_parameters(tmp_path: Path, optimizer: str, settings: dict[str, Any]) -> None:
    whole = build(**settings)
    run(whole, tmp_path / "whole", optimizer=optimizer, schedule="cosine")
    for stop in (7, 20, 23):
        with pytest.raises(Killed):
            run(build(**settings), tmp_path / "killed", stop, optimizer=optimizer, schedule="cosine")
    resumed = build(**settings)
    run(resumed, tmp_path / "killed", optimizer=optimizer, schedule="cosine")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert (tmp_path / "whole" / "progress.jsonl").read_text() == (tmp_path / "killed" / "progress.jsonl").read_text()
    assert (tmp_path / "whole" / "last.safetensors").read_bytes() == (tmp_path / "killed" / "last.safetensors").read_bytes()


def test_progress_reports_the_terms_of_the_bound(tmp_path: Path) -> None:
    run(build(prior=True), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [10, 20, 30]
    assert {"loss", "negative_log_likelihood", "kl", "validation"} <= set(lines[0])


def test_another_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    run(build(), tmp_path)
    with pytest.raises(DataError, match="other arguments"):
        run(build(), tmp_path, rate=0.5)
    with pytest.raises(UnknownName, match="optimizer"):
        run(build(), tmp_path / "x", optimizer="lion")


def test_a_checkpoint_comes_back_whole(tmp_path: Path) -> None:
    sib = build(n_steps=2, prior=True)
    save_method(tmp_path / "sib.safetensors", sib, {"licence": "Apache-2.0"})
    again = load_method(tmp_path / "sib.safetensors")
    task = TRAIN.sample(0, 2).task
    assert again.settings == sib.settings
    assert torch.equal(again.solve(task).logits, sib.solve(task).logits)


@pytest.mark.parametrize("name", [name for name, kind in METHODS.items() if issubclass(kind, LearnedMethod)])
def test_every_learned_method_comes_back_at_the_size_of_real_features(name: str, tmp_path: Path) -> None:
    """What a constructor allocates is bounded by what the file holds; the bound must not stop an honest one."""
    kind = METHODS[name]
    assert issubclass(kind, LearnedMethod)
    save_method(tmp_path / "method.safetensors", kind.for_shape(640, 5), {})
    assert type(load_method(tmp_path / "method.safetensors")) is kind


def test_loading_leaves_the_random_numbers_of_the_caller_alone(tmp_path: Path) -> None:
    save_method(tmp_path / "sib.safetensors", build())
    before = torch.get_rng_state()
    load_method(tmp_path / "sib.safetensors")
    assert torch.equal(before, torch.get_rng_state())


def test_foreign_and_edited_checkpoints_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for metadata, reason in (
        ({"format": "else"}, "expected a trained method"),
        ({"format": "sibyl-method", "method": "oracle"}, "update sibyl"),
        ({"format": "sibyl-method", "method": "sib", "settings": {"dim": 16, "n_way": 5}}, "do not fit|no version of sibyl wrote"),
        ({"format": "sibyl-method", "method": "sib", "settings": {"size": 16}}, "do not fit|no version of sibyl wrote"),
    ):
        save_tensors(path, {"scale": torch.ones(1)}, metadata)
        with pytest.raises(CheckpointError, match=reason):
            load_method(path)
