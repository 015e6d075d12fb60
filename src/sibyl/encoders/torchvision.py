"""Image models of torchvision, without their last layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from sibyl.encoders.frozen_network import FrozenNetworkEncoder, image_network_encoder
from sibyl.encoders.torchvision_import import import_torchvision
from sibyl.encoders.weights import missing_weights
from sibyl.errors import DataError, MissingExtra, UnknownName, reason_of

_HEADS = ("fc", "classifier", "heads", "head")


def torchvision_encoder(model: str) -> FrozenNetworkEncoder:
    """Build an image encoder.

    The features are what enters the last linear layer; where the head has none (SqueezeNet), the
    mean over the last map.

    Parameters
    ----------
    model : str
        A classifier of torchvision, such as ``resnet50``, with its default weights and their
        preprocessing; or ``name@path`` with weights of one's own, a safetensors file of the model's
        state.

    Raises
    ------
    MissingExtra
        If torchvision is not installed.
    UnknownName
        If torchvision has no such model.
    DataError
        If the weights are missing, or belong to another model.
    """
    torchvision = import_torchvision()
    if torchvision is None:
        raise MissingExtra("torchvision", "torchvision", f"the encoder torchvision:{model}")
    name, _, path = model.partition("@")
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise UnknownName("torchvision model", name, known)
    default = torchvision.models.get_model_weights(name).DEFAULT
    try:
        network = torchvision.models.get_model(name, weights=None if path else default)
    except OSError as error:  # torch.hub passes on what the network says
        raise missing_weights(
            f"torchvision:{model}", f"fetch {default.url} into {torch.hub.get_dir()}/checkpoints", error
        ) from None
    if path:
        _load(network, Path(path), name)
    _cut_head(network, model)
    transform = default.transforms()
    side = int(transform.crop_size[0])
    settings = {"settings": " ".join(repr(transform).split())}
    return image_network_encoder(
        "torchvision", model, network, transform, (side, side), settings, 2 * int(transform.resize_size[0])
    )


def _load(network: nn.Module, path: Path, name: str) -> None:
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be read as weights in safetensors ({reason_of(error, 120)})") from None
    except RuntimeError as error:
        raise DataError(f"{path}: are not the weights of {name} ({reason_of(error)})") from None


def _cut_head(network: nn.Module, model: str) -> None:
    head = next((name for name in reversed([name for name, _ in network.named_children()]) if name in _HEADS), None)
    if head is None:
        raise DataError(f"torchvision:{model}: has no classifier to be cut off; choose a model of torchvision for classification")
    linear = [
        name for name, module in network.named_modules() if isinstance(module, nn.Linear) and f"{name}.".startswith(f"{head}.")
    ]
    if not linear:
        setattr(network, head, nn.AdaptiveAvgPool2d(1))
        return
    place, _, last = linear[-1].rpartition(".")
    owner: Any = network.get_submodule(place)
    setattr(owner, last, nn.Identity())
