"""Trained networks by name and by path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sibyl.backbones import build_backbone
from sibyl.backbones.checkpoint import SHIPPED, save_backbone, shipped_names
from sibyl.backbones.trained import TrainedBackbone
from sibyl.errors import CheckpointError, UnknownName
from sibyl.evaluation import evaluate
from sibyl.methods.checkpoint import save_method
from sibyl.methods.sib import SIB
from sibyl.pretrained import load
from tests.synthetic import clusters


def test_an_encoder_of_one_s_own_comes_with_the_heads_beside_it(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_backbone(
            tmp_path / "mine.safetensors",
            TrainedBackbone(build_backbone("conv4-64", 16), "conv4-64", 16, 64, (0.5,) * 3, (0.2,) * 3, {}),
        )
        save_method(tmp_path / "mine-sib-5shot.safetensors", SIB(64, 5))
    mine = load(tmp_path / "mine.safetensors")
    assert list(mine.heads) == [5]
    assert mine.encoder.encode(np.zeros((2, 16, 16, 3), np.uint8)).shape == (2, 64)


def test_what_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="trained network 'conv5-cifar-fs'"):
        load("conv5-cifar-fs")
    with pytest.raises(CheckpointError, match="no such file"):
        load(tmp_path / "none.safetensors")


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_encoder_is_small_whole_and_has_its_heads(name: str) -> None:
    shipped = load(name)
    assert (SHIPPED / f"{name}.safetensors").stat().st_size < 300_000
    assert sorted(shipped.heads) == [1, 5]
    assert shipped.encoder.card["licence"] == "Apache-2.0"
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    assert np.isfinite(shipped.encoder.encode(images)).all()
    for head in shipped.heads.values():
        assert head.settings["dim"] == shipped.encoder.dim


def test_the_conv4_ships() -> None:
    assert "conv4-cifar-fs" in shipped_names()


def test_shipped_heads_use_unlabelled_data_of_another_kind_without_harm() -> None:
    """Clusters instead of photographs: far from the training data, yet not worse than the class mean on average."""
    from sibyl.episodes import EpisodeSampler

    head = load("conv4-cifar-fs").heads[1]
    result = evaluate(head, EpisodeSampler(clusters(8, 40, dim=256, spread=4.0)), 100)
    assert (result.accuracy - result.inductive_accuracy).mean() > 0
