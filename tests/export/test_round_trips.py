"""Exports opened by the tools that they are for: pip install '.[tools]'. Without a tool its test is skipped, and says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sibyl.errors import DataError
from sibyl.labeling.examples import gather_examples, read_given
from sibyl.labeling.label import label
from sibyl.sources.open import open_source
from tests.encoders.tiny_onnx import write_tiny_encoder

pytestmark = pytest.mark.filterwarnings("ignore")  # what other projects warn of is theirs

CLASSES = ("zebra", "ant", "Bee")  # in another order than that of their names


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exports of 75 pictures of three colours; the label of each is its colour's."""
    folder = tmp_path_factory.mktemp("pile")
    draw = np.random.default_rng(0)
    (folder / "photos").mkdir()
    for number in range(75):
        pixels = np.clip(np.eye(3)[number % 3] * 160 + 40 + draw.normal(size=(9, 9, 3)) * 20, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{number:02d}.png")
    examples = {f"{number:02d}.png": CLASSES[number] for number in range(3)}
    exports = ["cleanlab", "datasets", "label-studio"]
    label(
        folder / "photos", examples, write_tiny_encoder(folder / "e.onnx"), folder / "out", export=exports, cache=folder / "cache"
    )
    return folder / "out"


def truth_of(item: str) -> str:
    return CLASSES[int(item[:2]) % 3]


def test_cleanlab_finds_no_issue_in_right_labels(out: Path) -> None:
    filters = pytest.importorskip("cleanlab.filter", reason="CLEANLAB ABSENT: its export is only read back by numpy")
    names = json.loads((out / "cleanlab" / "items.json").read_text())
    labels = np.array([names["class_names"].index(truth_of(item)) for item in names["items"]])
    probabilities = np.load(out / "cleanlab" / "pred_probs.npy").astype(float)
    probabilities /= probabilities.sum(1, keepdims=True)
    assert not filters.find_label_issues(labels, probabilities).any()
    # Datalab sorts the names that it is given, whatever the order of the columns of probabilities.
    assert names["class_names"] == sorted(names["class_names"])
    pytest.importorskip("datasets", reason="DATASETS ABSENT: cleanlab's Datalab needs it")
    datalab = pytest.importorskip("cleanlab.datalab.datalab", reason="CLEANLAB'S DATALAB CANNOT BE IMPORTED").Datalab
    lab = datalab(data={"label": [truth_of(item) for item in names["items"]]}, label_name="label", verbosity=0)
    lab.find_issues(pred_probs=probabilities, issue_types={"label": {}})
    assert not lab.get_issues("label")["is_label_issue"].any()


def test_datasets_opens_the_folder(out: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="DATASETS ABSENT: its export is only read back by pyarrow")
    rows = datasets.load_dataset(str(out / "datasets"), split="train", cache_dir=str(tmp_path))
    assert rows.features["label"].names == sorted(CLASSES)
    assert len(rows) == 75
    for row in rows:
        assert rows.features["label"].int2str(row["label"]) == truth_of(row["item"])
        assert row["image"].size == (9, 9)


def test_label_studio_takes_tasks_and_interface(out: Path) -> None:
    interface = pytest.importorskip(
        "label_studio_sdk.label_interface", reason="LABEL STUDIO'S SDK ABSENT: its export is only parsed"
    )
    shown = interface.LabelInterface((out / "label-studio" / "interface.xml").read_text(encoding="utf-8"))
    shown.validate()
    control = shown.get_control("label")
    assert sorted(control.labels) == sorted(CLASSES)
    for task in json.loads((out / "label-studio" / "tasks.json").read_text(encoding="utf-8")):
        assert shown.validate_task({"data": task["data"]})
        (region,) = (task.get("predictions") or task["annotations"])[0]["result"]
        assert shown.validate_region(region)
        assert region["value"]["choices"] == [truth_of(task["data"]["name"])]


@pytest.mark.parametrize("form", ["json", "json_min", "csv"])
def test_what_label_studio_exports_comes_back_as_examples(out: Path, tmp_path: Path, form: str) -> None:
    converter = pytest.importorskip(
        "label_studio_sdk.converter", reason="LABEL STUDIO'S SDK ABSENT: its exports are read as written by hand"
    )
    tasks = json.loads((out / "label-studio" / "tasks.json").read_text(encoding="utf-8"))
    for number, task in enumerate(tasks, 1):  # a person says what each picture is
        (region,) = (task.pop("predictions", None) or task["annotations"])[0]["result"]
        region |= {"id": "r", "origin": "manual"}
        task |= {"id": number, "annotations": [{"id": number, "completed_by": 1, "was_cancelled": False, "result": [region]}]}
    (tmp_path / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
    tool = converter.Converter((out / "label-studio" / "interface.xml").read_text(encoding="utf-8"), project_dir=None)
    more = {"sep": ",", "header": True} if form == "csv" else {}
    getattr(tool, f"convert_to_{form}")(str(tmp_path / "tasks.json"), str(tmp_path / form), is_dir=False, **more)
    (written,) = (tmp_path / form).iterdir()
    photos = out.parent / "photos"
    examples = gather_examples(read_given(written), photos, {path.name for path in photos.iterdir()})
    assert examples.labels == {f"{number:02d}.png": CLASSES[number % 3] for number in range(75)}


def test_a_dataset_of_hugging_face_is_a_source(out: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="DATASETS ABSENT: only parquet files are read as its sets")
    rows = datasets.load_dataset(str(out / "datasets"), split="train", cache_dir=str(tmp_path))
    chosen = rows.select(range(70, 0, -1))  # an order that is not the file's
    source = open_source(chosen)
    assert source.modality == "image"
    assert source.names[:1] == (chosen[0]["item"],)
    assert source.labels == {item: truth_of(item) for item in chosen["item"]}
    assert source.decode(source.items[3].read()).tobytes() == chosen[3]["image"].convert("RGB").tobytes()
    bare = chosen.remove_columns(["item", "label"])
    table = label(bare, {0: "x", 1: "y", 2: "z"}, write_tiny_encoder(tmp_path / "e.onnx"), cache=tmp_path / "cache")
    assert list(table["item"]) == list(map(str, range(70)))
    assert list(table["label"]) == ["xyz"[row % 3] for row in range(70)]
    with pytest.raises(DataError, match=r"has the splits 'train'; give one of them, such as dataset\['train'\]"):
        label(datasets.DatasetDict(train=rows), {0: "x"})
    with pytest.raises(DataError, match="read as a stream"):
        label(rows.to_iterable_dataset(), {0: "x"})
