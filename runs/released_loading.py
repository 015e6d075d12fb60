"""How a file that authors have released is run as it lies, what stands in for what it imports, and tasks as such solvers take them.

A released file is executed as it lies, but for the replacements that its caller names: calls that need a GPU, names that newer libraries
have dropped, and imports of what the solver does not use. A replacement that does not apply any more is an error, so that another
commit of a repository does not pass unnoticed.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sibyl.errors import UserError
from sibyl.tasks import Episode

Floats = npt.NDArray[np.float64]
NO_GPU = {".cuda()": ""}


def load(path: Path, replaced: Mapping[str, str] | None = None, **given: object) -> Any:
    """Run a released file as a module of its own, `replaced` in its text and the names `given` defined before it starts."""
    source = path.read_text(encoding="utf-8")
    for old, new in (replaced or {}).items():
        if old not in source:
            raise UserError(f"{path} does not hold {old!r}: it is not the commit that runs/released.py was written for")
        source = source.replace(old, new)
    module = ModuleType(path.stem)
    vars(module).update({"__file__": str(path), **given})
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(source, str(path), "exec"), vars(module))
    return module


class Silent:
    """Stands where a solver keeps a log or shows progress."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


def plain(steps: Sequence[object], **_: object) -> Sequence[object]:
    """Stands for tqdm: no bar."""
    return steps


@dataclass(frozen=True)
class Balanced:
    """Tasks of equal shots and balanced queries as plain tensors; the support lies class by class, the queries in any order."""

    support: Tensor
    query: Tensor
    query_y: Tensor
    way: int
    shot: int
    base_mean: npt.NDArray[np.float32] | None

    @classmethod
    def of(cls, episode: Episode, base_mean: npt.NDArray[np.float32] | None) -> Balanced:
        task = episode.task
        order = task.support_y.argsort(dim=1, stable=True)
        support = task.support_x.gather(1, order[..., None].expand_as(task.support_x))
        return cls(support, task.query_x, episode.query_y, task.n_way, support.shape[1] // task.n_way, base_mean)

    @property
    def interleaved(self) -> Tensor:
        """The support as many released solvers lay it: the first item of each class, then the second of each."""
        by_class: Tensor = self.support.unflatten(1, (self.way, self.shot))
        return by_class.transpose(1, 2).flatten(1, 2)

    @property
    def labels(self) -> Tensor:
        """Classes of `interleaved` and of the queries behind it."""
        return torch.cat([torch.arange(self.way).repeat(len(self.query), self.shot), self.query_y], 1)

    @property
    def support_y(self) -> Tensor:
        return torch.arange(self.way).repeat_interleave(self.shot).expand(len(self.query), -1)

    def right(self, predicted: Tensor) -> Floats:
        """Share of right answers of each task."""
        return (predicted == self.query_y).double().mean(1).numpy()


def powered(x: Tensor) -> Tensor:
    """The power transform of these repositories; where a feature is negative, its sign is kept, as the released iLPC does."""
    return torch.where(x < 0, -((x.abs() + 1e-6) ** 0.5), (x.clamp_min(0) + 1e-6) ** 0.5)


class ExactSearch:
    """Stands for faiss: the rows of largest inner product, searched exactly."""

    class GpuIndexFlatConfig: ...

    @staticmethod
    def StandardGpuResources() -> None: ...  # noqa: N802

    @staticmethod
    def normalize_L2(x: npt.NDArray[np.float32]) -> None:  # noqa: N802
        x /= np.linalg.norm(x, axis=1, keepdims=True)

    class GpuIndexFlatIP:
        def __init__(self, *_: object) -> None: ...

        def add(self, x: npt.NDArray[np.float32]) -> None:
            self.x, self.ntotal = x, len(x)

        def search(self, x: npt.NDArray[np.float32], k: int) -> tuple[Any, Any]:
            products = x @ self.x.T
            nearest = np.argsort(-products, axis=1, kind="stable")[:, :k]
            return np.take_along_axis(products, nearest, 1), nearest


class Ingredient:
    """Stands for sacred: hands the solver the released settings."""

    settings: ClassVar[dict[str, Any]] = {"temp": 15, "loss_weights": [0.1, 1.0, 0.1], "lr": 1e-4, "iter": 150, "alpha": 1.0}

    def __init__(self, _: str) -> None: ...

    def config(self, function: Callable[..., object]) -> Callable[..., object]:
        return function

    def capture(self, function: Callable[..., object]) -> Callable[..., object]:
        wanted = function.__code__.co_varnames[1 : function.__code__.co_argcount]

        def filled(self: object, **given: object) -> object:
            return function(self, **{name: given.get(name, Ingredient.settings.get(name)) for name in wanted})

        return filled
