"""How long does a command take before it begins? ``python benchmarks/startup.py`` writes ``results/startup.md`` and ``.json``.

Each command is run several times on a small table, best time of all runs; the budget is what `sibyl label` may take on a quiet core where
nothing is to be encoded. ``-X importtime`` says which imports take longest.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

BUDGET = 2.5  # seconds, on a quiet core
RUNS = 5
ROOT = Path(__file__).resolve().parents[1]
MAIN = "from sibyl.cli.app import main; main()"


def seconds(arguments: list[str], folder: Path) -> float:
    """Best time of several runs."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "SIBYL_CACHE": str(folder / "cache")}
    taken = []
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", MAIN, *arguments], cwd=folder, env=env, check=True, capture_output=True)
        taken.append(time.perf_counter() - started)
    return min(taken)


def imports(module: str, most: int = 12) -> list[tuple[str, float]]:
    """Return the modules of other packages whose import takes longest, with what each brings along, in seconds."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {module}"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    rows = re.findall(r"import time:\s+\d+ \|\s+(\d+) \|\s+(\S+)", done.stderr)
    tops = {name: int(cumulative) / 1e6 for cumulative, name in rows if "." not in name and name != "sibyl"}
    return sorted(tops.items(), key=lambda row: -row[1])[:most]


def main() -> None:
    rows = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = np.arange(300) % 3
        matrix = (np.eye(3)[truth] * 3 + np.random.default_rng(0).normal(size=(300, 3))).astype(np.float32)
        np.save(folder / "rows.npy", matrix)
        job = ["label", "rows.npy", "--example", "a=1", "--example", "b=2", "--example", "c=3", "--out", "out"]
        for words, arguments in (("sibyl --version", ["--version"]), ("sibyl label", job), ("sibyl suggest", ["suggest", "out"])):
            rows[words] = seconds(arguments, folder)
    longest = imports("sibyl.labeling.label")
    record = {"budget": BUDGET, "seconds": rows, "imports": dict(longest), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    (ROOT / "results" / "startup.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    lines = [
        "# How long a command takes to begin",
        "",
        f"Best of {RUNS} runs, one thread (`python benchmarks/startup.py`); the load of the",
    ]
    lines += [
        f"machine was {record['load']:.1f} on {record['cores']} cores. Budget of `sibyl label` on a quiet core: {BUDGET} s.",
        "",
    ]
    lines += ["| command | seconds |", "|---|---|", *(f"| `{words}` | {taken:.2f} |" for words, taken in rows.items()), ""]
    lines += ["| package imported by `sibyl label` | seconds, with what it brings |", "|---|---|"]
    lines += [f"| {package} | {taken:.2f} |" for package, taken in longest]
    (ROOT / "results" / "startup.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
