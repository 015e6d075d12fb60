"""Fitted: what was learned from a first pile of items to turn them into rows, kept so that later items become rows alike."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sibyl.storage import Json, content_key


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a preparation learned, in a form that a file can hold.

    Parameters
    ----------
    kind : str
        Whose it is: ``table``, or the name of an encoder.
    settings : mapping
        What JSON can hold.
    arrays : mapping of str to array
        The rest.
    """

    kind: str
    settings: Json
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Checksum of all of it: equal keys mean equal rows."""
        digest = hashlib.sha256()
        for name in sorted(self.arrays):
            array = np.ascontiguousarray(self.arrays[name])
            digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
            digest.update(array.tobytes())
        return content_key([self.kind, self.settings, digest.hexdigest()])
