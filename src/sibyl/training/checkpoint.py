"""The state of an interrupted training run in one file: networks, optimiser, schedule, counters."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from sibyl.errors import CheckpointError, reason_of
from sibyl.schemas import Header, Name, Scalar, check_finite, checked, is_alike
from sibyl.storage import Json
from sibyl.tensors import load_tensors, save_tensors


def save_run(
    path: str | Path, modules: dict[str, nn.Module], optimizer: Optimizer, scheduler: LRScheduler | None, progress: Json
) -> None:
    """Write everything that `load_run` needs to go on, whole or not at all."""
    tensors = {f"{name}/{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    numbers: dict[str, Any] = {}
    for index, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{index}/{key}"] = value
            else:
                numbers[f"{index}/{key}"] = value
    metadata = {
        "format": "sibyl-run",
        "progress": progress,
        "optimizer": numbers,
        "scheduler": scheduler.state_dict() if scheduler else None,
    }
    save_tensors(path, tensors, metadata)


class _Header(Header):
    format: Literal["sibyl-run"]
    progress: Json
    optimizer: dict[Name, Scalar]
    scheduler: Json | None


def load_run(
    path: str | Path, modules: dict[str, nn.Module], optimizer: Optimizer, scheduler: LRScheduler | None, progress: Json
) -> Json:
    """Restore what `save_run` wrote into the given objects; return its progress, which has the entries of `progress`.

    Raises
    ------
    CheckpointError
        If the file is damaged or was written by a run with other networks.
    """
    tensors, metadata = load_tensors(path)
    header = checked(_Header, metadata, path, "the state of a training run")
    check_finite(path, tensors)
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    states: dict[int, dict[str, Any]] = {}
    entries: list[tuple[str, Any]] = [
        (key.removeprefix("optimizer/"), t) for key, t in tensors.items() if key.startswith("optimizer/")
    ]
    for key, value in [*entries, *header.optimizer.items()]:
        index, stroke, entry = key.partition("/")
        fits = stroke and index.isdecimal() and len(index) < 10 and int(index) < len(parameters)
        if not fits or (isinstance(value, Tensor) and value.ndim and value.shape != parameters[int(index)].shape):
            raise CheckpointError(f"{path}: its optimiser state {key[:80]!r} does not fit; choose another --out")
        states.setdefault(int(index), {})[entry] = value
    wanted = scheduler.state_dict() if scheduler is not None else None
    if not is_alike(header.scheduler, wanted) or not all(
        is_alike(header.progress.get(name), one) for name, one in progress.items()
    ):
        raise CheckpointError(f"{path}: was written by a run with another schedule, or is damaged; choose another --out")
    for name, module in modules.items():
        own = {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}
        try:
            module.load_state_dict(own)
        except RuntimeError as error:
            reason = reason_of(error, 200, line=-1)
            raise CheckpointError(f"{path}: was written by a run with another {name} ({reason}); choose another --out") from None
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    if scheduler is not None and header.scheduler is not None:
        scheduler.load_state_dict(header.scheduler)
        for group, rate in zip(optimizer.param_groups, scheduler.get_last_lr(), strict=True):
            group["lr"] = rate
    return dict(header.progress)
