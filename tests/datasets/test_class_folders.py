from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sibyl.datasets.class_folders import list_class_folders
from sibyl.datasets.images import ImageSet
from sibyl.datasets.packed import cached_image_set
from sibyl.errors import DataError
from tests.datasets.pictures import write_classes, write_image


def read(folder: Path, cache: Path, **settings: Any) -> ImageSet:
    return cached_image_set(list_class_folders(folder), cache=cache, **settings)


def test_pixels_labels_and_ids_are_those_of_the_files(tmp_path: Path) -> None:
    write_classes(tmp_path / "set", ("b", "a", "deep/c"), 3)
    images = read(tmp_path / "set", tmp_path / "cache")
    assert images.class_names == ("a", "b", "deep/c")
    assert images.ids[0] == "a/0.png"
    assert images.pixels.shape == (9, 12, 12, 3)
    for row, name in enumerate(images.ids):
        assert np.array_equal(images.pixels[row], np.asarray(Image.open(tmp_path / "set" / name)))
        assert images.class_names[images.labels[row]] == name.rpartition("/")[0]


def test_size_and_grey(tmp_path: Path) -> None:
    write_image(tmp_path / "set" / "a" / "0.png", 0, (20, 30))
    write_image(tmp_path / "set" / "b" / "0.jpg", 1, (90, 40))
    assert read(tmp_path / "set", tmp_path / "cache", size=8, grey=True).pixels.shape == (2, 8, 8, 1)
    with pytest.raises(DataError, match=r"0\.jpg: size 90 × 40 differs from 20 × 30"):
        read(tmp_path / "set", tmp_path / "cache")


def test_of_classes_renumbers(tmp_path: Path) -> None:
    write_classes(tmp_path / "set", ("a", "b", "c"), 2)
    part = read(tmp_path / "set", tmp_path / "cache").of_classes(("c", "a"))
    assert part.class_names == ("c", "a")
    assert part.labels.tolist() == [1, 1, 0, 0]
    with pytest.raises(DataError, match="no class 'd'"):
        part.of_classes(("d",))


def test_bad_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        list_class_folders(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="it is empty"):
        list_class_folders(tmp_path / "empty")
    write_image(tmp_path / "flat" / "0.png", 0)
    with pytest.raises(DataError, match="lie in no class folders"):
        list_class_folders(tmp_path / "flat")
    write_classes(tmp_path / "hollow", ("a",))
    (tmp_path / "hollow" / "a" / "5.png").touch()
    with pytest.raises(DataError, match=r"a/5\.png: empty file; replace or remove it"):
        list_class_folders(tmp_path / "hollow")


def test_a_truncated_image_is_named_and_leaves_no_pack(tmp_path: Path) -> None:
    write_classes(tmp_path / "set", ("a", "b"), 2, (40, 40))
    path = tmp_path / "set" / "b" / "1.png"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match=r"b/1\.png: cannot be read as an image \(damaged image"):
        read(tmp_path / "set", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_the_pack_holds_the_same_images_and_is_used(tmp_path: Path) -> None:
    write_classes(tmp_path / "set", ("a", "b"), 100)
    calls: list[tuple[int, int]] = []
    first = read(tmp_path / "set", tmp_path / "cache", progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (200, 200)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    plain = read(tmp_path / "set", tmp_path / "other", n_threads=1)
    assert isinstance(first.pixels, np.memmap)
    assert np.array_equal(first.pixels, plain.pixels)
    assert first.ids == plain.ids
    calls.clear()
    again = read(tmp_path / "set", tmp_path / "cache", progress=lambda done, total: calls.append((done, total)))
    assert calls == []
    assert np.array_equal(again.pixels, plain.pixels)


def test_a_changed_file_or_setting_makes_another_pack(tmp_path: Path) -> None:
    write_classes(tmp_path / "set", ("a", "b"), 2)
    first = read(tmp_path / "set", tmp_path / "cache")
    write_image(tmp_path / "set" / "a" / "0.png", 77, (12, 12))
    second = read(tmp_path / "set", tmp_path / "cache")
    assert not np.array_equal(first.pixels[0], second.pixels[0])
    assert read(tmp_path / "set", tmp_path / "cache", size=6).pixels.shape == (4, 6, 6, 3)
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_a_damaged_pack_is_made_again(tmp_path: Path) -> None:
    write_classes(tmp_path / "set", ("a", "b"), 2)
    first = np.array(read(tmp_path / "set", tmp_path / "cache").pixels)
    pack = next((tmp_path / "cache").iterdir()) / "pixels.npy"
    pack.write_bytes(pack.read_bytes()[:300])
    assert np.array_equal(read(tmp_path / "set", tmp_path / "cache").pixels, first)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    write_classes(tmp_path / "set", ("a",))
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="set SIBYL_CACHE to a folder with room"):
        read(tmp_path / "set", tmp_path / "file")
