"""How the two processes talk: a line of JSON, and arrays as raw bytes behind it. No pickles."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]
HEAD = struct.Struct("<I")


def pack(message: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]] | None = None) -> bytes:
    """Put a message and its arrays into bytes that `unpack` takes apart again."""
    given = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items()}
    shapes = {name: [array.dtype.str, list(array.shape)] for name, array in given.items()}
    head = json.dumps({**message, "arrays": shapes}).encode()
    return b"".join([HEAD.pack(len(head)), head, *(array.tobytes() for array in given.values())])


def body_size(head: Mapping[str, Any]) -> int:
    """Return how many bytes of arrays follow a message's line of JSON."""
    return sum(np.dtype(kind).itemsize * math.prod(shape) for kind, shape in head["arrays"].values())


def unpack(head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], Arrays]:
    """Return a message and its arrays."""
    arrays: Arrays = {}
    start = 0
    for name, (kind, shape) in head.pop("arrays").items():
        dtype, number = np.dtype(kind), math.prod(shape)
        arrays[name] = np.frombuffer(body, dtype, number, start).reshape(shape)
        start += number * dtype.itemsize
    return head, arrays


def read(file: BinaryIO) -> tuple[dict[str, Any], Arrays] | None:
    """Read one message; None where the other side has gone."""
    size = file.read(HEAD.size)
    if len(size) < HEAD.size:
        return None
    head = json.loads(file.read(HEAD.unpack(size)[0]))
    return unpack(head, file.read(body_size(head)))
