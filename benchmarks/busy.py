"""Fits and label jobs beside busy loops: what the default number of threads costs against one thread, in one run.

    python benchmarks/busy.py [--loops 2] [--repeats 5] [--jobs rows,fit,label,encode]

As many processes as said do nothing but count. Beside them, a fit of 62,500 rows, one of digits, a label job and an encoding of images
run in turn with the environment's default and with ``OMP_NUM_THREADS=1``. Threads that wait by spinning would show as several times the time and the
processor time; the ratios should lie near 1. Exit code 1 if processor time is more than `BOUND` times that of one thread.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np

BOUND = 1.5
JOBS = ("rows", "fit", "label", "encode")


def count() -> None:
    """Keep a core busy."""
    while True:
        pass


def work(job: str, folder: Path) -> tuple[float, float]:
    """Do a job twice and return the seconds and processor seconds of the second time."""
    taken = (0.0, 0.0)
    for turn in range(2):
        wall, processor = perf_counter(), process_time()
        _once(job, folder, turn)
        taken = (perf_counter() - wall, process_time() - processor)
    return taken


def _once(job: str, folder: Path, turn: int) -> None:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    if job == "rows":
        from sibyl import SIBClassifier

        draw, truth = np.random.default_rng(0), np.arange(62_500 if turn else 1000) % 10
        rows = draw.standard_normal((10, 64))[truth] + 1.5 * draw.standard_normal((len(truth), 64))
        SIBClassifier().fit(rows.astype(np.float32), np.where(np.arange(len(truth)) < 50, truth, -1))
    elif job == "fit":
        from sibyl import SIBClassifier

        SIBClassifier().fit(X, np.where(np.arange(len(y)) < 60, y, -1))
    elif job == "label":
        from sibyl import label

        np.save(folder / "x.npy", X.astype(np.float32))
        label(folder / "x.npy", {str(row): str(y[row]) for row in range(60)}, out=folder / "out", cache=folder / "cache")
    else:
        from PIL import Image

        from sibyl.encoders.embed_source import embed_source
        from sibyl.encoders.named import encoder_by_name
        from sibyl.sources.open import open_source

        pile = folder / f"images{turn}"
        pile.mkdir(exist_ok=True)
        for row in range(400):
            Image.fromarray(np.kron(X[row].reshape(8, 8) * 16, np.ones((8, 8))).clip(0, 255).astype(np.uint8)).save(
                pile / f"{row}.png"
            )
        embed_source(open_source(pile), encoder_by_name("conv4-cifar-fs"), folder / f"cache{turn}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loops", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--jobs", default=",".join(JOBS))
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(work(arguments.job, Path(folder))))
        return
    loops = [multiprocessing.Process(target=count, daemon=True) for _ in range(arguments.loops)]
    for loop in loops:
        loop.start()
    worst = 0.0
    print(
        f"{'beside ' + str(arguments.loops) + ' busy loops':24} seconds: default, one thread   processor seconds: default, one thread   ratio"
    )
    for job in arguments.jobs.split(","):
        runs: dict[str, list[list[float]]] = {"default": [], "one": []}
        for _ in range(arguments.repeats):  # in turn, so that both meet the same neighbours
            for kind, of_kind in runs.items():
                environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
                environment |= {"OMP_NUM_THREADS": "1"} if kind == "one" else {}
                command = [sys.executable, __file__, "--job", job]
                of_kind.append(json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout))
        (wall, processor), (wall_one, processor_one) = (
            [median(one) for one in zip(*of_kind, strict=True)] for of_kind in runs.values()
        )
        ratio = processor / processor_one
        worst = max(worst, ratio)
        print(f"{job:24} {wall:9.2f} {wall_one:12.2f} {processor:22.2f} {processor_one:12.2f} {ratio:22.2f}")
    for loop in loops:
        loop.terminate()
    sys.exit(int(worst > BOUND))


if __name__ == "__main__":
    main()
