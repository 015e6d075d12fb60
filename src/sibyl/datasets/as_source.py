"""A named benchmark as a Source, for encoders of any library."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from sibyl.datasets.images import ImageSet
from sibyl.datasets.texts import TextSet
from sibyl.sources.item import Item
from sibyl.sources.source import Source
from sibyl.sources.texts import READER, decode_text


@dataclass(frozen=True)
class _PixelItem(Item):
    """An image that lies in an array; its bytes are copied only when it is read."""

    pixels: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0, 0, 0), np.uint8), compare=False, repr=False)
    row: int = 0

    def read(self) -> bytes:
        """Return the pixels."""
        return bytes(self.pixels[self.row].tobytes())


def source_of(dataset: ImageSet | TextSet, name: str) -> Source:
    """Return the items of a dataset with their labels; `name` stands for the root."""
    labels = {
        item: dataset.class_names[label] for item, label in zip(dataset.ids, dataset.labels.tolist(), strict=True) if label >= 0
    }
    root = Path(name)
    if isinstance(dataset, TextSet):
        texts = tuple(Item(item, root, text.encode()) for item, text in zip(dataset.ids, dataset.texts, strict=True))
        return Source("text", root, texts, labels=labels, decode=decode_text, decoder=READER)
    shape = dataset.pixels.shape[1:]

    def decode(content: bytes, min_side: int | None = None) -> Image.Image:
        pixels = np.frombuffer(content, np.uint8).reshape(shape)
        return Image.fromarray(pixels.squeeze(2) if shape[2] == 1 else pixels).convert("RGB")

    images = tuple(_PixelItem(item, root, None, dataset.pixels, row) for row, item in enumerate(dataset.ids))
    return Source("image", root, images, labels=labels, decode=decode, decoder=f"pixels {list(shape)} 1")
