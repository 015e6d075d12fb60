"""Parquet files whose cells are images or clips, as Hugging Face writes them."""

from __future__ import annotations

import io
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sibyl.errors import DataError
from sibyl.labeling.label import label
from sibyl.sources.item import Unreadable
from sibyl.sources.open import open_source
from tests.encoders.tiny_onnx import write_tiny_encoder

FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
NAMES = ["red", "green"]


def png(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (9, 9), (shade, 255 - shade, 0)).save(file, "PNG")
    return file.getvalue()


def wav(tone: float) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(8000)
        written.writeframes((np.sin(np.arange(800) * tone) * 9000).astype("<i2").tobytes())
    return file.getvalue()


def write(path: Path, cells: list[Any], kind: Any = FILE, name: str = "image", **columns: Any) -> Path:
    described = {"info": {"features": {"label": {"names": NAMES, "_type": "ClassLabel"}}}}
    table = pa.table({name: pa.array(cells, kind), **columns}).replace_schema_metadata({"huggingface": json.dumps(described)})
    pq.write_table(table, path)
    return path


def test_images_with_their_class_names(tmp_path: Path) -> None:
    cells = [{"bytes": png(shade), "path": f"{shade}.png"} for shade in (0, 100, 200)]
    source = open_source(write(tmp_path / "train.parquet", cells, label=pa.array([1, -1, 0])))
    assert source.modality == "image"
    assert source.names == ("0.png", "100.png", "200.png")
    assert source.labels == {"0.png": "green", "200.png": "red"}
    assert source.decode(source.items[1].read()).getpixel((0, 0)) == (100, 155, 0)
    assert source.frame is not None
    assert "image" not in source.frame
    assert "files (image) in column 'image'" in source.understood


def test_clips_whatever_the_column_is_called(tmp_path: Path) -> None:
    cells = [{"bytes": wav(tone), "path": None} for tone in (0.1, 0.2)]
    source = open_source(write(tmp_path / "train.parquet", cells, name="image"))
    assert (source.modality, source.names) == ("audio", ("1", "2"))  # no paths: rows are called by their number
    assert source.decode(source.items[0].read()).rate == 8000


def test_what_holds_no_file_is_skipped_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "beside.png").write_bytes(png(7))
    cells = [{"bytes": png(1), "path": "a.png"}, {"bytes": None, "path": "beside.png"}, {"bytes": None, "path": "gone.png"}, None]
    source = open_source(write(tmp_path / "t.parquet", [*cells, {"bytes": b"", "path": "e.png"}]))
    assert source.names == ("1", "2", "5")
    assert {one.name: one.reason for one in source.skipped} == {"3": "no such file", "4": "holds no file"}
    assert source.items[1].read() == png(7)
    with pytest.raises(Unreadable, match="empty file"):
        source.items[2].read()


def test_large_binary_and_further_columns_of_files(tmp_path: Path) -> None:
    kind = pa.struct([("bytes", pa.large_binary()), ("path", pa.string())])
    cells = [{"bytes": png(1), "path": None}, {"bytes": png(2), "path": None}]
    masks = pa.array([{"bytes": png(9), "path": None}] * 2, FILE)
    path = write(tmp_path / "t.parquet", cells, kind, id=pa.array(["x", "y"]), mask=masks)
    assert open_source(path).items[0].read() == png(1)
    assert open_source(path).names == ("x", "y")
    assert open_source(path, column="mask").items[0].read() == png(9)
    numbered = write(tmp_path / "u.parquet", cells, kind, a=pa.array([0.1, 0.7]), b=pa.array([3.0, 1.0]))
    assert open_source(numbered, kind="table").modality == "table"


@pytest.mark.parametrize(
    ("cells", "kind", "message"),
    [
        ([{"bytes": b"nothing known", "path": None}] * 2, FILE, "neither images nor audio clips"),
        ([None, None], FILE, "neither images nor audio clips"),
        ([{"bytes": 3}] * 2, pa.struct([("bytes", pa.int64())]), "t.parquet"),
    ],
)
def test_other_structs_are_no_traceback(tmp_path: Path, cells: list[Any], kind: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_source(write(tmp_path / "t.parquet", cells, kind))


@pytest.mark.parametrize("described", [b"{", b"[]", b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": [3]}}}}'])
def test_odd_descriptions_are_passed_over(tmp_path: Path, described: bytes) -> None:
    table = pa.table({"image": pa.array([{"bytes": png(1), "path": None}], FILE), "label": pa.array([1])})
    pq.write_table(table.replace_schema_metadata({b"huggingface": described}), tmp_path / "t.parquet")
    assert open_source(tmp_path / "t.parquet").labels == {"1": "1"}


def test_a_set_that_holds_far_more_than_its_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sibyl.sources.limits.ALWAYS", 1000)
    cells = [{"bytes": bytes(1 << 20), "path": None}] * 40
    with pytest.raises(DataError, match="would unfold to"):
        open_source(write(tmp_path / "t.parquet", cells))


def test_it_is_labelled_from_one_example_each(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    shades = np.concatenate([draw.integers(0, 60, 10), draw.integers(195, 255, 10)])
    path = write(tmp_path / "train.parquet", [{"bytes": png(int(shade)), "path": None} for shade in shades])
    encoder = write_tiny_encoder(tmp_path / "e.onnx")
    table = label(path, {"1": "low", "11": "high"}, encoder, tmp_path / "out", export=["folders"], cache=tmp_path / "cache")
    assert list(table["label"]) == ["low"] * 10 + ["high"] * 10


def test_the_readme_of_a_data_set_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nconfigs: []\n---\nA set of pictures.", encoding="utf-8")
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "train.parquet", [{"bytes": png(1), "path": None}])
    with pytest.raises(DataError, match=r"name a table itself: .*data/train.parquet"):
        open_source(tmp_path)
