"""A trained backbone on disk: one file, which is checked when it is read."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn

from sibyl.backbones import BACKBONES, build_backbone
from sibyl.backbones.trained import TrainedBackbone
from sibyl.errors import CheckpointError
from sibyl.schemas import Header, Name, Number, Size, checked, filled
from sibyl.storage import Json
from sibyl.tensors import load_tensors, save_tensors

FORMAT = "sibyl-backbone"
SHIPPED = Path(__file__).parents[1] / "weights"


def shipped_names() -> list[str]:
    """Return the names of the encoders that ship with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.safetensors") if "-sib-" not in path.stem)


class _Header(Header):
    format: Literal["sibyl-backbone"]
    backbone: Name
    image_size: Annotated[int, Field(ge=1, le=512)]
    dim: Size
    mean: Annotated[list[Number], Field(min_length=1, max_length=3)]
    std: Annotated[list[Number], Field(min_length=1, max_length=3)]
    card: Json


def save_backbone(path: str | Path, backbone: TrainedBackbone, *, half: bool = False) -> None:
    """Write a trained backbone to one safetensors file; `half` stores float16, which loads as float32."""
    tensors = backbone.module.state_dict()
    if half:
        tensors = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    metadata = {
        "format": FORMAT, "backbone": backbone.name, "image_size": backbone.image_size, "dim": backbone.dim,
        "mean": backbone.mean, "std": backbone.std, "card": backbone.card,
    }  # fmt: skip
    save_tensors(path, tensors, metadata)


def load_backbone(path: str | Path) -> TrainedBackbone:
    """Read what `save_backbone` wrote, in evaluation mode.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, of another kind, or does not fit its own description.
    """
    tensors, metadata = load_tensors(path)
    header = checked(_Header, metadata, path, "a trained backbone")
    if header.backbone not in BACKBONES or len(header.mean) != len(header.std) or min(header.std) <= 0:
        raise CheckpointError(f"{path}: its description is garbled, or of a newer version of sibyl; fetch it again")
    size, mean, std = header.image_size, tuple(header.mean), tuple(header.std)
    build = partial(build_backbone, header.backbone, size, len(mean))
    floats = {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in tensors.items()}
    module = filled(build, floats, path)
    if _dim(module, size, len(mean)) != header.dim:
        raise CheckpointError(f"{path}: says that it gives {header.dim} columns, which {header.backbone} does not; fetch it again")
    module = module.to(memory_format=torch.channels_last)
    return TrainedBackbone(module, header.backbone, size, header.dim, mean, std, header.card)


@torch.no_grad()
def _dim(module: nn.Module, size: int, n_channels: int) -> int | None:
    """Return the columns that a backbone gives; None if the image is too small for it."""
    try:
        return int(module(torch.zeros(1, n_channels, size, size)).shape[1])
    except RuntimeError:
        return None
