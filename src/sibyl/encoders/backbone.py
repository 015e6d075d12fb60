"""A backbone that Sibyl trained as an encoder of any image; the one that ships works without
network and without further libraries.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from sibyl.backbones.augment import augment
from sibyl.backbones.checkpoint import load_backbone
from sibyl.encoders.encoder import Encoder, Rows
from sibyl.encoders.image_preprocessing import ImagePreprocessing
from sibyl.seeding import generator_for
from sibyl.storage import content_key, sha256


class BackboneEncoder(Encoder[Image.Image, npt.NDArray[np.uint8]]):
    """A file of ``sibyl pretrain``; images are resized so that the short side fits, and their
    centre is taken.

    Parameters
    ----------
    path : path
        The backbone's safetensors file. A backbone that was trained on grey images sees every image
        in grey.
    mirror : bool
        Rows are the mean over the image and its mirror image, at twice the time.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged or no backbone.
    """

    splits = True

    def __init__(self, path: str | Path, *, mirror: bool = False) -> None:
        self.path = Path(path)
        self._backbone = load_backbone(self.path)
        self.name, self.dim = self.path.stem, self._backbone.dim
        self._is_grey = len(self._backbone.mean) == 1
        self._mirror = mirror
        side = self._backbone.image_size
        # Channel statistics are applied by the backbone itself.
        self._preprocessing = ImagePreprocessing(side, side, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        self.enough_pixels = 2 * side  # from there on, resizing is as smooth as from the whole image
        self._checksum = sha256(self.path)[:16]
        mirrored = ["mirror"] if mirror else []  # rows made before there was a choice keep their key
        self.key = content_key(["backbone 1", self._checksum, self._preprocessing.settings, *mirrored])

    @property
    def description(self) -> dict[str, Any]:
        """File, checksum, architecture and image size."""
        return {
            "kind": "backbone",
            "name": self.name,
            "checksum": self._checksum,
            "dim": self.dim,
            "architecture": self._backbone.name,
            "preprocessing": {
                "input_size": self._backbone.image_size,
                "mean": self._backbone.mean,
                "std": self._backbone.std,
                "mirror": self._mirror,
            },
            "preprocessing_from": "the checkpoint",
        }

    def prepare(self, item: Image.Image) -> npt.NDArray[np.uint8]:
        """Resize and cut an RGB image: uint8 [side, side, channel]."""
        if self._is_grey:
            return self._preprocessing.cut(item.convert("L"))[..., None]
        return self._preprocessing.cut(item)

    def encode(self, batch: Sequence[npt.NDArray[np.uint8]]) -> Rows:
        """Run the backbone on prepared images: float32 [image, dim]."""
        if not batch:
            return np.zeros((0, self.dim), np.float32)
        pixels = np.stack(batch)
        rows = self._backbone.encode(pixels)
        if self._mirror:
            rows = (rows + self._backbone.encode(pixels[:, :, ::-1])) / np.float32(2)
        return rows

    def views(
        self, images: npt.NDArray[np.uint8], *, n_views: int, jitter: float, seed: int, first: int
    ) -> npt.NDArray[np.float16]:
        """Return the rows of augmented versions of prepared images.

        Parameters
        ----------
        images : uint8 array [item, side, side, channel]
            Of `prepare`.
        n_views : int
            Versions of each image: shifted, every second one mirrored, colours jittered.
        jitter : float
            Strength of the colour jitter.
        seed, first : int
            Name the random numbers: those of an item depend on `seed` and its place, and `first` is
            the place of the first one.

        Returns
        -------
        float16 array [item, view, dim]
        """
        side = self._backbone.image_size
        pad = max(1, side // 8 if side <= 40 else side // 10)
        drawn = torch.cat(
            [
                augment(
                    torch.from_numpy(image).expand(n_views, -1, -1, -1),
                    generator_for(seed, 3, first + place),
                    pad=pad,
                    jitter=jitter,
                )
                for place, image in enumerate(images)
            ]
        )
        rows: npt.NDArray[np.float16] = self._backbone.features(drawn).half().numpy()
        return rows.reshape(len(images), n_views, self.dim)
