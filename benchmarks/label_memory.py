"""Memory and time of the label job from 1,000 to 100,000 images, made on the spot.

    python benchmarks/label_memory.py [--sizes 1000 10000 100000] [--dims 64 768] [--seed 0] [--out results]

Each size is one process that does what `sibyl label` does, report included; its peak resident memory, of each step on its own, is what
the operating system saw (Linux). The encoder is a fixed random projection, so that what is measured is reading, caching, solving and
writing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sibyl.encoders.encoder import Encoder
from sibyl.labeling import label as label_module
from sibyl.labeling import request as request_module
from sibyl.labeling import run as run_module
from sibyl.labeling.label import label
from sibyl.storage import write_json, write_text
from sibyl.threads import n_cores

ROOT = Path(__file__).resolve().parents[1]
N_CLASSES, SIDE = 20, 24
STEPS = {  # as people call them, and where the job calls them
    "open": (request_module, "open_source"),
    "encode": (run_module, "embed_source"),
    "solve": (run_module, "solve_items"),
    "write": (label_module, "write_labelling"),
}

GROWS = [
    "What grows in proportion to the number of images, whatever the encoder and the number of classes:",
    "",
    "- the name of each, once: some 80 bytes. Records, paths and sub-folders are made from it when they are asked for;",
    "- the table of labels that the caller gets: 80 bytes a row;",
    "- for a while, 40 bytes for the index of the feature cache and some numbers of each image: a rank, a score, a margin.",
    "",
    "What would grow with columns or classes lies in files (`sibyl.memmap`): features, the solver's prepared rows, what the graph says of each",
    "class, the logits with the unlabelled images and those without. They are gone over in slices, and each slice leaves the memory when the",
    "next is asked for. These files need the room on disk that was memory before; where it is lacking, or the system is not Linux, they are memory.",
    "",
    "What grows only up to a bound: the graph's nodes take 32 MiB at most (10,922 rows of 768 columns) and fall to 1,024 for very many rows,",
    "and each has 15 neighbours; 512 rows send messages; the choice of what to label next compares 2,000 rows with 4,000; the map shows 2,000",
    "points. A thousand images do not reach these bounds, ten thousand do.",
]


class Projection(Encoder[Any, Any]):
    """Pixels times a fixed random matrix."""

    name, key, dim, description = "projection", "", 0, {"name": "projection"}

    def __init__(self, dim: int) -> None:
        self.dim, self.key = dim, f"projection-{dim}"
        self._matrix = np.random.default_rng(0).normal(size=(SIDE * SIDE * 3, dim)).astype(np.float32) / SIDE

    def prepare(self, item: Any) -> Any:
        return np.asarray(item, np.float32).ravel() / 255

    def encode(self, batch: Sequence[Any]) -> Any:
        return np.stack(batch) @ self._matrix


def make(folder: Path, n: int, seed: int) -> None:
    """Images of 20 classes: a pattern of its own for each, under noise."""
    draw = np.random.default_rng(seed)
    patterns = draw.integers(0, 256, (N_CLASSES, SIDE, SIDE, 3))
    for number in range(n):
        below = folder / f"{number // 1000:03d}"
        below.mkdir(exist_ok=True, parents=True)
        pixels = np.clip(patterns[number % N_CLASSES] * 0.5 + draw.normal(64, 60, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(below / f"{number:06d}.bmp")


def peak_mib() -> float:
    """Peak resident memory since the last call."""
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return peak / 1024


def watch(module: Any, name: str, step: str, peaks: dict[str, float]) -> None:
    """Note the peak of a step of the job under its name, and what lies between two steps with the later one."""
    function: Callable[..., Any] = getattr(module, name)

    def watched(*arguments: Any, **named: Any) -> Any:
        answer = function(*arguments, **named)
        peaks[step] = peak_mib()
        return answer

    setattr(module, name, watched)


def run(folder: Path, out: Path, dim: int) -> None:
    examples = {f"000/{number:06d}.bmp": f"class {number}" for number in range(N_CLASSES)}
    peaks = {"imports": peak_mib()}
    for step, (module, name) in STEPS.items():
        watch(module, name, step, peaks)
    started = time.perf_counter()
    table = label(folder, examples, Projection(dim), out, cache=out / "cache")
    seconds = time.perf_counter() - started
    labelled = table[table["status"] == "labelled"]
    right = (labelled["label"] == "class " + (labelled["item"].str[4:10].astype(int) % N_CLASSES).astype(str)).mean()
    report_mib = (out / "report.html").stat().st_size / 2**20
    print(
        json.dumps({"images": len(table), "seconds": seconds, "peaks_mib": peaks, "report_mib": report_mib, "right": float(right)})
    )


def page(rows: list[dict[str, Any]], command: str, seed: int) -> str:
    """The results as Markdown."""
    lines = [
        "# Memory of the label job",
        "",
        f"`{command}`",
        "",
        f"Images of {SIDE} × {SIDE} pixels made on the spot (seed {seed}), {N_CLASSES} classes, one example each. Each line is one process that does",
        "what `sibyl label` does, report included, with an encoder of 64 or 768 columns; the second run finds all features in the cache. A solve",
        f"takes as many threads as there are cores, here {n_cores()}. Memory is the peak resident memory in MiB: of the whole run, after the imports,",
        "and while each step ran, with all that the steps before it had left.",
        "",
        "| columns | images | run | s | peak | imports | open | encode | solve | write | report, MiB | right, % |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        steps = " | ".join(f"{row['peaks_mib'][step]:.0f}" for step in ("imports", *STEPS))
        lines.append(
            f"| {row['dim']} | {row['images']:,} | {row['run']} | {row['seconds']:.1f} | {max(row['peaks_mib'].values()):.0f} | {steps} | "
            f"{row['report_mib']:.2f} | {100 * row['right']:.1f} |"
        )
    sizes = sorted({row["images"] for row in rows})
    lines += [
        "",
        "Growth, MiB:",
        "",
        "| columns | images | run | peak | open | encode | solve | write |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for dim in sorted({row["dim"] for row in rows}):
        for smaller, kind in itertools.product(sizes[:-1], ("first", "second")):
            few, many = (
                next(row["peaks_mib"] for row in rows if (row["dim"], row["run"], row["images"]) == (dim, kind, size))
                for size in (smaller, sizes[-1])
            )
            grown = [max(many.values()) - max(few.values()), *(many[step] - few[step] for step in STEPS)]
            lines.append(f"| {dim} | {smaller:,} → {sizes[-1]:,} | {kind} | " + " | ".join(f"{one:.0f}" for one in grown) + " |")
    return "\n".join([*lines, "", *GROWS])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--dims", type=int, nargs="+", default=[64, 768])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        folder, out, dim = arguments.one
        run(Path(folder), Path(out), int(dim))
        return
    rows: list[dict[str, Any]] = []
    for n in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder) / "images", n, arguments.seed)
            for dim, kind in itertools.product(arguments.dims, ("first", "second")):
                process = [
                    sys.executable,
                    __file__,
                    "--one",
                    str(Path(folder) / "images"),
                    str(Path(folder) / f"out{dim}"),
                    str(dim),
                ]
                said = subprocess.run(
                    process, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
                )
                rows.append({"dim": dim, "run": kind, **json.loads(said.stdout.splitlines()[-1])})
                print(rows[-1], flush=True)
    command = f"python benchmarks/label_memory.py --sizes {' '.join(map(str, arguments.sizes))}"
    command += f" --dims {' '.join(map(str, arguments.dims))} --seed {arguments.seed}"
    write_json(arguments.out / "label_scale.json", {"command": command, "seed": arguments.seed, "rows": rows})
    text = page(rows, command, arguments.seed)
    write_text(arguments.out / "label_scale.md", text + "\n")
    print(text)


if __name__ == "__main__":
    main()
