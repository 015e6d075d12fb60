"""Protocols by name: what is fixed, what counts, how seeds are pooled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import stdtrit

from sibyl.episodes import EpisodeSampler
from sibyl.errors import DataError, UnknownName
from sibyl.evaluation import Evaluation, evaluate
from sibyl.methods import build_method
from sibyl.methods.sib import SIB
from sibyl.training.meta_train import MetaRecipe, meta_train
from sibyl.training.protocols import MetaTestProtocol, meta_test_protocol, pool_seeds
from tests.synthetic import clusters

FEATURES = clusters(8, 40, spread=1.3, seed=2)
SIB_PROTOCOL = meta_test_protocol("sib")


def evaluation(accuracy: list[float]) -> Evaluation:
    nothing = np.full(len(accuracy), np.nan)
    bins = np.array([[4.0, 2.0, 3.0]])
    return Evaluation(np.array(accuracy), nothing, nothing, nothing, bins, 1.0, 0)


def test_the_published_protocol_is_what_finished_tables_were_made_with() -> None:
    p = SIB_PROTOCOL
    assert (p.n_way, p.shots, p.n_query, list(p.seeds), p.keep) == (5, (1, 5), 15, [0, 1, 2], "last")
    assert (p.validation_episodes, p.validation_seed, p.test_episodes, p.test_seed) == (200, 0, 2000, 2020)
    assert [p.validate_every(n) for n in (50_000, 4000, 3)] == [5000, 400, 1]


def test_test_episodes_are_the_same_for_everyone_and_not_those_of_validation() -> None:
    sampler = SIB_PROTOCOL.test_sampler(FEATURES, 1)
    wanted = EpisodeSampler(FEATURES, n_way=5, n_shot=1, n_query=15, seed=2020)
    np.testing.assert_array_equal(sampler.rows(0, 3).query, wanted.rows(0, 3).query)
    method = build_method("class_mean")
    short = replace(SIB_PROTOCOL, test_episodes=30, validation_episodes=20)
    assert short.test([method], sampler)["accuracy"] == evaluate(method, wanted, 30).accuracy.mean()


def test_each_seed_has_its_own_training_episodes() -> None:
    first, second = (SIB_PROTOCOL.training_sampler(FEATURES, 1, seed, views=False).rows(0, 4).support for seed in (0, 1))
    assert (first != second).any()


def test_the_validation_score_is_the_same_every_time() -> None:
    sib = SIB(FEATURES.dim, 5, 1)
    score = SIB_PROTOCOL.trial().validation(FEATURES, 1)
    assert score(sib) == score(sib)
    fixed = EpisodeSampler(FEATURES, n_way=5, n_shot=1, n_query=15, seed=0)
    assert score(sib) == evaluate(sib, fixed, 20).accuracy.mean()


@pytest.mark.parametrize("keep", ["last", "best"])
def test_best_and_last_are_kept_and_the_protocol_says_which_counts(keep: str, tmp_path: Path) -> None:
    protocol = replace(SIB_PROTOCOL.trial(), keep=keep)
    with pytest.raises(DataError, match=r"last\.safetensors is missing"):
        protocol.kept(tmp_path)
    source = protocol.training_sampler(FEATURES, 1, 0, views=False)
    recipe = MetaRecipe(iterations=2, validate_every=protocol.validate_every(2))
    meta_train(SIB(FEATURES.dim, 5, 1), source, tmp_path, recipe=recipe, validate=protocol.validation(FEATURES, 1))
    assert protocol.kept(tmp_path) == tmp_path / f"{keep}.safetensors"
    assert {path.name for path in tmp_path.glob("*.safetensors")} >= {"best.safetensors", "last.safetensors"}


def test_the_interval_is_over_episodes_after_seeds_are_averaged() -> None:
    pooled = pool_seeds([evaluation([0.0, 1.0, 0.5, 0.5]), evaluation([1.0, 0.0, 0.5, 0.5])])
    assert pooled["accuracy"] == 0.5
    assert pooled["interval"] == 0.0  # the seeds' errors cancel in every episode
    assert pooled["seeds"] == [0.5, 0.5]
    assert pooled["ece"] == 0.25
    alone = pool_seeds([evaluation([0.0, 1.0, 0.5, 0.5])])
    assert alone["interval"] == pytest.approx(stdtrit(3, 0.975) * np.std([0.0, 1.0, 0.5, 0.5], ddof=1) / 2)


def test_what_cannot_be_pooled_or_named_is_refused() -> None:
    with pytest.raises(DataError, match="one number of episodes"):
        pool_seeds([evaluation([0.5]), evaluation([0.5, 0.5])])
    with pytest.raises(DataError, match="got none"):
        pool_seeds([])
    with pytest.raises(UnknownName, match="worst"):
        MetaTestProtocol("mine", keep="worst")
    with pytest.raises(UnknownName, match="sib"):
        meta_test_protocol("sibb")
