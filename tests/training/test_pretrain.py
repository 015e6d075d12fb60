"""Pre-training: it learns, it resumes to the same weights, its transforms do what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sibyl.backbones import BACKBONES, build_backbone
from sibyl.backbones.augment import augment, colour_jitter, crop_and_flip
from sibyl.backbones.checkpoint import load_backbone, save_backbone
from sibyl.backbones.trained import TrainedBackbone
from sibyl.datasets.as_source import source_of
from sibyl.datasets.images import ImageSet
from sibyl.encoders.backbone import BackboneEncoder
from sibyl.encoders.embed_features import embed_features
from sibyl.errors import CheckpointError, DataError, UnknownName
from sibyl.features import Features
from sibyl.seeding import generator_for
from sibyl.storage import Json
from sibyl.training.pretrain import RECIPES, Recipe, class_mean_score, get_recipe, pretrain, shortened

TINY = Recipe(epochs=3, batch_size=16)


def stripes(n_classes: int = 6, per_class: int = 20, seed: int = 0) -> ImageSet:
    """Noisy images whose stripes have a direction and a colour for each class."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), per_class)
    grid = np.stack(np.meshgrid(np.arange(16), np.arange(16)), -1)
    angle = np.pi * labels / n_classes + rng.normal(size=len(labels)) * 0.05
    wave = np.sin(grid @ np.stack([np.cos(angle), np.sin(angle)]) * 1.5).transpose(2, 0, 1)
    colour = np.random.default_rng(7).uniform(0.3, 1, (n_classes, 3))[labels]
    pixels = 0.5 + 0.3 * wave[..., None] * colour[:, None, None] + rng.normal(size=(len(labels), 16, 16, 3)) * 0.1
    names = tuple(f"stripe {c}" for c in range(n_classes))
    return ImageSet((pixels.clip(0, 1) * 255).astype(np.uint8), labels, names, tuple(map(str, range(len(labels)))))


class Killed(Exception):
    """Stands in for a kill."""


def run(out: Path, recipe: Recipe = TINY, stop_at: int | None = None, seed: int = 0) -> Path:
    def on_step(done: int, total: int, report: Json) -> None:
        if done == stop_at:
            raise Killed

    score = class_mean_score(stripes(seed=5), n_episodes=20)
    return pretrain("conv4-64", stripes(), out, recipe=recipe, validate=score, seed=seed, on_step=on_step, save_every=0.0)


@pytest.mark.parametrize("recipe", [TINY, replace(TINY, schedule="published", warmup=5, rotation=True, drop_epoch=2)])
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path, recipe: Recipe) -> None:
    whole = run(tmp_path / "whole", recipe)
    for stop in (3, 7, 15):
        with pytest.raises(Killed):
            run(tmp_path / "killed", recipe, stop)
    resumed = run(tmp_path / "killed", recipe)
    for name in (whole.name, "last.safetensors", "progress.jsonl"):
        assert (whole.parent / name).read_bytes() == (resumed.parent / name).read_bytes(), name


def test_it_learns(tmp_path: Path) -> None:
    score = class_mean_score(stripes(seed=5), n_episodes=50)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = build_backbone("conv4-64", 16).eval()
    untrained = score(TrainedBackbone(module, "conv4-64", 16, 64, (0.5,) * 3, (0.25,) * 3, {}))
    trained = load_backbone(run(tmp_path, replace(TINY, epochs=6)))
    assert trained.card["validation"] > untrained + 0.1
    assert score(trained) > untrained + 0.1


def test_another_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    run(tmp_path, replace(TINY, epochs=1))
    with pytest.raises(DataError, match="other arguments"):
        run(tmp_path, replace(TINY, epochs=1), seed=1)


def test_too_few_images_and_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fewer than one batch"):
        run(tmp_path, replace(TINY, batch_size=512))
    with pytest.raises(UnknownName, match="did you mean one-cycle"):
        get_recipe("onecycle")
    with pytest.raises(UnknownName, match="did you mean conv4-64"):
        build_backbone("conv4_64", 32)
    with pytest.raises(UnknownName, match="schedule"):
        run(tmp_path, replace(TINY, schedule="step"))


def test_shortening_keeps_the_place_of_the_drop() -> None:
    assert shortened(RECIPES["published"], 6).drop_epoch == 5
    assert shortened(TINY, None) == TINY


@pytest.mark.parametrize(("name", "dim"), [("conv4-64", 256), ("conv4-128", 512), ("resnet12", 640), ("wrn-28-10", 640)])
def test_backbones_have_the_published_feature_dimension(name: str, dim: int) -> None:
    assert name in BACKBONES
    with torch.no_grad():
        assert build_backbone(name, 32).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, dim)


def test_backbones_have_the_published_size() -> None:
    millions = {name: sum(p.numel() for p in build_backbone(name, 32).parameters()) / 1e6 for name in BACKBONES}
    assert millions["conv4-64"] == pytest.approx(0.113, abs=0.002)
    assert millions["resnet12"] == pytest.approx(12.4, abs=0.2)
    assert millions["wrn-28-10"] == pytest.approx(36.5, abs=0.1)


def test_wide_resnet_strides_its_first_group_for_large_images() -> None:
    small, large = build_backbone("wrn-28-10", 32), build_backbone("wrn-28-10", 80)
    strides = [next(m for m in net.modules() if getattr(m, "stride", None) == (2, 2)) for net in (small, large)]
    assert [layer.out_channels for layer in strides] == [320, 160]


def test_half_precision_on_disk_is_close_and_small(tmp_path: Path) -> None:
    backbone = load_backbone(run(tmp_path, replace(TINY, epochs=1)))
    save_backbone(tmp_path / "half.safetensors", backbone, half=True)
    again = load_backbone(tmp_path / "half.safetensors")
    images = stripes().pixels[:8]
    np.testing.assert_allclose(again.encode(images), backbone.encode(images), atol=0.02)
    assert (tmp_path / "half.safetensors").stat().st_size < 300_000


def test_a_checkpoint_of_another_kind_is_named(tmp_path: Path) -> None:
    from sibyl.tensors import save_tensors

    save_tensors(tmp_path / "a.safetensors", {"x": torch.zeros(1)}, {"format": "sibyl-method"})
    with pytest.raises(CheckpointError, match="expected a trained backbone"):
        load_backbone(tmp_path / "a.safetensors")


def test_crop_and_flip_move_pixels_without_changing_them() -> None:
    images = torch.arange(2 * 6 * 6 * 1, dtype=torch.uint8).reshape(2, 6, 6, 1) + 1
    still = crop_and_flip(images, 0, generator_for(1))
    for before, after in zip(images, still, strict=True):
        assert torch.equal(after, before) or torch.equal(after, before.flip(1))
    many = crop_and_flip(images[:1].expand(800, -1, -1, -1), 2, generator_for(2))
    assert len({tuple(image.flatten().tolist()) for image in many}) == 50  # 5 × 5 places, mirrored or not


def test_colour_jitter_of_no_strength_is_the_identity_and_keeps_grey_grey() -> None:
    pixels = torch.rand(4, 3, 5, 5, generator=generator_for(3))
    assert torch.allclose(colour_jitter(pixels, 0.0, generator_for(4)), pixels, atol=1e-6)
    grey = pixels[:, :1].expand(-1, 3, -1, -1)
    jittered = colour_jitter(grey, 0.4, generator_for(5))
    assert torch.allclose(jittered[:, 0], jittered[:, 2], atol=1e-5)
    assert (jittered - grey).abs().mean() > 0.02


def test_augmentation_depends_on_its_generator_alone() -> None:
    images = torch.from_numpy(stripes().pixels[:8])
    torch.manual_seed(1)
    first = augment(images, generator_for(0, 1), pad=2)
    torch.manual_seed(2)
    assert torch.equal(first, augment(images, generator_for(0, 1), pad=2))
    assert not torch.equal(first, augment(images, generator_for(0, 2), pad=2))


def test_embedding_resumes_and_keeps_views(tmp_path: Path) -> None:
    path = run(tmp_path / "net", replace(TINY, epochs=1))
    encoder, backbone = BackboneEncoder(path), load_backbone(path)
    images = stripes()
    source = source_of(images, "stripes")

    def embed(name: str, encoder: BackboneEncoder = encoder, **settings: Any) -> Features:
        return embed_features(source, encoder, tmp_path / name, cache=tmp_path / f"cache {name}", **settings)[0]

    whole = embed("whole", n_views=3, batch_size=16)
    assert whole.views is not None
    assert whole.views.shape == (120, 3, 64)
    np.testing.assert_allclose(whole.matrix, backbone.encode(images.pixels), rtol=1e-4, atol=1e-4)
    larger = embed("larger", n_views=3, batch_size=100).views
    assert larger is not None
    np.testing.assert_allclose(np.asarray(larger, np.float32), np.asarray(whole.views, np.float32), rtol=1e-2, atol=1e-2)

    both = embed("both", BackboneEncoder(path, mirror=True), batch_size=16)
    by_hand = (backbone.encode(images.pixels) + backbone.encode(images.pixels[:, :, ::-1])) / 2
    np.testing.assert_allclose(both.matrix, by_hand, rtol=1e-4, atol=1e-4)
    assert not np.allclose(both.matrix, whole.matrix, atol=1e-2)

    def kill_at(stop: int) -> None:
        def on_views(done: int, total: int) -> None:
            if done >= stop:
                raise Killed

        with pytest.raises(Killed):
            embed("killed", n_views=3, batch_size=16, on_views=on_views)

    for stop in (5, 60, 120):
        kill_at(stop)
        assert not (tmp_path / "killed").exists()
    embed("killed", n_views=3, batch_size=16)
    for name in ("matrix.npy", "views.npy", "items.parquet", "features.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes(), name
    assert not list(tmp_path.glob(".*.resumable"))
