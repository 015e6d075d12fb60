"""Files that Sibyl writes and reads back: whatever bytes are wrong, reading is one sentence, and no row of a cache is another."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sibyl.backbones.checkpoint import SHIPPED, load_backbone
from sibyl.encoders.feature_cache import FeatureCache
from sibyl.encoders.onnx import OnnxEncoder
from sibyl.errors import UserError
from sibyl.features import Features
from sibyl.methods.checkpoint import load_method
from tests.encoders.tiny_onnx import write_tiny_encoder
from tests.fuzz import mutation
from tests.synthetic import clusters


def mutated(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.randrange(1, 4)):
        place = draw.randrange(len(changed) if draw.random() < 0.5 else min(len(changed), 400))
        kind = draw.randrange(4)
        if kind == 0:
            changed[place] ^= 1 << draw.randrange(8)
        elif kind == 1:
            changed[place : place + 64] = bytes(len(changed[place : place + 64]))
        elif kind == 2:
            del changed[place : place + draw.randrange(1, 30)]
        else:
            changed[place:place] = draw.choice([b"[" * 2000, b"1e999", b"-", b'"', b"null", b"\xff" * 9])
        if not changed:
            break
    return bytes(changed)


def attack(path: Path, read: Callable[[Path], object], expected: int) -> None:
    draw, content, end, n = random.Random(0), path.read_bytes(), time.process_time() + mutation.seconds, 0
    refused = 0
    while time.process_time() < end or n < expected:
        path.write_bytes(mutated(content, draw))
        n += 1
        try:
            read(path)
        except UserError as error:
            refused += 1
            assert "\n" not in str(error), error  # noqa: PT017
    assert refused


@pytest.mark.parametrize("name", ["backbone", "method", "onnx"])
def test_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / ("m.onnx" if name == "onnx" else "m.safetensors")
    if name == "onnx":
        write_tiny_encoder(path)
    else:
        path.write_bytes((SHIPPED / ("conv4-cifar-fs" + ("-sib-1shot" if name == "method" else "") + ".safetensors")).read_bytes())
    attack(path, {"backbone": load_backbone, "method": load_method, "onnx": OnnxEncoder}[name], 5)


@pytest.mark.parametrize("name", ["features.json", "items.parquet", "matrix.npy", ".sibyl.json"])
def test_features(tmp_path: Path, name: str) -> None:
    clusters(3, 5).save(tmp_path / "f")
    attack(tmp_path / "f" / name, lambda path: Features.load(path.parent), 5)


def test_a_damaged_row_of_a_cache_is_none_and_is_made_anew(tmp_path: Path) -> None:
    keys = [bytes([number]) * 32 for number in range(20)]
    rows = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    cache = FeatureCache(tmp_path, "k", 5)
    for key, row in zip(keys, rows, strict=True):
        cache.add(key, row)
    cache.flush()
    path = next((tmp_path / "features" / "k").glob("*.safetensors"))
    content, draw, lost = path.read_bytes(), random.Random(0), 0
    for _ in range(200):
        path.write_bytes(mutated(content, draw))
        found = FeatureCache(tmp_path, "k", 5)
        for key, row in zip(keys, rows, strict=True):
            kept = found.get(key)
            lost += kept is None
            assert kept is None or np.array_equal(kept, row)
    assert lost
    changed = bytearray(content)
    changed[content.index(rows[3].tobytes())] ^= 1
    path.write_bytes(changed)
    again = FeatureCache(tmp_path, "k", 5)
    assert again.get(keys[3]) is None
    again.add(keys[3], rows[3])
    again.flush()
    kept = FeatureCache(tmp_path, "k", 5).get(keys[3])
    assert kept is not None
    assert np.array_equal(kept, rows[3])
