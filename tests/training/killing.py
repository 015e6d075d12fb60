"""Kill the command line for real, at random moments, and run it again: shared by the test and by benchmarks/kill.py."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Protocol

import numpy as np

from tests.training.test_pretrain import stripes

COMMAND = [sys.executable, "-c", "from sibyl.cli.app import main; main()"]
LONGEST = 120.0  # seconds that one command may take


class Run(Protocol):
    """What the killing needs of a process; `subprocess.Popen` is one."""

    def poll(self) -> int | None: ...
    def kill(self) -> None: ...
    def wait(self) -> int: ...


def start(arguments: list[str]) -> Run:
    """Start ``sibyl …`` as a person does, on one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)


class Forked:
    """``sibyl …`` in a process forked from one that has done the imports, which take seconds: for tests that kill often.

    torch imports its compiler at an optimiser's first step, so that is among them.
    """

    def __init__(self, arguments: list[str]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(
            [
                "sibyl.training.pretrain",
                "sibyl.training.meta_train",
                "sibyl.methods",
                "sibyl.encoders.embed_features",
                "torch._dynamo",
            ]
        )
        self._process = context.Process(target=run_here, args=(arguments,))
        self._process.start()

    def poll(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> int:
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode


def run_here(arguments: list[str]) -> None:
    """Run a command in this process, on one thread."""
    import torch

    from sibyl.cli.app import app

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            app(arguments, standalone_mode=False)
    finally:
        torch.set_num_threads(threads)


def newest(folder: Path) -> tuple[int, int]:
    """Number of files below a folder and the time of the last change: it differs once a process has written there."""
    states = []
    for path in folder.rglob("*"):
        try:
            states.append(path.stat().st_mtime_ns)
        except FileNotFoundError:  # a temporary file that has just got its name
            continue
    return len(states), max(states, default=0)


def kill_at(arguments: list[str], watched: Path, delay: float, start: Callable[[list[str]], Run] = start) -> str:
    """Start ``sibyl …`` (as `start` does) and send SIGKILL `delay` seconds after it first writes below `watched`; at once after its start if negative.

    Returns
    -------
    str
        ``"before work"``, ``"at work"`` or ``"too late"``, when it had ended.
    """
    before = newest(watched)
    process = start(arguments)
    deadline = time.monotonic() + LONGEST
    at_work = False
    if delay < 0:
        time.sleep(-delay)
        at_work = newest(watched) != before
    else:
        while process.poll() is None and not at_work and time.monotonic() < deadline:
            time.sleep(0.01)
            at_work = newest(watched) != before
        time.sleep(delay)
    process.kill()
    if process.wait() != -9:
        return "too late"
    return "at work" if at_work else "before work"


def write_stripes(root: Path) -> None:
    """Class folders ``root/train`` and ``root/val`` with striped images of different classes."""
    from PIL import Image

    for split, seed in (("train", 0), ("val", 5)):
        images = stripes(per_class=24 if split == "train" else 20, seed=seed)
        for pixels, label, name in zip(images.pixels, images.labels, images.ids, strict=True):
            path = root / split / f"{split} {images.class_names[label]}" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)


def commands(images: Path, work: Path) -> dict[str, Callable[[Path], list[str]]]:
    """Each verb as a function of its output folder. embed needs ``work/net``, meta-train ``work/train`` and ``work/val``."""
    encoder = str(work / "net" / "backbone.safetensors")

    def pretrain(out: Path) -> list[str]:
        return [
            "pretrain",
            str(images),
            "--size",
            "16",
            "--recipe",
            "published",
            "--epochs",
            "6",
            "--episodes",
            "20",
            "--save-every",
            "0",
            "--out",
            str(out),
            "--json",
        ]

    def embed(out: Path) -> list[str]:
        return ["embed", str(images / "train"), "--encoder", encoder, "--views", "6", "--batch", "8", "--out", str(out), "--json"]

    def meta_train(out: Path) -> list[str]:
        data = [str(work / "train"), "--validation", str(work / "val"), "--query", "8", "--normalisation", "episode"]
        length = ["--iterations", "120", "--validate-every", "40", "--validation-episodes", "8", "--save-every", "0"]
        return ["meta-train", *data, *length, "--out", str(out), "--json"]

    return {"pretrain": pretrain, "embed": embed, "meta-train": meta_train}


RESULTS = {
    "pretrain": ("backbone.safetensors", "last.safetensors", "progress.jsonl"),
    "embed": ("matrix.npy", "views.npy", "items.parquet", "features.json"),
    "meta-train": ("best.safetensors", "last.safetensors", "progress.jsonl"),
}


def differing(verb: str, whole: Path, killed: Path) -> list[str]:
    """Names of result files that are not bit for bit the same."""
    return [name for name in RESULTS[verb] if (whole / name).read_bytes() != (killed / name).read_bytes()]


def prepare(images: Path, work: Path, run: Callable[[list[str]], None]) -> None:
    """Run all three verbs without interruption, into ``work/net``, ``work/train``, ``work/val`` and ``work/sib``."""
    verbs = commands(images, work)
    run(verbs["pretrain"](work / "net"))
    run(verbs["embed"](work / "train"))
    run(["embed", str(images / "val"), *verbs["embed"](work / "val")[2:]])
    run(verbs["meta-train"](work / "sib"))


def random_delays(seed: int, n: int, longest: float) -> list[float]:
    """Seconds from the first write to the kill, uniform up to `longest`."""
    return [longest * float(share) for share in np.random.default_rng(seed).random(n)]
