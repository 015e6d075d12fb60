"""A trained backbone on disk: weights, the image size and channel statistics it was trained with, and how it was trained."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from sibyl.backbones import BACKBONES, build_backbone
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


@dataclass(frozen=True, eq=False)
class TrainedBackbone:
    """A backbone with what it needs to be applied.

    Parameters
    ----------
    module : torch module
        Standardised pixels [item, channel, height, width] → features [item, dim].
    name : str
        Of `sibyl.backbones.BACKBONES`.
    image_size, dim : int
        Height and width in pixels; columns of the features.
    mean, std : tuple of float
        Per channel, on the scale 0 … 1.
    card : mapping
        Training classes, recipe, scores.
    """

    module: nn.Module
    name: str
    image_size: int
    dim: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    card: Json

    def standardise(self, pixels: Float[Tensor, "item channel height width"]) -> Float[Tensor, "item channel height width"]:
        """Shift and scale pixels in 0 … 1 by the training set's channel statistics."""
        centre, spread = torch.tensor(self.mean)[:, None, None], torch.tensor(self.std)[:, None, None]
        return (pixels - centre.to(pixels)) / spread.to(pixels)

    @torch.no_grad()
    def features(self, pixels: Float[Tensor, "item channel height width"]) -> Float[Tensor, "item dim"]:
        """Return the features of pixels in 0 … 1, in evaluation mode."""
        return self.module(self.standardise(pixels).contiguous(memory_format=torch.channels_last))  # type: ignore[no-any-return]

    def encode(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the features [item, dim] of uint8 images [item, height, width, channel]."""
        # Copied, because memory-mapped pixels are read-only, which torch does not know.
        pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 255
        return self.features(pixels.to(next(self.module.parameters()).device)).cpu().numpy()


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
