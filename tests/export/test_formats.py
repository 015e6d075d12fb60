"""Labels for other tools: each format is read back as its tool would."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sibyl.errors import DataError, UnknownName
from sibyl.export.class_folders import safe_name, write_class_folders
from sibyl.export.formats import FORMATS
from sibyl.export.labelled_items import LabelledItems
from sibyl.folders import MARK
from sibyl.labeling.label import label
from sibyl.sources.open import open_source
from tests.encoders.tiny_onnx import write_tiny_encoder

CLASSES = ("../green", "Con", 'red & "co"')  # as tools sort them
NAMES = ["a/1.png", "b/1.png", "=x 'q\",😀.png"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    folder = tmp_path / "photos"
    for number in range(24):
        name = NAMES[number] if number < 3 else f"deep/er/{number}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        colour = np.eye(3)[number % 3] * 160 + 40
        pixels = np.clip(colour + draw.normal(size=(9, 9, 3)) * 20, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name)
    (folder / "broken.png").write_bytes(b"no")
    write_tiny_encoder(tmp_path / "encoder.onnx")
    return folder


def export(photos: Path, *formats: str) -> tuple[pd.DataFrame, Path]:
    out = photos.parent / "out"
    examples = dict(zip(NAMES, CLASSES, strict=True))
    table = label(photos, examples, photos.parent / "encoder.onnx", out, export=formats, cache=photos.parent / "cache")
    return table[~table["status"].str.startswith("skipped")], out


@pytest.mark.parametrize("name", ["folders", "links"])
def test_a_folder_for_each_class(photos: Path, name: str) -> None:
    table, out = export(photos, name)
    files = [path for path in (out / name).rglob("*") if path.is_file() and path.name not in (MARK, "classes.json")]
    assert len(files) == len(table) == 24
    assert len(list((out / name).iterdir())) == 5  # the mark and the key, too
    assert json.loads((out / name / "classes.json").read_text()) == {safe_name(label): label for label in CLASSES}
    assert {path.is_symlink() for path in files} == {name == "links"}
    by_content = {(photos / item).read_bytes(): label for item, label in zip(table["item"], table["label"], strict=True)}
    folder_of = {label: safe_name(label) for label in CLASSES}
    assert all(path.parent.name == folder_of[by_content[path.read_bytes()]] for path in files)
    assert not (out / "green").exists()


def test_fiftyone(photos: Path) -> None:
    table, out = export(photos, "fiftyone")
    described = json.loads((out / "fiftyone" / "labels.json").read_text(encoding="utf-8"))
    assert described["classes"] == list(CLASSES)
    files = {path.stem: path for path in (out / "fiftyone" / "data").iterdir()}
    assert set(files) == set(described["labels"])
    by_item = table.set_index("item")
    for stem, one in described["labels"].items():
        item = one["attributes"]["item"]
        assert files[stem].read_bytes() == (photos / item).read_bytes()
        assert described["classes"][one["label"]] == by_item.loc[item, "label"]
        assert one["confidence"] == pytest.approx(by_item.loc[item, "confidence"], abs=1e-5)
        assert one["attributes"]["by_person"] == (item in NAMES)


def test_an_export_inside_the_pile_is_not_labelled_again(photos: Path) -> None:
    label(photos, dict(zip(NAMES, CLASSES, strict=True)), photos.parent / "encoder.onnx", photos / "out", export=["folders"])
    again = label(photos, dict(zip(NAMES, CLASSES, strict=True)), photos.parent / "encoder.onnx", photos.parent / "elsewhere")
    old = again[again["item"].str.startswith("out/")].set_index("item")["status"]
    assert old["out/folders"].startswith("skipped: folder that sibyl wrote")
    assert all(status.startswith("skipped") for status in old)
    assert len(again) - len(old) == 25


@pytest.mark.parametrize("links", [False, True])
def test_a_file_that_has_gone_since_is_passed_over(tmp_path: Path, links: bool) -> None:
    for name in ("here.png", "gone.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    source, one = open_source(tmp_path), np.ones(2, np.float32)
    (tmp_path / "gone.png").unlink()
    out = tmp_path / "out"
    out.mkdir()
    names = tuple(item.name for item in source.items)
    labelled = LabelledItems(source, ("cat",), names, np.zeros(2, np.int64), one[:, None], one > 1, one[:, None], "class_mean")
    write_class_folders(out, labelled, links=links)
    assert [path.name for path in out.rglob("*.png")] == ["here.png"]


def test_label_studio(photos: Path) -> None:
    table, out = export(photos, "label-studio")
    tasks = json.loads((out / "label-studio" / "tasks.json").read_text(encoding="utf-8"))
    assert len(tasks) == len(table)
    choices = [choice.get("value") for choice in ElementTree.parse(out / "label-studio" / "interface.xml").iter("Choice")]
    assert choices == list(CLASSES)
    labels = dict(zip(table["item"], table["label"], strict=True))
    for task in tasks:
        given = task.get("predictions") or task["annotations"]
        assert given[0]["result"][0]["value"]["choices"] == [labels[task["data"]["name"]]]
        assert "score" in given[0] or task["data"]["name"] in NAMES
        assert task["data"]["item"].startswith("/data/local-files/?d=")
        assert " " not in task["data"]["item"]


def test_cleanlab(photos: Path) -> None:
    table, out = export(photos, "cleanlab")
    labels, probabilities, features, by_person = (
        np.load(out / "cleanlab" / f"{name}.npy") for name in ("labels", "pred_probs", "features", "by_person")
    )
    names = json.loads((out / "cleanlab" / "items.json").read_text())
    assert probabilities.shape == (24, 3)
    assert features.shape == (24, 3)
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5)
    assert by_person.sum() == 3
    by_item = table.set_index("item")["label"]
    assert [names["class_names"][label] for label in labels] == by_item.loc[names["items"]].tolist()
    assert (probabilities.argmax(1) == labels).all()


def test_hugging_face(photos: Path) -> None:
    table, out = export(photos, "datasets")
    read = pq.read_table(out / "datasets" / "data" / "train-00000-of-00001.parquet")
    features = json.loads(read.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features["label"]["names"] == list(CLASSES)
    labels = dict(zip(table["item"], table["label"], strict=True))
    for row in read.to_pylist():
        assert labels[row["item"]] == CLASSES[row["label"]]
        assert Image.open(io.BytesIO(row["image"]["bytes"])).size == (9, 9)


def test_texts_and_features(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(f"{'red apple' if i % 2 else 'dark cloud'} {i}" for i in range(30)))
    out = tmp_path / "out"
    label(
        tmp_path / "texts.txt",
        {"1": "sky", "2": "fruit"},
        "tfidf",
        out,
        export=["folders", "datasets", "label-studio"],
        cache=tmp_path / "c",
    )
    assert len(list((out / "folders").rglob("*.txt"))) == 30
    assert pq.read_table(out / "datasets" / "data").column("text").to_pylist()[1].startswith("red apple")
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32))
    rows = tmp_path / "rows"  # another pile: the labels of the texts are not replaced by its own
    label(tmp_path / "rows.npy", {"0": "a", "1": "b"}, out=rows, export=["datasets"])
    assert len(pq.read_table(rows / "datasets" / "data").column("features")[0].as_py()) == 4
    with pytest.raises(DataError, match="holds items of modality image or text or audio, these are features"):
        label(tmp_path / "rows.npy", {"0": "a", "1": "b"}, out=rows, export=["folders"])
    assert not (rows / "folders").exists()


def test_an_unknown_format_costs_no_work(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean folders"):
        label(tmp_path / "absent", {}, out=tmp_path / "out", export=["folder"])
    assert set(FORMATS) == {"folders", "links", "label-studio", "fiftyone", "cleanlab", "datasets"}


def test_long_names_below_a_deep_folder_stay_apart() -> None:
    deep = "/".join(["a folder with a long name"] * 9)
    safe = [safe_name(f"{deep}/{number}.jpg".replace("/", "__")) for number in range(50)]
    assert len(set(safe)) == 50
    assert safe[7].endswith("__7.jpg")


@pytest.mark.parametrize("name", ["a" * 400 + ".jpg", "😀" * 90, "..", "", "nul.txt", "x/y\0z", " . "])
def test_safe_names(tmp_path: Path, name: str) -> None:
    safe = safe_name(name)
    (tmp_path / safe).write_text("x")
    assert (tmp_path / safe).parent == tmp_path
    assert not safe.startswith(".")
