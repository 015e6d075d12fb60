"""TextSet: labelled texts, the sibling of ImageSet."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sibyl.errors import DataError
from sibyl.messages import counted


@dataclass(frozen=True, eq=False)
class TextSet:
    """Labelled texts.

    Parameters
    ----------
    texts : tuple of str
        One per item.
    labels : int64 array [item]
        Index into `class_names`; −1 where the text belongs to none.
    class_names : tuple of str
        Names of the classes; a name stands once.
    ids : tuple of str
        One name per item, unique.
    """

    texts: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    ids: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.texts)
        if len(self.labels) != n or len(self.ids) != n:
            raise DataError(
                f"the three must be equally long, got {counted(n, 'text')}, {counted(len(self.labels), 'label')} and {counted(len(self.ids), 'id')}"
            )
        if n and not -1 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.class_names):
            raise DataError(f"labels must lie in -1 … {len(self.class_names) - 1}, got {self.labels.min()} … {self.labels.max()}")

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: npt.NDArray[np.int64]) -> TextSet:
        """Return the texts of `rows`, class names unchanged."""
        return replace(
            self,
            texts=tuple(self.texts[row] for row in rows),
            labels=self.labels[rows],
            ids=tuple(self.ids[row] for row in rows),
        )
