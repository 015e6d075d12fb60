"""A trained backbone: weights, the image size and channel statistics it was trained with, and how it was trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sibyl.storage import Json


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
