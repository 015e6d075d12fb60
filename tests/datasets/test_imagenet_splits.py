from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sibyl.datasets.class_folders import read_image
from sibyl.datasets.imagenet_splits import load_mini_imagenet, load_tiered_imagenet
from sibyl.errors import DataError, UnknownName
from tests.datasets.pictures import write_classes, write_image

CLASSES = {"train": ("n001", "n002"), "val": ("n003",), "test": ("n004",)}


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIBYL_CACHE", str(tmp_path / "cache"))


def write_imagenet(root: Path) -> None:
    """Five images a class whose numbers sort differently as text: 1, 20, 3, 100, 7."""
    for names in CLASSES.values():
        for name in names:
            for number in (1, 20, 3, 100, 7):
                write_image(root / "imagenet" / name / f"{name}_{number}.png", number, (30, 20))


def write_mini_lists(root: Path, numbers: tuple[int, ...] = (1, 4)) -> None:
    for split, names in CLASSES.items():
        lines = [f"{name}{number:08d}.jpg,{name}" for name in names for number in numbers]
        (root / f"{split}.csv").write_text("filename,label\n" + "\n".join(lines) + "\n")


def test_class_folders(tmp_path: Path) -> None:
    for split, names in CLASSES.items():
        write_classes(tmp_path / split, names, 2, (30, 20))
    for load in (load_mini_imagenet, load_tiered_imagenet):
        images = load("train", tmp_path, size=10)
        assert images.class_names == CLASSES["train"]
        assert images.pixels.shape == (4, 10, 10, 3)
        assert load("validation", tmp_path, size=10).class_names == CLASSES["val"]


def test_the_list_counts_imagenets_own_numbers(tmp_path: Path) -> None:
    write_imagenet(tmp_path)
    write_mini_lists(tmp_path)
    images = load_mini_imagenet("train", tmp_path, size=10)
    assert images.ids == ("n001/n00100000001.jpg", "n001/n00100000004.jpg", "n002/n00200000001.jpg", "n002/n00200000004.jpg")
    # The fourth of 1, 3, 7, 20, 100 is 20.
    assert np.array_equal(images.pixels[1], read_image(tmp_path / "imagenet" / "n001" / "n001_20.png", 10, False))
    write_mini_lists(tmp_path, (1, 6))
    with pytest.raises(DataError, match=r"names 'n00100000006\.jpg', but this class has 5 images"):
        load_mini_imagenet("train", tmp_path, size=10)


def test_the_list_with_a_flat_folder(tmp_path: Path) -> None:
    write_mini_lists(tmp_path)
    for names in CLASSES.values():
        for name in names:
            for number in (1, 4):
                write_image(tmp_path / "images" / f"{name}{number:08d}.jpg", number)
    assert load_mini_imagenet("test", tmp_path, size=10).class_names == ("n004",)
    (tmp_path / "images" / "n00400000004.jpg").unlink()
    with pytest.raises(DataError, match="no such file, but the list names it"):
        load_mini_imagenet("test", tmp_path, size=10)


def test_tiered_takes_whole_classes(tmp_path: Path) -> None:
    write_imagenet(tmp_path)
    for split, names in CLASSES.items():
        (tmp_path / f"{split}.csv").write_text("".join(f"{name},n9\n" for name in names))
    assert len(load_tiered_imagenet("train", tmp_path, size=10)) == 10
    (tmp_path / "test.csv").write_text("n005,n9\n")
    with pytest.raises(DataError, match="n005: no such class folder"):
        load_tiered_imagenet("test", tmp_path)


def test_overlapping_splits_are_refused(tmp_path: Path) -> None:
    for split, names in CLASSES.items():
        write_classes(tmp_path / "folders" / split, names, 1)
    write_classes(tmp_path / "folders" / "test", ("n001",), 1)
    with pytest.raises(DataError, match=r"splits 'train' and 'test' share 1 class \(n001\)"):
        load_mini_imagenet("train", tmp_path / "folders")
    write_mini_lists(tmp_path)
    (tmp_path / "val.csv").write_text("filename,label\nn00100000001.jpg,n001\n")
    with pytest.raises(DataError, match=r"splits 'train' and 'validation' share 1 class \(n001\)"):
        load_mini_imagenet("train", tmp_path)


def test_what_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected class folders .* or the lists train\.csv"):
        load_mini_imagenet("train", tmp_path)
    write_mini_lists(tmp_path)
    with pytest.raises(DataError, match="imagenet: no such folder; put ILSVRC2012"):
        load_mini_imagenet("train", tmp_path)
    (tmp_path / "train.csv").write_text("filename,label\nonly\n")
    with pytest.raises(DataError, match=r"train\.csv: expected two columns, but line 2 has fewer"):
        load_mini_imagenet("train", tmp_path)
    with pytest.raises(UnknownName, match="split of mini-imagenet"):
        load_mini_imagenet("val", tmp_path)
