"""Image models of timm, without their classifier."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sibyl.encoders.frozen_network import FrozenNetworkEncoder, image_network_encoder
from sibyl.encoders.torchvision_import import import_torchvision
from sibyl.encoders.weights import LOADING_FAILS, cached_weights, missing_weights
from sibyl.errors import DataError, MissingExtra, UnknownName


def timm_encoder(model: str) -> FrozenNetworkEncoder:
    """Build an image encoder.

    Parameters
    ----------
    model : str
        A name of ``timm.list_pretrained()``, such as ``vit_small_patch14_dinov2.lvd142m``; or a
        folder that holds a model as timm saves it for the hub (config.json and weights). The
        preprocessing is the one that timm keeps with the model.

    Raises
    ------
    MissingExtra
        If timm is not installed.
    UnknownName
        If timm has no such model.
    DataError
        If the weights are missing.
    """
    timm = _library(model)
    folder = Path(model)
    settings: dict[str, Any] = {}
    if folder.is_dir():
        name = f"local-dir:{folder}"
        if not list(folder.glob("*.safetensors")):  # timm would unpickle what else is there, and unpickling can run code
            raise DataError(f"{folder}: holds no weights in safetensors; save the model with timm.models.save_for_hf")
    else:
        name, known = model, timm.list_pretrained()
        if name not in known and name not in timm.list_models(pretrained=True):
            raise UnknownName("timm model", name, known)
        cached = cached_weights(f"timm/{name}")
        if cached is not None and cached.suffix == ".safetensors":
            settings["pretrained_cfg_overlay"] = {"file": str(cached)}
    try:
        network = timm.create_model(name, pretrained=True, num_classes=0, **settings)
    except LOADING_FAILS as error:
        raise missing_weights(f"timm:{model}", f"hf download timm/{name}", error) from None
    data = timm.data.resolve_model_data_config(network)
    transform = timm.data.create_transform(**data, is_training=False)
    _, side, width = data["input_size"]

    kept = {key: list(value) if isinstance(value, tuple) else value for key, value in data.items()}
    pixels = 2 * round(min(side, width) / float(data.get("crop_pct") or 1))
    return image_network_encoder("timm", model, network, transform, (side, width), kept, pixels)


def _library(model: str) -> Any:
    if find_spec("timm") is None or import_torchvision() is None:
        raise MissingExtra("timm", "timm", f"the encoder timm:{model}")
    import timm
    import timm.data

    return timm
