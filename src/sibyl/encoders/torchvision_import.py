"""Import torchvision, where it is installed, also beside a torch without CUDA.

The usual wheel of torchvision is linked against CUDA. Beside a torch for the processor alone its
compiled operators are missing, and the import fails because two of them, which no encoder needs,
are not declared; a broken torchvision takes transformers down with it. So after that very error,
and only then, the two are declared and the import is tried once more.
"""

from __future__ import annotations

import sys
import warnings
from importlib.util import find_spec
from typing import Any

import torch

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def import_torchvision() -> Any | None:
    """Return the module, or None if it is not installed."""
    if find_spec("torchvision") is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of image files that torchvision itself cannot read: Pillow does that here
        try:
            import torchvision
        except RuntimeError as error:
            if "operator torchvision::nms does not exist" not in str(error):
                raise
            for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
                del sys.modules[name]
            for operator in ("nms", "qnms"):
                torch.library.define(f"torchvision::{operator}", _SCHEMA)
            import torchvision
    return torchvision
