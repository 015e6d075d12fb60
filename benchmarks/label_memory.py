"""Memory and time of the label job from 1,000 to 100,000 images, made on the spot.

    python benchmarks/label_memory.py [--sizes 1000 10000 100000] [--out results]

Each size is one process that does what `sibyl label` does, report included; its peak resident memory is what the operating system saw.
The encoder is a fixed random projection to 64 columns, so that what is measured is reading, caching, solving and writing.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sibyl.encoders.encoder import Encoder
from sibyl.labeling.label import label
from sibyl.storage import write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
N_CLASSES, SIDE, DIM = 20, 24, 64


class Projection(Encoder[Any, Any]):
    """Pixels times a fixed random matrix."""

    name, key, dim, description = "projection", "projection-1", DIM, {"name": "projection"}

    def __init__(self) -> None:
        self._matrix = np.random.default_rng(0).normal(size=(SIDE * SIDE * 3, DIM)).astype(np.float32) / SIDE

    def prepare(self, item: Any) -> Any:
        return np.asarray(item, np.float32).ravel() / 255

    def encode(self, batch: Sequence[Any]) -> Any:
        return np.stack(batch) @ self._matrix


def make(folder: Path, n: int) -> None:
    """Images of 20 classes: a pattern of its own for each, under noise."""
    draw = np.random.default_rng(0)
    patterns = draw.integers(0, 256, (N_CLASSES, SIDE, SIDE, 3))
    for number in range(n):
        below = folder / f"{number // 1000:03d}"
        below.mkdir(exist_ok=True, parents=True)
        pixels = np.clip(patterns[number % N_CLASSES] * 0.5 + draw.normal(64, 60, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(below / f"{number:06d}.bmp")


def run(folder: Path, out: Path) -> None:
    examples = {f"000/{number:06d}.bmp": f"class {number}" for number in range(N_CLASSES)}
    after_imports = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.perf_counter()
    table = label(folder, examples, Projection(), out, cache=out / "cache")
    seconds = time.perf_counter() - started
    labelled = table[table["status"] == "labelled"]
    right = (labelled["label"] == "class " + (labelled["item"].str[4:10].astype(int) % N_CLASSES).astype(str)).mean()
    print(
        json.dumps(
            {
                "items": len(table),
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "imports_mib": after_imports,
                "seconds": seconds,
                "report_mib": (out / "report.html").stat().st_size / 2**20,
                "right": float(right),
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    parser.add_argument("--one", type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        run(*arguments.one)
        return
    rows: list[dict[str, float]] = []
    for n in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder) / "images", n)
            for kind in ("first", "second"):
                command = [sys.executable, __file__, "--one", str(Path(folder) / "images"), str(Path(folder) / "out")]
                said = subprocess.run(
                    command, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
                )
                rows.append({"run": kind, **json.loads(said.stdout.splitlines()[-1])})
                print(rows[-1], flush=True)
    lines = [
        "# Memory of the label job",
        "",
        "Images of 24 × 24 pixels made on the spot, 20 classes, one example each; each line is one process that does what `sibyl label` does,",
        f"report included, with an encoder of {DIM} columns. The second run finds all features in the cache. One thread on a shared machine.",
        "",
        "| images | run | peak memory, MiB | of it imports, MiB | above the imports, bytes per image | s | report, MiB | right, % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        extra = (row["peak_mib"] - row["imports_mib"]) * 2**20 / row["items"]
        lines.append(
            f"| {row['items']:,} | {row['run']} | {row['peak_mib']:.0f} | {row['imports_mib']:.0f} | {extra:,.0f} | {row['seconds']:.1f} | "
            f"{row['report_mib']:.2f} | {100 * row['right']:.1f} |"
        )
    lines += ["", "Made by: `python benchmarks/label_memory.py`."]
    write_text(arguments.out / "label_scale.md", "\n".join(lines) + "\n")
    write_json(arguments.out / "label_scale.json", {"sizes": arguments.sizes, "rows": rows})
    print("\n".join(lines))


if __name__ == "__main__":
    main()
