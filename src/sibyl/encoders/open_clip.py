"""Image models of OpenCLIP."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from sibyl.encoders.frozen_network import FrozenNetworkEncoder, image_network_encoder
from sibyl.encoders.torchvision_import import import_torchvision
from sibyl.encoders.weights import LOADING_FAILS, missing_weights
from sibyl.errors import DataError, MissingExtra, UnknownName


def open_clip_encoder(model: str) -> FrozenNetworkEncoder:
    """Build an image encoder: the image half of a CLIP model, its output before the comparison with
    texts.

    Parameters
    ----------
    model : str
        ``ARCHITECTURE@WEIGHTS`` with a pair of ``open_clip.list_pretrained()``, such as
        ``ViT-B-32@laion2b_s34b_b79k``, or a file of weights in safetensors after the ``@``; or
        ``hf-hub:OWNER/NAME`` for a model on the hub. The preprocessing is the one that OpenCLIP
        keeps with the model.

    Raises
    ------
    MissingExtra
        If open_clip is not installed.
    UnknownName
        If OpenCLIP has no such architecture or weights.
    DataError
        If the weights are missing, or not a safetensors file.
    """
    library = _library(model)
    architecture, at, weights = model.partition("@")
    if not architecture.startswith("hf-hub:"):
        _check_names(library, architecture, weights if at else "")
    try:
        with torch.random.fork_rng(devices=[]):
            network, _, transform = library.create_model_and_transforms(architecture, pretrained=weights or None)
    except LOADING_FAILS as error:
        raise missing_weights(f"open_clip:{model}", f"python -c \"import open_clip; open_clip.create_model('{architecture}', pretrained='{weights}')\"", error) from None  # fmt: skip
    side, width = _sides(network.visual.image_size)
    settings = {"settings": " ".join(repr(transform).split())}
    return image_network_encoder("open_clip", model, network.visual, transform, (side, width), settings, 2 * side)


def _library(model: str) -> Any:
    if find_spec("open_clip") is None or import_torchvision() is None:
        raise MissingExtra("open_clip", "open_clip", f"the encoder open_clip:{model}")
    import open_clip

    return open_clip


def _check_names(library: Any, architecture: str, weights: str) -> None:
    known = library.list_models()
    if architecture not in known:
        raise UnknownName("OpenCLIP architecture", architecture, known)
    if not weights:
        tags = ", ".join(library.list_pretrained_tags_by_model(architecture)) or "a file of your own"
        raise DataError(
            f"open_clip:{architecture}: name its weights after an @, as in open_clip:{architecture}@WEIGHTS; known: {tags}"
        )
    if Path(weights).suffix == ".safetensors":
        if not Path(weights).is_file():
            raise DataError(f"{weights}: no such file; expected weights of {architecture} in safetensors")
    elif weights not in library.list_pretrained_tags_by_model(architecture):
        raise UnknownName(f"weights of {architecture}", weights, library.list_pretrained_tags_by_model(architecture))


def _sides(size: Any) -> tuple[int, int]:
    return (int(size[0]), int(size[1])) if isinstance(size, tuple | list) else (int(size), int(size))
