"""Encoders of other libraries, on small networks with random weights that are built here; each test needs its library installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sibyl.encoders.encoder import Encoder
from sibyl.encoders.named import encoder_by_name
from sibyl.encoders.torchvision_import import import_torchvision
from sibyl.errors import DataError, UnknownName
from sibyl.sources.audio import Clip
from tests.real_data import DATA, needs_data


def needs(library: str, extra: str) -> pytest.MarkDecorator:
    absent = importlib.util.find_spec(library) is None
    return pytest.mark.skipif(absent, reason=f"LIBRARY ABSENT: {library}; install the extra {extra!r} to run this test")


needs_torchvision = needs("torchvision", "torchvision")
needs_timm = needs("timm", "timm")
needs_transformers = needs("transformers", "transformers")
needs_sentences = needs("sentence_transformers", "texts")
pytestmark = pytest.mark.filterwarnings("default")  # of other libraries, about themselves


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the libraries from asking the network."""
    import_torchvision()
    if importlib.util.find_spec("huggingface_hub") is not None:
        import huggingface_hub.constants

        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    torch.manual_seed(0)


def picture(seed: int, size: tuple[int, int] = (60, 50)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (*size[::-1], 3), np.uint8)
    return Image.fromarray(pixels)


def check_images(encoder: Encoder[Any, Any], dim: int) -> None:
    """One row per image, the same alone and in company, of its own for each image."""
    assert encoder.modality == "image"
    prepared = [encoder.prepare(picture(seed)) for seed in range(3)]
    rows = encoder.encode(prepared)
    assert rows.shape == (3, dim)
    assert encoder.dim == dim
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    assert np.allclose(rows[1], encoder.encode(prepared[1:2])[0], atol=1e-4 * np.abs(rows).max())
    assert np.abs(rows[0] - rows[1]).max() > 1e-4 * np.abs(rows).max()
    assert encoder.enough_pixels is not None
    assert encoder.description["dim"] == dim


@needs_torchvision
@pytest.mark.parametrize(
    ("model", "dim"),
    [
        ("squeezenet1_1", 512),
        ("resnet18", 512),
        ("mobilenet_v3_small", 1024),
        ("vit_b_32", 768),
        ("alexnet", 4096),
        ("efficientnet_b0", 1280),
    ],
)
def test_torchvision_models_lose_their_last_layer(model: str, dim: int, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    torchvision = import_torchvision()
    assert torchvision is not None
    save_file(torchvision.models.get_model(model, weights=None).state_dict(), tmp_path / "weights.safetensors")
    check_images(encoder_by_name(f"torchvision:{model}@{tmp_path / 'weights.safetensors'}"), dim)


@needs_torchvision
def test_torchvision_mistakes_are_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="did you mean resnet50"):
        encoder_by_name("torchvision:resnet5O")
    (tmp_path / "broken.safetensors").write_bytes(b"broken")
    with pytest.raises(DataError, match="cannot be read as weights"):
        encoder_by_name(f"torchvision:resnet18@{tmp_path / 'broken.safetensors'}")
    with pytest.raises(DataError, match="cannot be read as weights"):
        encoder_by_name(f"torchvision:resnet18@{tmp_path / 'absent.safetensors'}")
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", unreachable)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    with pytest.raises(DataError, match=r"fetch https://.*resnet18.*without weights work: conv4"):
        encoder_by_name("torchvision:resnet18")


def unreachable(*_args: object, **_settings: object) -> None:
    raise OSError("no network")


@needs_torchvision
@needs_data
def test_squeezenet_of_torchvision_and_of_onnx_agree() -> None:
    folder = DATA / "encoders"
    ours = encoder_by_name(f"torchvision:squeezenet1_1@{folder / 'squeezenet1_1.safetensors'}")
    theirs = encoder_by_name(str(folder / "squeezenet1_1_features.onnx"))
    paths = sorted((DATA / "photos").rglob("*.jpg"))[::150]
    images = [Image.open(path).convert("RGB") for path in paths]
    a, b = (encoder.encode([encoder.prepare(image) for image in images]) for encoder in (ours, theirs))
    assert np.abs(a - b).max() < 1e-3


@needs_timm
@pytest.mark.parametrize(("model", "dim"), [("resnet10t", 512), ("vit_tiny_patch16_224", 192)])
def test_timm_models_of_a_folder(model: str, dim: int, tmp_path: Path) -> None:
    import timm
    from timm.models import save_for_hf

    network = timm.create_model(model, pretrained=False, num_classes=5)
    save_for_hf(network, tmp_path, safe_serialization=True)
    for name in (f"timm:{tmp_path}", str(tmp_path)):
        check_images(encoder_by_name(name), dim)
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(DataError, match="cannot be read"):
        encoder_by_name(f"timm:{tmp_path}")
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(DataError, match="no weights in safetensors"):
        encoder_by_name(f"timm:{tmp_path}")


@needs_timm
def test_timm_mistakes_are_answered() -> None:
    with pytest.raises(UnknownName, match="did you mean resnet50"):
        encoder_by_name("timm:resnet5O.a1_in1k")
    with pytest.raises(DataError, match="hf download timm/resnet18"):
        encoder_by_name("timm:resnet18.a1_in1k")


SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 40}


def save_transformers_model(kind: str, folder: Path) -> None:
    import transformers as t

    if kind == "dinov2":
        t.Dinov2Model(t.Dinov2Config(**SMALL, image_size=28, patch_size=14)).save_pretrained(folder)
        t.BitImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 28, "width": 28}).save_pretrained(folder)
    elif kind in ("clip", "siglip"):
        vision = {**SMALL, "image_size": 32, "patch_size": 16}
        text = {**SMALL, "vocab_size": 50, "projection_dim": 24}
        if kind == "clip":
            t.CLIPModel(t.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)).save_pretrained(folder)
            t.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
        else:
            t.SiglipModel(t.SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
            t.SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    elif kind == "resnet":
        t.ResNetModel(t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1])).save_pretrained(folder)
        t.ConvNextImageProcessor(size={"shortest_edge": 32}).save_pretrained(folder)
    elif kind == "wav2vec2":
        convolutions = {"conv_dim": [16, 16], "conv_stride": [10, 8], "conv_kernel": [20, 16], "num_conv_pos_embeddings": 16}
        config = t.Wav2Vec2Config(**SMALL, **convolutions, num_conv_pos_embedding_groups=4)
        t.Wav2Vec2Model(config).save_pretrained(folder)
        t.Wav2Vec2FeatureExtractor(sampling_rate=16_000).save_pretrained(folder)
    else:
        t.ASTModel(t.ASTConfig(**SMALL, max_length=64, num_mel_bins=32)).save_pretrained(folder)
        t.ASTFeatureExtractor(num_mel_bins=32, max_length=64).save_pretrained(folder)


@needs_transformers
@pytest.mark.parametrize(("kind", "dim"), [("dinov2", 32), ("clip", 24), ("siglip", 32), ("resnet", 12)])
def test_transformers_image_models_of_a_folder(kind: str, dim: int, tmp_path: Path) -> None:
    save_transformers_model(kind, tmp_path)
    for name in (f"transformers:{tmp_path}", str(tmp_path)):
        check_images(encoder_by_name(name), dim)


@needs_transformers
@pytest.mark.parametrize("kind", ["wav2vec2", "ast"])
def test_transformers_audio_models_of_a_folder(kind: str, tmp_path: Path) -> None:
    save_transformers_model(kind, tmp_path)
    encoder = encoder_by_name(str(tmp_path))
    assert encoder.modality == "audio"
    random = np.random.default_rng(0)
    lengths = (8000, 20_000, 8000, 30)
    clips = [Clip(random.normal(0, 0.1, length).astype(np.float32), 16_000) for length in lengths]
    prepared = [encoder.prepare(clip) for clip in clips]
    rows = encoder.encode(prepared)
    assert rows.shape == (4, 32)
    assert np.isfinite(rows).all()
    alone = np.concatenate([encoder.encode([one]) for one in prepared])
    assert np.allclose(rows, alone, atol=1e-5)
    fast = Clip(np.repeat(clips[1].samples, 2), 32_000)
    assert encoder.prepare(fast).shape == prepared[1].shape


@needs_transformers
def test_transformers_mistakes_are_answered(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"hf download nobody/no-such-model.*without weights work"):
        encoder_by_name("transformers:nobody/no-such-model")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(DataError, match="neither images nor audio"):
        encoder_by_name(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "dinov2"}')
    with pytest.raises(DataError, match="cannot be read"):
        encoder_by_name(str(tmp_path))


@needs_sentences
def test_sentence_transformers_of_a_folder(tmp_path: Path) -> None:
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "turn", "the", "lights", "off", "on", "weather", "please"]
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "vocab.txt").write_text("\n".join(words))
    transformers.BertModel(transformers.BertConfig(**SMALL, vocab_size=len(words))).save_pretrained(plain)
    transformers.BertTokenizer(str(plain / "vocab.txt")).save_pretrained(plain)
    network = Transformer(str(plain), max_seq_length=32)
    SentenceTransformer(modules=[network, Pooling(32)], device="cpu").save(str(tmp_path / "model"))
    encoder = encoder_by_name(str(tmp_path / "model"))
    texts = ["turn the lights off", "please", "the weather", "turn " * 100]
    rows = encoder.encode([encoder.prepare(text) for text in texts])
    assert encoder.modality == "text"
    assert rows.shape == (4, encoder.dim) == (4, 32)
    assert np.allclose(rows[1], encoder.encode(texts[1:2])[0], atol=1e-5)
    assert encoder.encode([]).shape == (0, 32)
    assert encoder.key == encoder_by_name(f"sentence-transformers:{tmp_path / 'model'}").key
    with pytest.raises(DataError, match="hf download sentence-transformers/no-such-model"):
        encoder_by_name("sentence-transformers:no-such-model")
