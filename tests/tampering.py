"""A saved file that was changed by somebody who knows the format: its checksums fit, its content does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sibyl.tensors import load_tensors, save_tensors

Parts = dict[str, Any]


def parts_of(path: Path) -> tuple[dict[str, Tensor], Parts]:
    """Return the tensors of a file, and its JSON, with that of the task under ``task``."""
    tensors, header = load_tensors(path)
    if "task" in tensors:
        header["task"] = json.loads(tensors.pop("task").numpy().tobytes())
    return {name: tensor.clone() for name, tensor in tensors.items()}, header


def write_parts(path: Path, tensors: dict[str, Tensor], header: Parts) -> None:
    """Undo `parts_of`."""
    header = dict(header)
    if "task" in header:
        text = json.dumps(header.pop("task")).encode()
        tensors = tensors | {"task": torch.frombuffer(bytearray(text), dtype=torch.uint8)}
    save_tensors(path, tensors, header)


def tamper(path: Path, change: Callable[[dict[str, Tensor], Parts], None]) -> None:
    """Change a file in place."""
    tensors, header = parts_of(path)
    change(tensors, header)
    write_parts(path, tensors, header)
