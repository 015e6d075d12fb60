"""ONNX encoders: what they compute, what they refuse, what their key depends on."""

from __future__ import annotations

import builtins
import io
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from PIL import Image

from sibyl.encoders.named import encoder_by_name
from sibyl.encoders.onnx import OnnxEncoder
from sibyl.errors import DataError, MissingExtra, UnknownName
from sibyl.sources.images import decode_image
from tests.encoders.tiny_onnx import write_tiny_encoder
from tests.real_data import DATA, needs_data


def colours(n: int) -> list[Image.Image]:
    return [Image.new("RGB", (9, 7), (20 * i, 255 - 20 * i, 100)) for i in range(n)]


def expected(images: list[Image.Image]) -> npt.NDArray[np.float64]:
    pixels = np.array([image.getpixel((0, 0)) for image in images], np.float64) / 255
    return np.asarray((pixels - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225]))


@pytest.mark.parametrize("batch", ["batch", 1, 4])
def test_features_are_what_the_network_says(tmp_path: Path, batch: int | str) -> None:
    encoder = OnnxEncoder(write_tiny_encoder(tmp_path / "m.onnx", batch=batch))
    images = colours(7)
    features = encoder.encode([encoder.prepare(image) for image in images])
    assert features.dtype == np.float32
    assert np.allclose(features, expected(images), atol=1e-5)
    assert encoder.dim == 3
    assert encoder.encode([]).shape == (0, 3)


def test_size_comes_from_settings_then_model_then_default(tmp_path: Path) -> None:
    free = write_tiny_encoder(tmp_path / "free.onnx", side="side")
    assert OnnxEncoder(free).preprocessing.input_size == 224
    assert "default size 224" in OnnxEncoder(free).description["preprocessing_from"]
    fixed = write_tiny_encoder(tmp_path / "fixed.onnx", side=8)
    assert OnnxEncoder(fixed).preprocessing.input_size == 8
    (tmp_path / "free.json").write_text(json.dumps({"input_size": 16, "mean": [0, 0, 0], "std": [1, 1, 1]}))
    encoder = OnnxEncoder(free)
    assert encoder.preprocessing.input_size == 16
    assert encoder.description["preprocessing_from"] == "free.json"
    features = encoder.encode([encoder.prepare(Image.new("RGB", (5, 5), (255, 0, 51)))])
    assert np.allclose(features, [[1, 0, 0.2]], atol=1e-5)


def test_enough_pixels_are_enough(tmp_path: Path) -> None:
    encoder = OnnxEncoder(write_tiny_encoder(tmp_path / "m.onnx", side=64))
    ramp = np.linspace(0, 255, 1600).astype(np.uint8)
    image = Image.fromarray(
        np.stack([np.tile(ramp, (1200, 1)), np.tile(ramp[:1200, None], (1, 1600)), np.full((1200, 1600), 90, np.uint8)], -1)
    )
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=95)
    whole, small = (decode_image(buffer.getvalue(), side) for side in (None, encoder.enough_pixels))
    assert small.width < whole.width
    difference = np.abs(encoder.prepare(small).astype(int) - encoder.prepare(whole).astype(int))
    assert difference.max() <= 4


def test_settings_that_contradict_the_model_are_refused(tmp_path: Path) -> None:
    path = write_tiny_encoder(tmp_path / "m.onnx", side=8)
    (tmp_path / "m.json").write_text('{"input_size": 16}')
    with pytest.raises(DataError, match="8 × 8"):
        OnnxEncoder(path)


def test_key_depends_on_weights_and_preprocessing_only(tmp_path: Path) -> None:
    first = OnnxEncoder(write_tiny_encoder(tmp_path / "a.onnx")).key
    assert OnnxEncoder(write_tiny_encoder(tmp_path / "b.onnx")).key == first
    assert OnnxEncoder(write_tiny_encoder(tmp_path / "c.onnx", scale=2.0)).key != first
    (tmp_path / "b.json").write_text('{"resize": 8}')
    assert OnnxEncoder(tmp_path / "b.onnx").key != first


def test_models_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="one feature row per image"):
        OnnxEncoder(write_tiny_encoder(tmp_path / "map.onnx", pooled=False))


def test_a_model_that_gives_one_number_is_refused(tmp_path: Path) -> None:
    model = onnx.load(str(write_tiny_encoder(tmp_path / "m.onnx")))
    model.graph.node.append(onnx.helper.make_node("ReduceMean", ["features"], ["mean"], keepdims=0))
    model.graph.output.pop()
    model.graph.output.append(onnx.helper.make_tensor_value_info("mean", onnx.TensorProto.FLOAT, []))
    onnx.save(model, str(tmp_path / "m.onnx"))
    with pytest.raises(DataError, match="expected numbers"):
        OnnxEncoder(tmp_path / "m.onnx")


@pytest.mark.parametrize("content", [b"", b"this is no model", None])
def test_damaged_models_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = write_tiny_encoder(tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes()[:60] if content is None else content)
    with pytest.raises(DataError, match=r"m\.onnx"):
        OnnxEncoder(path)


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiny_encoder(tmp_path / "squeezenet.onnx")
    assert encoder_by_name("squeezenet.onnx").name == "squeezenet.onnx"
    with pytest.raises(UnknownName, match=r"did you mean squeezenet\.onnx"):
        encoder_by_name("squeezenett")
    with pytest.raises(DataError, match="no such file"):
        encoder_by_name("absent.onnx")
    with pytest.raises(DataError, match="is a folder"):
        encoder_by_name(str(tmp_path))


def test_without_onnxruntime_the_install_line_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tiny_encoder(tmp_path / "m.onnx")
    original = builtins.__import__

    def refuse(name: str, *rest: object) -> object:
        if name.startswith("onnxruntime"):
            raise ImportError(name)
        return original(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtra, match=r"pip install .*\[onnx\]"):
        OnnxEncoder(path)


@needs_data
def test_squeezenet_tells_a_photograph_from_another() -> None:
    encoder = OnnxEncoder(DATA / "encoders" / "squeezenet1_1_features.onnx", n_threads=1)
    draw = np.random.default_rng(0)
    images = [Image.fromarray(draw.integers(0, top, (128, 100, 3), dtype=np.uint8)) for top in (40, 255)]
    features = encoder.encode([encoder.prepare(image) for image in images])
    assert features.shape == (2, 512)
    assert np.isfinite(features).all()
    assert np.abs(features[0] - features[1]).max() > 0.1
