"""The published training-time image transforms, for whole batches of tensors at once.

SIB's recipe: random crop after padding (4 pixels for 32 × 32, 8 for 80 × 80), colour jitter (brightness, contrast and saturation
each by a factor in [0.6, 1.4], in random order), horizontal flip. Random numbers come from the generator that is passed in.
"""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Float, UInt8
from torch import Generator, Tensor

Pixels = Float[Tensor, "item channel height width"]
_ORDERS = torch.tensor(list(itertools.permutations(range(3))))
_GREY_WEIGHTS = (0.299, 0.587, 0.114)


def _grey(pixels: Pixels) -> Float[Tensor, "item 1 height width"]:
    if pixels.shape[1] == 1:
        return pixels
    weights = pixels.new_tensor(_GREY_WEIGHTS)[:, None, None]
    return (pixels * weights).sum(1, keepdim=True)


def crop_and_flip(
    images: UInt8[Tensor, "item height width channel"], pad: int, generator: Generator, *, flip: bool = True
) -> Tensor:
    """Shift each image by up to `pad` pixels (zeros come in) and, with `flip`, mirror every second one; uint8 in, uint8 out."""
    n, height, width, _ = images.shape
    shift = torch.randint(0, 2 * pad + 1, (2, n), generator=generator)
    mirrored = (torch.rand(n, generator=generator) < 0.5) & flip
    padded = torch.nn.functional.pad(images, (0, 0, pad, pad, pad, pad))
    rows = shift[0][:, None] + torch.arange(height)
    columns = torch.arange(width).expand(n, width)
    columns = shift[1][:, None] + torch.where(mirrored[:, None], width - 1 - columns, columns)
    return padded[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]


def colour_jitter(pixels: Pixels, strength: float, generator: Generator) -> Pixels:
    """Scale brightness, contrast and saturation of pixels in [0, 1], each image by its own factors and in its own order."""
    n = len(pixels)
    factors = 1 + strength * (2 * torch.rand(n, 3, generator=generator) - 1)
    order = _ORDERS[torch.randint(0, len(_ORDERS), (n,), generator=generator)]
    for step in range(3):
        operation = order[:, step, None, None, None]
        factor = factors.gather(1, order[:, step, None])[:, :, None, None]
        grey = _grey(pixels)
        # Brightness blends with black, contrast with the mean grey, saturation with the image's own grey.
        anchor = torch.where(operation == 1, grey.mean((2, 3), keepdim=True), grey) * (operation != 0)
        pixels = (factor * pixels + (1 - factor) * anchor).clamp(0, 1)
    return pixels


def augment(
    images: UInt8[Tensor, "item height width channel"], generator: Generator, *, pad: int, jitter: float = 0.4, flip: bool = True
) -> Pixels:
    """Apply the published training transform to a batch of uint8 images; returns pixels in [0, 1], channels first."""
    pixels = crop_and_flip(images, pad, generator, flip=flip).permute(0, 3, 1, 2).float() / 255
    return colour_jitter(pixels, jitter, generator) if jitter else pixels
