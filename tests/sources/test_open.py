"""open_source: every kind of pile is recognised, and what is none is answered with a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sibyl.errors import DataError
from sibyl.features import Features
from sibyl.sources.open import open_source


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (200, 10, 10)).save(path)
    return path


def test_images_in_class_folders(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/old/2.png", "dog/1.png", "loose.png"):
        image(tmp_path / name)
    image(tmp_path / "out" / "thumbnail.png")
    (tmp_path / "readme.txt").write_text("photographs")
    (tmp_path / "examples.csv").write_text("item,label")
    (tmp_path / "notes.pdf").write_bytes(b"%PDF")
    source = open_source(tmp_path, exclude=[tmp_path / "out", tmp_path / "examples.csv"])
    assert source.modality == "image"
    assert [item.name for item in source.items] == ["cat/1.png", "cat/old/2.png", "dog/1.png", "loose.png"]
    assert source.labels == {"cat/1.png": "cat", "cat/old/2.png": "cat", "dog/1.png": "dog"}
    said = {one.name: one.reason for one in source.skipped}
    assert said == {"notes.pdf": "neither an image, an audio clip nor a text", "readme.txt": "describes the folder"}
    assert source.decode(source.items[0].read()).size == (8, 8)
    assert open_source(tmp_path, exclude=tmp_path / "out").modality == "image"


def test_captions_beside_images_do_not_make_a_folder_of_texts(tmp_path: Path) -> None:
    for number in range(3):
        image(tmp_path / f"{number}.png")
        (tmp_path / f"{number}.txt").write_text("a caption")
    (tmp_path / "README.md").write_text("photographs with captions")
    (tmp_path / "more.txt").write_text("a text")
    source = open_source(tmp_path)
    assert source.modality == "image"
    assert {one.name: one.reason for one in source.skipped}["0.txt"] == "caption of an image"
    assert len(open_source(tmp_path, kind="text").items) == 4
    for number in range(3):
        (tmp_path / f"text {number}.txt").write_text("a text")
    assert open_source(tmp_path).modality == "text"


@pytest.mark.parametrize("kind", ["npy", "npz", "parquet", "folder"])
def test_features(tmp_path: Path, kind: str) -> None:
    matrix, path = np.arange(6, dtype=np.float32).reshape(3, 2), tmp_path / f"rows.{kind}"
    names, labels = ["0", "1", "2"], {}
    if kind == "npy":
        np.save(path, matrix)
    elif kind == "npz":
        names, labels = ["p", "q", "r"], {"p": "a", "r": "b"}
        np.savez(path, features=matrix, labels=np.array(["a", "", "b"]), ids=np.array(names))
    elif kind == "parquet":
        names, labels = ["1", "2", "3"], {"1": "a", "3": "b"}  # counted as in any table
        pd.DataFrame({"vector": list(matrix), "label": ["a", None, "b"]}).to_parquet(path)
    else:
        names, labels = ["p", "q", "r"], {"p": "a", "r": "b"}
        Features(matrix, np.array([0, -1, 1]), ("a", "b"), tuple(names)).save(path)
    source = open_source(path)
    assert source.modality == "features"
    assert [item.name for item in source.items] == names
    assert source.labels == labels
    assert np.array_equal(source.matrix, matrix)  # type: ignore[arg-type]


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "txt"])
def test_flipped_bytes_give_a_source_or_one_sentence(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{ending}"
    frame = pd.DataFrame({"text": [f'sentence "{i}", with quotes' for i in range(20)], "size": range(20), "label": list("ab") * 10})
    if ending == "parquet":
        frame.to_parquet(path)
    elif ending == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    content, random = path.read_bytes(), np.random.default_rng(0)
    for _ in range(80):
        broken = np.frombuffer(content, np.uint8).copy()
        places = random.integers(0, len(broken), 3)
        broken[places] = random.integers(0, 256, 3)
        path.write_bytes(broken[: random.integers(1, len(broken) + 1)].tobytes())
        for column in (None, "text"):
            try:
                source = open_source(path, column=column)
            except DataError as error:
                assert "\n" not in str(error)  # noqa: PT017
            else:
                assert len({item.name for item in source.items}) == len(source.items)
                "".join((*source.labels, *source.labels.values(), *(one.name + one.reason for one in source.skipped))).encode()


def test_what_is_no_pile_is_answered_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        open_source(tmp_path / "nowhere")
    with pytest.raises(DataError, match="it is empty"):
        open_source(tmp_path)
    with pytest.raises(DataError, match="name the folder it lies in"):
        open_source(image(tmp_path / "one" / "1.png"))
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "rows.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"none is among its 1 file; name a table itself: .*rows\.csv"):
        open_source(tmp_path / "tables")
    (tmp_path / "file.xyz").write_text("?")
    with pytest.raises(DataError, match=r"known: \.csv"):
        open_source(tmp_path / "file.xyz")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match="damaged"):
        open_source(tmp_path / "broken.parquet")
