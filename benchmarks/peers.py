"""What a comparison with peers needs: episodes that need no download, one peer task at a time, and where a result came from.

Needs the extra `peers`: pip install '.[peers]' in a checkout.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.tasks import Episode, Task

ROOT = Path(__file__).resolve().parents[1]


def easyfsl_methods() -> Any:
    """Import easyfsl.methods, which imports torchvision.

    torchvision's wheel is linked to CUDA and fails to import beside torch for the CPU, for want of two operators that nobody here
    calls: declare them then, and only then.
    """
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        easyfsl_methods.kept = library  # type: ignore[attr-defined]  # the operators go when the library object does
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
    import easyfsl.methods

    return easyfsl.methods


def clusters(n_tasks: int, n_shot: int, dim: int = 640, seed: int = 0) -> Episode:
    """5-way tasks of 15 queries per class like the features of a wide residual network: non-negative, unit length, overlapping classes."""
    draw = torch.Generator().manual_seed(seed)
    centre = torch.randn(n_tasks, 5, dim, generator=draw)
    support_y = torch.arange(5).repeat_interleave(n_shot).expand(n_tasks, -1)
    query_y = torch.arange(5).repeat_interleave(15).expand(n_tasks, -1)

    def items(y: Tensor) -> Tensor:
        at = centre.gather(1, y[..., None].expand(-1, -1, dim))
        return normalize(torch.relu(0.22 * at + torch.randn(*y.shape, dim, generator=draw)), dim=-1)

    return Episode(Task(items(support_y), support_y, items(query_y), 5), query_y)


def solve_with_peer(classifier: Any, task: Task, row: int) -> Tensor:
    """Run EasyFSL's two-call protocol on one task of a batch."""
    classifier.process_support_set(task.support_x[row], task.support_y[row])
    scores: Tensor = classifier(task.query_x[row])
    return scores.detach()


def provenance() -> dict[str, str]:
    """Versions, commit and machine."""
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    found = {"commit": said or "unknown", "python": platform.python_version(), "processor": platform.machine()}
    for package in ("torch", "easyfsl", "scikit-learn", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found
