"""Fits, label jobs and encodings beside busy loops: the processor time they take there against a quiet machine.

    python -m benchmarks.busy [--jobs rows,fit,label,encode] [--threads unset,1,2,8] [--pairs 5] [--loops 2] [--rows 62500] [--out results]

Each job runs in turn alone and beside as many processes as said, by default one for each core, that do nothing but count; that many
pairs for each value of ``OMP_NUM_THREADS``. Threads that wait by spinning would show as several times the processor time. The page says
the median of the pairs' ratios; exit code 1 if one is above `BOUND`. It wants a machine that has nothing else to do. What is in the
record is not measured again, so a run that was killed goes on; a record of other rows, pairs or loops is begun anew.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np

from sibyl.storage import read_json, write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
BOUND = 1.5
JOBS = {
    "rows": "a fit of {rows:,} × 64 rows",
    "fit": "a fit of digits",
    "label": "a label job of digits",
    "encode": "400 images encoded",
}


def count() -> None:
    """Keep a core busy."""
    while True:
        pass


@contextmanager
def busy(n_loops: int) -> Iterator[None]:
    """Run so many busy loops."""
    loops = [multiprocessing.Process(target=count, daemon=True) for _ in range(n_loops)]
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.join()


def work(job: str, folder: Path, n_rows: int) -> dict[str, float]:
    """Do a job twice and return the seconds and processor seconds of the second time."""
    taken = {}
    for turn in range(2):
        wall, processor = perf_counter(), process_time()
        _once(job, folder, turn, n_rows)
        taken = {"seconds": perf_counter() - wall, "processor": process_time() - processor}
    return taken


def _once(job: str, folder: Path, turn: int, n_rows: int) -> None:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    if job == "rows":
        from sibyl import SIBClassifier

        draw, truth = np.random.default_rng(0), np.arange(n_rows if turn else min(1000, n_rows)) % 10
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


def measured(job: str, threads: str, n_rows: int) -> dict[str, float]:
    """Do a job in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    environment |= {} if threads == "unset" else {"OMP_NUM_THREADS": threads}
    command = [sys.executable, "-m", "benchmarks.busy", "--job", job, "--rows", str(n_rows)]
    found: dict[str, float] = json.loads(
        subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, cwd=ROOT).stdout.splitlines()[-1]
    )
    return found


def pair(job: str, threads: str, n_rows: int, n_loops: int) -> dict[str, dict[str, float]]:
    """Do a job alone, and then beside busy loops."""
    quiet = measured(job, threads, n_rows)
    with busy(n_loops):
        return {"quiet": quiet, "busy": measured(job, threads, n_rows)}


def ratio(pairs: list[dict[str, dict[str, float]]]) -> float:
    """Return the median ratio of processor time, busy to quiet."""
    return median(one["busy"]["processor"] / one["quiet"]["processor"] for one in pairs)


def page(record: dict[str, Any]) -> str:
    """Return the page as Markdown."""
    lines = [
        "# Beside busy loops",
        "",
        f"Each job alone, and beside {record['loops']} processes that do nothing but count, on {record['machine']}, torch {record['torch']}: medians of "
        f"{record['n_pairs']} pairs.",
        f"Threads that wait by spinning would take several times the processor time; no more than {BOUND} times is meant.",
        "",
        "| job | `OMP_NUM_THREADS` | processor seconds, alone | beside the loops | ratio | seconds, alone | beside the loops |",
        "|---|---|---|---|---|---|---|",
    ]
    for key, pairs in record["pairs"].items():
        job, threads = key.split()
        taken = [
            f"{median(one[kind][what] for one in pairs):.2f}" for what in ("processor", "seconds") for kind in ("quiet", "busy")
        ]
        lines.append(
            f"| {JOBS[job].format(rows=record['rows'])} | {threads} | {taken[0]} | {taken[1]} | {ratio(pairs):.2f} | {taken[2]} | {taken[3]} |"
        )
    return "\n".join([*lines, "", "Made by: `python -m benchmarks.busy`."]) + "\n"


def main() -> None:
    """Measure, and write record and page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", default=",".join(JOBS))
    parser.add_argument("--threads", default="unset,1,2,8")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--loops", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rows", type=int, default=62_500)
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(work(arguments.job, Path(folder), arguments.rows)))
        return
    path = arguments.out / "busy.json"
    about = {"rows": arguments.rows, "n_pairs": arguments.pairs, "loops": arguments.loops}
    record: dict[str, Any] = read_json(path) if path.exists() else {}
    if {name: record.get(name) for name in about} != about:
        record = about | {"machine": f"{os.cpu_count()} cores ({platform.machine()})", "torch": version("torch"), "pairs": {}}
    for job in arguments.jobs.split(","):
        for threads in arguments.threads.split(","):
            key = f"{job} {threads}"
            if key not in record["pairs"]:
                record["pairs"][key] = [pair(job, threads, arguments.rows, arguments.loops) for _ in range(arguments.pairs)]
                print(f"{key}: {ratio(record['pairs'][key]):.2f}", flush=True)
            write_json(path, record)
            write_text(arguments.out / "busy.md", page(record))
    sys.exit(int(max(map(ratio, record["pairs"].values())) > BOUND))


if __name__ == "__main__":
    main()
