"""What Label Studio exports comes back as examples: JSON, JSON_MIN and CSV as it writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sibyl.errors import DataError
from sibyl.labeling.examples import collect, gather_examples, read_given
from sibyl.labeling.item_names import naming

NAMES = {"photos/cat 1.jpg", "photos/dog.jpg", "photos/x.jpg", "other/x.jpg"}
LOCAL, UPLOAD = "/data/local-files/?d=photos/cat%201.jpg", "/data/upload/1/5c9b3e4a-dog.jpg"
STAMP = "2026-01-01T00:00:00Z"


def annotation(number: int, *labels: str, control: str = "choice", **more: Any) -> dict[str, Any]:
    result = {"value": {"choices": list(labels)}, "id": "a", "from_name": control, "to_name": "image", "type": "choices"}
    return {"id": number, "completed_by": 1, "result": [result], "was_cancelled": False, "lead_time": 1.5, **more}


def task(number: int, image: str, *annotations: dict[str, Any], **data: str) -> dict[str, Any]:
    return {"id": number, "data": {"image": image, **data}, "annotations": list(annotations), "predictions": [], "project": 1}


def flat(number: int, image: str, label: object, **more: Any) -> dict[str, Any]:
    times = {"created_at": STAMP, "updated_at": STAMP, "lead_time": 1.5}
    return {"image": image, "id": number, "choice": label, "annotator": 1, "annotation_id": number, **times, **more}


TASKS = [
    task(1, LOCAL, annotation(1, "cat")),
    task(2, UPLOAD, annotation(2, "dog")),
    task(3, "/data/local-files/?d=photos/x.jpg", annotation(3, "cat", was_cancelled=True)),
    task(4, "/data/local-files/?d=other/x.jpg"),
]
MIN = [flat(1, LOCAL, "cat"), flat(2, UPLOAD, "dog")]
CSV = (
    '"annotation_id","annotator","choice","created_at","id","image","lead_time","updated_at"\n'
    f'1,"1","cat","{STAMP}",1,"{LOCAL}",1.5,"{STAMP}"\n2,"1","dog","{STAMP}",2,"{UPLOAD}",1.5,"{STAMP}"\n'
    '"","","","",4,"/data/local-files/?d=other/x.jpg","",""\n'
)


def read(
    tmp_path: Path, content: str | list[dict[str, Any]], names: set[str] = NAMES, texts: dict[str, str] | None = None
) -> dict[str, str]:
    path = tmp_path / ("export.csv" if isinstance(content, str) else "export.json")
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return dict(gather_examples(read_given(path), tmp_path, names, contents=None if texts is None else lambda: texts).labels)


@pytest.mark.parametrize("content", [TASKS, MIN, CSV], ids=["JSON", "JSON_MIN", "CSV"])
def test_each_form_is_understood(tmp_path: Path, content: str | list[dict[str, Any]]) -> None:
    assert read(tmp_path, content) == {"photos/cat 1.jpg": "cat", "photos/dog.jpg": "dog"}


@pytest.mark.parametrize(
    ("address", "item"),
    [
        ("/data/local-files/?d=srv/all/photos/x.jpg", "photos/x.jpg"),  # its document root lies above
        ("/data/local-files/?d=dog.jpg", "photos/dog.jpg"),  # … or below
        ("s3://bucket/set/other/x.jpg", "other/x.jpg"),
        ("https://host/files/photos/cat%201.jpg?token=1", "photos/cat 1.jpg"),
        ("/data/upload/12/0123abcd-cat_1.jpg", "photos/cat 1.jpg"),  # uploads lose their blanks
        ("/data/local-files/?d=photos/nothing.jpg", "/data/local-files/?d=photos/nothing.jpg"),
    ],
)
def test_addresses_name_items(tmp_path: Path, address: str, item: str) -> None:
    assert naming(tmp_path, NAMES)(address) == item


def test_an_upload_that_could_be_two_files_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"could be 'other/x.jpg' or 'photos/x.jpg'; serve the files by"):
        collect([("row 2", "/data/upload/1/5c9b3e4a-x.jpg", "cat")], "examples.csv", tmp_path, NAMES)


def test_texts_are_found_by_what_they_say(tmp_path: Path) -> None:
    rows = [{**flat(number, "", label), "text": text} for number, (text, label) in enumerate([("good ", "up"), ("bad", "down")])]
    for row in rows:
        del row["image"]
    assert read(tmp_path, rows, {"1", "2"}, {"good": "2", "bad": "1"}) == {"2": "up", "1": "down"}


def test_the_name_in_tasks_of_our_own_export_goes_first(tmp_path: Path) -> None:
    tasks = [task(1, "", annotation(1, "up"), item="some text", name="7"), task(2, "", annotation(1, "down"), item="x", name="8")]
    assert read(tmp_path, tasks, {"7", "8"}) == {"7": "up", "8": "down"}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ([task(1, LOCAL, annotation(1, "cat", "dog"))], ["task 1 has 2 labels ('cat', 'dog')", "choose one in Label Studio"]),
        ([flat(1, LOCAL, {"choices": ["cat", "dog"]})], ["task 1 has 2 labels"]),
        ([task(1, LOCAL)], ["no item has a choice"]),
        (
            [{"image": LOCAL, "animal": "cat", "blurred": "no", "annotator": 1, "annotation_id": 1, "lead_time": 1}],
            ["no one column", "blurred"],
        ),
        ([flat(1, LOCAL, None)], ["no item has a choice"]),
        ([task(1, LOCAL, annotation(1, "cat"), annotation(2, "dog"))], ["two labels", "'cat' (task 1)"]),
    ],
)
def test_what_is_unclear_is_said(tmp_path: Path, content: list[dict[str, Any]], parts: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, content)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


@pytest.mark.parametrize(
    "broken", [{"annotations": 3, "data": {}}, {"annotations": [3], "data": 4}, {"annotations": [{}], "data": {}}]
)
def test_damaged_tasks_are_no_traceback(tmp_path: Path, broken: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        read(tmp_path, [broken])
