"""Image and audio models of transformers: DINOv2, CLIP, SigLIP, ViT; wav2vec2, HuBERT, WavLM, AST,
CLAP and their kin.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from sibyl.encoders.frozen_network import FrozenNetworkEncoder, TorchNetwork
from sibyl.encoders.torchvision_import import import_torchvision
from sibyl.encoders.weights import LOADING_FAILS, cached_weights, missing_weights
from sibyl.errors import DataError, MissingExtra
from sibyl.sources.audio import Clip

MAX_SECONDS = 30
"""What audio models read of a clip: memory grows with the square of the length."""
_SHORTEST = 1600  # samples; shorter clips leave the first layers of wav2vec2 without output


def transformers_encoder(model: str) -> FrozenNetworkEncoder:
    """Build an encoder of images or of audio, whichever the model reads.

    Features are the projected image or audio embedding of two-tower models (CLIP, SigLIP, CLAP),
    the class token where there is one (DINOv2, ViT, AST), and otherwise the pooled output or the
    mean over the last layer (wav2vec2).

    Parameters
    ----------
    model : str
        Name on the hub, such as ``facebook/dinov2-small``, or a folder that `save_pretrained`
        wrote.

    Raises
    ------
    MissingExtra
        If transformers is not installed.
    DataError
        If the weights are missing, or the model reads neither images nor audio.
    """
    if find_spec("transformers") is None:
        raise MissingExtra("transformers", "transformers", f"the encoder transformers:{model}")
    import_torchvision()  # transformers imports it too, if it is there
    from transformers import AutoConfig, AutoFeatureExtractor, AutoImageProcessor, AutoModel
    from transformers.models.auto.feature_extraction_auto import FEATURE_EXTRACTOR_MAPPING_NAMES
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    is_here = Path(model).is_dir() or cached_weights(model) is not None
    from_here = {"local_files_only": is_here, "trust_remote_code": False}  # left out, the library asks on the terminal
    try:
        with quiet_transformers():
            kind = AutoConfig.from_pretrained(model, **from_here).model_type
            is_audio = kind in FEATURE_EXTRACTOR_MAPPING_NAMES
            if not is_audio and kind not in IMAGE_PROCESSOR_MAPPING_NAMES:
                raise DataError(f"transformers:{model}: a model of kind {kind!r} reads neither images nor audio")
            network = AutoModel.from_pretrained(model, **from_here)
            if is_audio:
                processor = AutoFeatureExtractor.from_pretrained(model, **from_here)
            else:  # Pillow's arithmetic, whether torchvision is there or not
                processor = AutoImageProcessor.from_pretrained(model, backend="pil", **from_here)
    except LOADING_FAILS as error:
        raise missing_weights(f"transformers:{model}", f"hf download {model}", error) from None
    kept = {key: value for key, value in processor.to_dict().items() if isinstance(value, str | int | float | bool | list | dict)}
    if is_audio:
        return _audio(model, network, processor, kept)

    def prepare(image: Image.Image) -> npt.NDArray[np.float32]:
        return np.asarray(processor(images=image, return_tensors="np")["pixel_values"][0], np.float32)

    noise = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), np.uint8)
    probe = torch.from_numpy(np.stack([prepare(Image.fromarray(one)) for one in noise]))
    return FrozenNetworkEncoder(
        "transformers", model, "image", TorchNetwork(network, _image_rows, probe), prepare, kept, 2 * max(probe.shape[2:])
    )


def _audio(model: str, network: nn.Module, extractor: Any, kept: dict[str, Any]) -> FrozenNetworkEncoder:
    rate = int(extractor.sampling_rate)
    field = str(extractor.model_input_names[0])

    def prepare(clip: Clip) -> npt.NDArray[np.float32]:
        samples = clip.at(rate).samples[: MAX_SECONDS * rate]
        samples = np.pad(samples, (0, max(0, _SHORTEST - len(samples))))
        return np.asarray(extractor(samples, sampling_rate=rate, return_tensors="np")[field][0], np.float32)

    noise = np.random.default_rng(0).normal(0, 0.1, (2, rate)).astype(np.float32)
    probe = torch.from_numpy(np.stack([prepare(Clip(one, rate)) for one in noise]))

    def rows(module: Any, batch: Tensor) -> Tensor:
        if hasattr(module, "get_audio_features"):
            return _plain(module.get_audio_features(**{field: batch}))
        return _pooled(module, module(**{field: batch}))

    kept |= {"first_seconds": MAX_SECONDS}
    return FrozenNetworkEncoder("transformers", model, "audio", TorchNetwork(network, rows, probe), prepare, kept)


def _image_rows(module: Any, batch: Tensor) -> Tensor:
    if hasattr(module, "get_image_features"):
        return _plain(module.get_image_features(pixel_values=batch))
    return _pooled(module, module(pixel_values=batch))


def _plain(output: Any) -> Tensor:
    rows: Tensor = output if isinstance(output, Tensor) else output.pooler_output
    return rows.flatten(1)


def _pooled(module: nn.Module, output: Any) -> Tensor:
    last: Tensor = output.last_hidden_state
    has_class_token = any(name.endswith("cls_token") for name, _ in module.named_parameters())
    if last.ndim == 3 and has_class_token:  # a pooler on top may never have been trained
        return last[:, 0]
    pooled = getattr(output, "pooler_output", None)
    if isinstance(pooled, Tensor):
        return pooled.flatten(1)
    return last.mean(1) if last.ndim == 3 else last.flatten(2).mean(2)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the library's bars and remarks on heads that are left out; what goes wrong is raised."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
