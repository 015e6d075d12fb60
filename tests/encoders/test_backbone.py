"""A trained backbone as an encoder of any image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sibyl.backbones import build_backbone
from sibyl.backbones.checkpoint import save_backbone
from sibyl.backbones.trained import TrainedBackbone
from sibyl.encoders.backbone import BackboneEncoder
from sibyl.encoders.named import encoder_by_name
from sibyl.errors import CheckpointError, UnknownName


def save(path: Path, n_channels: int = 3) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = build_backbone("conv4-64", 16, n_channels)
    save_backbone(path, TrainedBackbone(module, "conv4-64", 16, 64, (0.5,) * n_channels, (0.2,) * n_channels, {}))
    return path


def test_images_of_any_size_become_rows(tmp_path: Path) -> None:
    encoder = encoder_by_name(str(save(tmp_path / "mine.safetensors")))
    assert isinstance(encoder, BackboneEncoder)
    generator = np.random.default_rng(0)
    images = [Image.fromarray(generator.integers(0, 256, (h, w, 3), dtype=np.uint8)) for h, w in ((16, 16), (40, 90), (500, 30))]
    rows = encoder.encode([encoder.prepare(image) for image in images])
    assert rows.shape == (3, encoder.dim)
    assert np.isfinite(rows).all()
    assert encoder.encode([]).shape == (0, 64)


def test_an_image_of_the_backbone_s_size_is_taken_as_it_is(tmp_path: Path) -> None:
    encoder = BackboneEncoder(save(tmp_path / "mine.safetensors"))
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert np.array_equal(encoder.prepare(Image.fromarray(pixels)), pixels)


def test_the_key_follows_the_weights(tmp_path: Path) -> None:
    first = BackboneEncoder(save(tmp_path / "a.safetensors"))
    again = BackboneEncoder(save(tmp_path / "b.safetensors"))
    assert first.key == again.key
    backbone = TrainedBackbone(build_backbone("conv4-64", 16), "conv4-64", 16, 64, (0.4,) * 3, (0.2,) * 3, {})
    save_backbone(tmp_path / "c.safetensors", backbone)
    assert BackboneEncoder(tmp_path / "c.safetensors").key != first.key


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        encoder_by_name(str(tmp_path / "none.safetensors"))
    with pytest.raises(UnknownName, match="unknown encoder 'resnet'"):
        encoder_by_name("resnet")
