"""embed_source: rows as they are, images through an encoder, and an answer where the two do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sibyl.encoders.embed_source import embed_source
from sibyl.encoders.named import encoder_by_name
from sibyl.encoders.tfidf import TfidfEncoder
from sibyl.errors import DataError
from sibyl.sources.open import open_source


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (40, 30), (80 * number, 10, 10)).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return folder


def test_images_are_encoded_once(pictures: Path, tmp_path: Path) -> None:
    source, encoder = open_source(pictures), encoder_by_name("conv4-cifar-fs")
    first, second = (embed_source(source, encoder, tmp_path / "cache") for _ in range(2))
    assert (first.n_cached, second.n_cached) == (0, 3)
    assert np.array_equal(first.matrix, second.matrix)
    assert [one.name for one in first.skipped] == ["broken.png"]
    assert first.encoder["name"] == "conv4-cifar-fs"


def test_some_rows_come_first_and_no_row_gets_lost(pictures: Path, tmp_path: Path) -> None:
    source, encoder = open_source(pictures), encoder_by_name("conv4-cifar-fs")
    plain = embed_source(source, encoder, tmp_path / "cache")
    turned = embed_source(source, encoder, tmp_path / "cache", first=["2.png", "broken.png"])
    assert turned.names == ("2.png", "0.png", "1.png")
    assert np.array_equal(turned.matrix, plain.matrix[[2, 0, 1]])


def test_rows_are_handed_on(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(6.0).reshape(3, 2))
    done = embed_source(open_source(tmp_path / "x.npy"))
    assert done.names == ("0", "1", "2")
    assert np.array_equal(done.matrix, np.arange(6.0).reshape(3, 2))
    assert done.encoder == {"kind": "features", "name": "the rows of x.npy", "dim": 2}


def test_what_does_not_fit_is_answered(pictures: Path) -> None:
    with pytest.raises(DataError, match="need an encoder"):
        embed_source(open_source(pictures))
    with pytest.raises(DataError, match="tfidf reads modality text, but the items are image"):
        embed_source(open_source(pictures), TfidfEncoder())
