"""Every way from image files to rows reads them alike: the same part of a picture, the same classes, batches of the size asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from sibyl.encoders.embed_source import embed_source
from sibyl.encoders.named import encoder_by_name
from sibyl.features import Features
from sibyl.sources.open import open_source
from tests.cli.bad_input.mean_colour import MeanColour
from tests.cli.test_research_verbs import sibyl
from tests.encoders.test_backbone import save


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBYL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Photographs of 3 : 2, upright and lying, whose edges differ from their middle; some of their folders are nested."""
    generator = np.random.default_rng(0)
    for number, folder in enumerate(("latin/a", "latin/b", "greek/a", "greek")):
        place = tmp_path / "photographs" / folder
        place.mkdir(parents=True, exist_ok=True)
        for size in ((60, 40), (40, 60)):
            noise = Image.fromarray(generator.integers(0, 256, (5, 5, 3), np.uint8))
            noise.resize(size, Image.Resampling.BICUBIC).save(place / f"{number} {size[0]}.png")
    return tmp_path / "photographs"


def rows_of_label(folder: Path, encoder: str) -> npt.NDArray[np.float32]:
    """Rows as `sibyl label` computes them."""
    return np.asarray(embed_source(open_source(folder), encoder_by_name(encoder)).matrix)


def embedded(folder: Path, out: Path, *words: object) -> Features:
    done = sibyl("embed", folder, "--out", out, *words)
    assert done.returncode == 0, done.stderr
    return Features.load(out)


@pytest.mark.parametrize("channels", [3, 1])
def test_embed_and_label_see_the_same_part_of_a_picture(photographs: Path, tmp_path: Path, channels: int) -> None:
    backbone = str(save(tmp_path / "mine.safetensors", channels))
    features = embedded(photographs, tmp_path / "out", "--encoder", backbone)
    np.testing.assert_array_equal(features.matrix, rows_of_label(photographs, backbone))
    with_views = embedded(photographs, tmp_path / "views", "--encoder", backbone, "--views", 2)
    np.testing.assert_array_equal(with_views.matrix, features.matrix)
    assert with_views.views is not None
    assert with_views.views.shape == (8, 2, features.dim)


def test_a_class_is_the_outermost_folder_whatever_the_encoder(photographs: Path, tmp_path: Path) -> None:
    backbone = str(save(tmp_path / "mine.safetensors"))
    for number, encoder in enumerate((backbone, "conv4-cifar-fs")):
        features = embedded(photographs, tmp_path / f"out {number}", "--encoder", encoder)
        assert features.class_names == ("greek", "latin")
        assert features.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_a_backbone_is_trained_on_the_pictures_that_it_will_see(photographs: Path, tmp_path: Path) -> None:
    from sibyl.datasets.image_folder import image_set_of

    encoder = encoder_by_name(str(save(tmp_path / "mine.safetensors")))
    source = open_source(photographs)
    images, skipped = image_set_of(source, 16)
    assert images.class_names == ("greek", "latin")
    assert skipped == ()
    for item, pixels in zip(source.items, images.pixels, strict=True):
        np.testing.assert_array_equal(pixels, encoder.prepare(source.decode(item.read())))


def test_what_cannot_be_read_is_left_out_and_named(photographs: Path, tmp_path: Path) -> None:
    from sibyl.datasets.image_folder import image_set_of

    (photographs / "latin" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    images, skipped = image_set_of(open_source(photographs), 16)
    assert len(images) == 8
    assert [one.name for one in skipped] == ["latin/broken.png"]
    done = sibyl("embed", photographs, "--encoder", save(tmp_path / "mine.safetensors"), "--views", 1, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "skipped latin/broken.png" in done.stderr
    assert len(Features.load(tmp_path / "out")) == 8


class Counting(MeanColour):
    """Notes the sizes of the batches that it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def encode(self, batch: Sequence[Any]) -> Any:
        self.sizes.append(len(batch))
        return super().encode(batch)


@pytest.mark.parametrize("batch", [5, 70])
def test_batches_have_the_size_that_was_asked_for(batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(80):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "pictures" / f"{number}.png")
    encoder = Counting()
    monkeypatch.setattr("sibyl.encoders.chosen.encoder_by_name", lambda name: encoder)
    embedded(tmp_path / "pictures", tmp_path / "out", "--encoder", "mean-colour", "--batch", batch)
    assert max(encoder.sizes) == batch
    assert sum(encoder.sizes) == 80
