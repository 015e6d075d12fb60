"""What every script here leaves beside its figures: commit, versions, arguments; and the one interval of all pages.

A script measures, writes one record as JSON through `write_record`, and makes its page from that record alone.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sibyl.evaluation import interval
from sibyl.features import Features
from sibyl.methods import build_method
from sibyl.methods.method import Method
from sibyl.storage import Json, write_json

TRAINING_MEAN = "simple_shot with the mean of the training classes"  # noted in records where that is so
SIMPLE_SHOT = {
    "with": 54.0,
    "without": 48.8,
    "class mean": 54.3,
}  # CIFAR-FS validation classes, 1-shot; docs/log.md, no record holds them
ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"


def commit(folder: Path = ROOT) -> str:
    """Return the short name of the commit that a folder, by default this repository, is at, or "unknown"."""
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=folder, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def with_training_mean(name: str, train: Features) -> Method:
    """Return a method without training of its own; SimpleShot gets the mean of the training classes, as its paper has it."""
    settings = {"origin": tuple(np.asarray(train.matrix, np.float64).mean(0).tolist())} if name == "simple_shot" else {}
    return build_method(name, settings)


def without_training_mean(record: Json) -> list[str]:
    """Say that SimpleShot stands without the mean of the training classes, where a record does not say that it has it."""
    if TRAINING_MEAN in record.get("notes", ()):
        return []
    return [
        "`simple_shot` stands without the mean of the training classes, which its paper subtracts: with it, it has",
        f"{SIMPLE_SHOT['with']} where it has {SIMPLE_SHOT['without']} without (validation classes, one shot, where the class mean has "
        f"{SIMPLE_SHOT['class mean']}; docs/log.md).",
    ]


def versions(*names: str) -> dict[str, str]:
    """Return the versions of installed libraries."""
    return {name: version(name) for name in names}


def percent(values: Sequence[float] | npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return mean and half the 95 % interval (Student's t) of shares over draws, in %."""
    mean, half = interval(np.asarray(values, np.float64))
    return 100 * mean, 100 * half


def span(counts: Iterable[int]) -> str:
    """Say how many there are where sets need not have equally many: "20", or "5 to 2,500"."""
    several = sorted(set(counts))
    return " to ".join(f"{one:,}" for one in dict.fromkeys([several[0], several[-1]])) if several else "no"


def arguments_of(arguments: argparse.Namespace) -> Json:
    """Return what a script was called with; of paths, which are the machine's own, the last part."""
    return {name: value.name if isinstance(value, Path) else value for name, value in vars(arguments).items()}


def write_record(path: Path, libraries: Sequence[str], **entries: object) -> None:
    """Write a record as JSON, with the commit and the versions of the libraries named."""
    write_json(path, {"commit": commit(), "versions": versions(*libraries), **entries})
