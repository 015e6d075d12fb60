"""Every reader of what people want labelled, whatever bytes it gets."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save

from sibyl.errors import UserError
from sibyl.sources.audio import decode_audio
from sibyl.sources.cells import values_in
from sibyl.sources.feature_files import load_features
from sibyl.sources.images import decode_image, quiet_decoding
from sibyl.sources.item import Unreadable
from sibyl.sources.open import Source, open_source
from sibyl.sources.texts import decode_text
from tests.fuzz.mutation import check_sentence, damaged

DRAW = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "id": [f"r{i}" for i in range(9)],
        "text": ['says "hi", twice\nand again', "naïve words, three", "=1+1 is a sum"] * 3,
        "price": ["1,250.50", "980", "$12", "<LOD", "(3.5)", "", "7 kg", "1'000", "2024-01-02"],
        "n": DRAW.normal(size=9),
        "label": ["a", "b", "", "nan", "?", "-1", "[]", "A", "a"],
    }
)
ROWS = DRAW.normal(size=(9, 4)).astype(np.float32)


def _parquet(frame: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.to_parquet(file)
    return file.getvalue()


def _numpy(write: Callable[[io.BytesIO], None]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def _zip(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


VECTORS = pd.DataFrame({"embedding": [json.dumps(row.tolist()) for row in ROWS], "label": list("ab") + [""] * 7})
CORPUS: dict[str, list[bytes]] = {
    "csv": [
        FRAME.to_csv(index=False).encode(),
        FRAME.to_csv().encode("utf-16"),
        FRAME.drop(columns="text").to_csv(index=False, sep=";").encode(),
        VECTORS.to_csv(index=False).encode(),
        b"sep=;\na;b\n1,5;2\n3;\n",
        b"path,label\na.png,x\nb.png,\n",
        b",",
        b"a,b\n1\n2,3,4\n\n,\n",
        b"x,y\n1e200,1\n2,3\n",
    ],
    "tsv": [
        FRAME.to_csv(index=False, sep="\t").encode(),
        b'text\tlabel\n"open\ta\nclose"\t\nmore\tb\n',
        b'text\tlabel\n"open\ta\nclose"\t\x8dmore\tb\n',
    ],
    "jsonl": [
        FRAME.to_json(orient="records", lines=True).encode(),
        b'{"text": "some words here", "label": ["a"]}\n{"text": "and others there", "label": []}\n' + b"[" * 987 + b"]" * 987,
    ],
    "json": [FRAME.to_json(orient="records").encode(), FRAME.to_json().encode(), b'{"data": [{"a": 1}, {"a": {"b": [2]}}]}'],
    "parquet": [
        _parquet(FRAME.drop(columns="price")),
        _parquet(pd.DataFrame({"embedding": ROWS.tolist(), "label": ["a"] * 8 + [None]})),
        _parquet(
            pd.DataFrame(
                {"day": pd.to_datetime(["2020-01-01", "NaT", "2021-01-01"]), "s": [{"a": 1}, None, {"a": 2}], "n": [1, 2, 4]}
            )
        ),
    ],
    "txt": ["one text a line\nwith\u2028odd\x0cends\n\nand blanks\n".encode()],
    "npy": [
        _numpy(lambda file: np.save(file, ROWS)),
        _numpy(lambda file: np.save(file, np.arange(6).reshape(3, 2))),
        _numpy(lambda file: np.save(file, ROWS.astype("S8"))).replace(b"|S8", b"<a8"),  # a name that numpy warns of
    ],
    "npz": [
        _numpy(lambda file: np.savez(file, features=ROWS, labels=np.array([*"aabbccdd", ""]), ids=np.arange(9))),
        _zip({"features.npy": _numpy(lambda file: np.save(file, ROWS)), "ids.npy": b"no array"}),
    ],
    "safetensors": [save({"features": torch.from_numpy(ROWS), "labels": torch.arange(9) - 1})],
}


def check(source: Source) -> None:
    """What holds for anything that opens: each item has a name of its own, and what is said can be written."""
    names = source.names
    assert len(set(names)) == len(names)
    assert not {one.name for one in source.skipped} & set(names)
    assert set(source.labels) <= set(names)
    assert all(source.labels.values())
    assert not source.order or set(names) <= set(source.order)
    if source.matrix is not None:
        assert source.matrix.shape[0] == len(names)
        assert np.isfinite(source.matrix).all()
    "".join(
        (*names, *source.labels.values(), *source.notes, source.understood, *(one.name + one.reason for one in source.skipped))
    ).encode()


@pytest.mark.parametrize("ending", CORPUS)
def test_sources(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{ending}"
    path.write_bytes(CORPUS[ending][0])
    open_source(path)  # imports what it needs, which is not what the time of an input is for
    for content, named in damaged(CORPUS[ending]):
        with named:
            path.write_bytes(content)
            try:
                check(open_source(path))
            except UserError as error:
                check_sentence(error)


@pytest.mark.parametrize("ending", ["csv", "parquet", "npy", "npz", "safetensors"])
def test_features(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{ending}"
    for content, named in damaged(CORPUS[ending]):
        with named:
            path.write_bytes(content)
            try:
                features = load_features(path)
            except UserError as error:
                check_sentence(error)
                continue
            assert np.isfinite(features.matrix).all()


def test_columns_of_numbers() -> None:
    corpus = ["\n".join(FRAME["price"]).encode(), b"1.5\n2,5\n1e5\n9999-12-31\n12:30\n-5-\n", b"1,250\n980\n\n(7)\n"]
    for content, named in damaged(corpus):
        with named:
            cells = content.decode("utf-8", "replace").split("\n")
            values = values_in(pd.Series(cells, dtype=object))
            assert len(values.numbers) == len(cells)
            assert not np.isinf(values.numbers).any()


def _picture(kind: str, mode: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(DRAW.integers(0, 255, (20, 30, 3), dtype=np.uint8)).convert(mode).save(file, kind)
    return file.getvalue()


def test_images() -> None:
    deep = io.BytesIO()
    Image.fromarray(np.linspace(0, 4095, 400).astype(np.uint16).reshape(20, 20)).save(deep, "PNG")
    corpus = [
        _picture("PNG", "RGBA"),
        _picture("JPEG", "RGB"),
        _picture("WEBP", "RGB"),
        _picture("GIF", "P"),
        _picture("BMP", "RGB"),
    ]
    with quiet_decoding():
        for content, named in damaged([*corpus, _picture("TIFF", "L"), deep.getvalue()]):
            with named:
                try:
                    assert decode_image(content).mode == "RGB"
                except Unreadable as error:
                    check_sentence(error)


def test_clips() -> None:
    soundfile = pytest.importorskip("soundfile")
    samples = np.sin(np.arange(4000) / 9).astype(np.float32) / 2
    corpus = []
    for kind in ("WAV", "FLAC", "OGG"):
        file = io.BytesIO()
        soundfile.write(file, samples, 8000, format=kind)
        corpus.append(file.getvalue())
    for content, named in damaged(corpus):
        with named:
            try:
                assert np.isfinite(decode_audio(content).at(16_000).samples).all()
            except Unreadable as error:
                check_sentence(error)


def test_texts() -> None:
    for content, named in damaged([b"some words", "\ufeffnaïve".encode(), "naïve".encode("utf-16")]):
        with named:
            try:
                assert decode_text(content).strip()
            except Unreadable as error:
                check_sentence(error)
