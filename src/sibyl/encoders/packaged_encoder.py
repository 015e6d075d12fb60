"""PackagedEncoder: a frozen network from a small package, run one item at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sibyl.encoders.encoder import Encoder, Rows
from sibyl.encoders.packaged import PackagedFile
from sibyl.storage import Json, content_key

Network = Callable[[Any], Rows]
"""One raw item → its row [dim]; may be called from several threads at once."""


@dataclass(eq=False)
class PackagedEncoder(Encoder[Any, Rows]):
    """A network whose weights come from a package.

    All the work is done in `prepare`, which runs in threads; the network is loaded when the first
    item needs it, so that a run on cached features does not wait for it.

    Parameters
    ----------
    name, modality, dim
        See `Encoder`.
    files : tuple of PackagedFile
        The weights.
    settings : mapping
        The preprocessing; part of the cache's key.
    load : callable
        Builds the network.
    enough_pixels : int, optional
        See `Encoder`.
    """

    name: str
    modality: str = field()  # unlike the base's, without a default
    dim: int
    files: tuple[PackagedFile, ...]
    settings: Json
    load: Callable[[], Network]
    enough_pixels: int | None = None
    _loaded: list[Network] = field(default_factory=list, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self.key = content_key([self.name, 1, [file.checksum for file in self.files], self.settings])

    @property
    def description(self) -> dict[str, Any]:
        """Name, packages, checksums, dimension and preprocessing."""
        return {
            "kind": "package",
            "name": self.name,
            "packages": [file.distribution for file in self.files],
            "checksum": content_key([file.checksum for file in self.files]),
            "dim": self.dim,
            "preprocessing": self.settings,
            "preprocessing_from": "the settings that the network was trained with",
        }

    def prepare(self, item: Any) -> Rows:
        """Return the item's row: float32 [dim]."""
        with self._lock:
            if not self._loaded:
                self._loaded.append(self.load())
        return self._loaded[0](item)

    def encode(self, batch: Sequence[Rows]) -> Rows:
        """Stack rows: float32 [item, dim]."""
        return np.stack(batch) if batch else np.zeros((0, self.dim), np.float32)
