"""ImageSet: labelled images in one uint8 array."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sibyl.errors import DataError
from sibyl.messages import counted


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled images of one size.

    Parameters
    ----------
    pixels : uint8 array [item, height, width, channel]
        Channels are RGB (3) or grey (1).
    labels : int64 array [item]
        Index into `class_names`.
    class_names : tuple of str
        Names of the classes; a name stands once.
    ids : tuple of str
        One name per item, unique, for example a relative path.
    """

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    ids: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.pixels)
        if self.pixels.ndim != 4 or self.pixels.dtype != np.uint8:
            raise DataError(
                f"expected pixels as uint8 [item, height, width, channel], got {self.pixels.dtype} {list(self.pixels.shape)}"
            )
        if len(self.labels) != n or len(self.ids) != n:
            raise DataError(
                f"the three must be equally long, got {counted(n, 'image')}, {counted(len(self.labels), 'label')} and {counted(len(self.ids), 'id')}"
            )

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, rows: npt.NDArray[np.int64]) -> ImageSet:
        """Return the images of `rows`, class names unchanged."""
        return replace(self, pixels=self.pixels[rows], labels=self.labels[rows], ids=tuple(self.ids[row] for row in rows))

    def of_classes(self, names: tuple[str, ...]) -> ImageSet:
        """Return the images of the named classes, labels renumbered in the order of `names`."""
        missing = [name for name in names if name not in self.class_names]
        if missing:
            raise DataError(f"no class {missing[0]!r} among these images; they hold {', '.join(self.class_names[:8])} …")
        number = np.full(len(self.class_names), -1, np.int64)
        number[[self.class_names.index(name) for name in names]] = np.arange(len(names))
        part = self.take(np.flatnonzero(number[self.labels] >= 0))
        return replace(part, labels=number[part.labels], class_names=names)
