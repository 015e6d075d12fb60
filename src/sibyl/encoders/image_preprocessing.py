"""ImagePreprocessing: how an image becomes the input of a network, and the JSON beside a model that
says so.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sibyl.errors import DataError, UnknownName
from sibyl.sources.centre_cut import centre_cut
from sibyl.storage import read_json

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}


@dataclass(frozen=True)
class ImagePreprocessing:
    """Resize the short side, cut out the centre, normalise each channel: the usual preprocessing of
    networks trained on ImageNet.

    ``input = (pixel / 255 − mean) / std`` for RGB pixels 0 … 255. The field names are the keys of
    the JSON beside a model; keys that are left out keep these defaults.

    Parameters
    ----------
    input_size : int
        Side of the square that the network sees, in pixels.
    resize : int
        Length of the short side before the centre is cut out; 0 stands for ``input_size · 256 /
        224``.
    mean, std : tuple of three floats
        Of the RGB channels, on the scale 0 … 1.
    interpolation : str
        ``bilinear``, ``bicubic`` or ``lanczos``.

    Raises
    ------
    DataError
        If a value is out of range.
    """

    input_size: int = 224
    resize: int = 0
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        if self.resize == 0:
            object.__setattr__(self, "resize", round(self.input_size * 256 / 224))
        if not 1 <= self.input_size <= self.resize <= 8192:
            raise DataError(f"preprocessing needs 1 ≤ input_size ≤ resize ≤ 8192, got {self.input_size} and {self.resize}")
        if self.interpolation not in _FILTERS:
            raise UnknownName("interpolation", self.interpolation, _FILTERS)
        if min(self.std) <= 0:
            raise DataError(f"std must be above 0 for each channel, got {list(self.std)}")

    @classmethod
    def read(cls, path: str | Path, input_size: int = 224) -> ImagePreprocessing:
        """Read the JSON beside a model.

        Parameters
        ----------
        path : path
            A JSON object with keys named like the fields of this class.
        input_size : int
            Used where the file does not give one.

        Raises
        ------
        DataError
            If the file is not JSON, has a key that does not exist, or a value of the wrong kind.
        """
        given = read_json(path)
        known = {field.name for field in fields(cls)}
        for key in given:
            if key not in known:
                raise DataError(f"{path}: {UnknownName('preprocessing key', key, known)}")
        values: dict[str, Any] = {"input_size": input_size}
        for key, value in given.items():
            if key in ("mean", "std"):
                if not (isinstance(value, list) and len(value) == 3 and all(_is_number(part) for part in value)):
                    raise DataError(f"{path}: {key} must be three numbers, one for each of red, green and blue, got {value!r}")
                values[key] = tuple(float(part) for part in value)
            elif key == "interpolation":
                values[key] = str(value)
            elif isinstance(value, int) and not isinstance(value, bool):
                values[key] = value
            else:
                raise DataError(f"{path}: {key} must be a whole number of pixels, got {value!r}")
        try:
            return cls(**values)
        except (DataError, UnknownName) as error:
            raise DataError(f"{path}: {error}") from None

    @property
    def settings(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self) | {"mean": list(self.mean), "std": list(self.std)}

    def cut(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """Resize the short side of an RGB image and cut out the centre: uint8 [input_size,
        input_size, 3].
        """
        return np.asarray(centre_cut(image, self.input_size, self.resize, _FILTERS[self.interpolation]))

    def normalise(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Turn uint8 [item, side, side, 3] into the network's input, float32 [item, 3, side, side]."""
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        scaled: npt.NDArray[np.float32] = (pixels.astype(np.float32) / np.float32(255) - mean) / std
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
