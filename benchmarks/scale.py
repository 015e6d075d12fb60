"""A million rows from a memory-mapped file, solved by SIBClassifier: memory, time, and time beside the dense products that it needs.

    python -m benchmarks.scale [--rows 10000,100000,1000000] [--threads 2] [--method universal_sib] [--out results]

Each size runs in a process of its own, which reports the largest anonymous memory (file pages, which the system may drop at any time,
do not count) above what it held before `fit`, and in all. The products are timed in the same process, slice by slice as `fit` makes them:
rows × class means and back in every step, rows × nodes of the graph, and the linear layers of the gradient network.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch

from sibyl.methods.universal.gradient_network import N_FEATURES
from sibyl.storage import write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
DIM, N_WAY, N_SHOT = 384, 100, 5


def make(path: Path, n_rows: int, seed: int = 0) -> None:
    """Write clusters of unequal size around 100 centres, of which each has five labelled rows at the front."""
    draw = np.random.default_rng(seed)
    centre = draw.standard_normal((N_WAY, DIM)).astype(np.float32)
    share = draw.dirichlet(np.full(N_WAY, 2.0))
    matrix = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, DIM))
    truth = np.concatenate([np.repeat(np.arange(N_WAY), N_SHOT), draw.choice(N_WAY, n_rows - N_WAY * N_SHOT, p=share)])
    for start in range(0, n_rows, 50_000):
        part = truth[start : start + 50_000]
        matrix[start : start + 50_000] = centre[part] + 3.5 * draw.standard_normal((len(part), DIM)).astype(np.float32)
    matrix.flush()
    np.save(path.with_name("truth.npy"), truth)


def anonymous() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) * 1024


def watched(stop: threading.Event, peak: list[int]) -> None:
    while not stop.wait(0.05):
        peak[0] = max(peak[0], anonymous())


def products(n_rows: int, n_steps: int, channels: int, n_landmarks: int, n_nodes: int, n_slice: int) -> float:
    """Seconds that the dense products alone take."""
    x, centre = torch.randn(n_slice, DIM), torch.randn(N_WAY, DIM)
    marks, assigned = torch.randn(n_landmarks, DIM), torch.randn(N_WAY, n_slice)
    spread, weights = torch.randn(n_landmarks, N_WAY), torch.randn(n_slice, n_landmarks)
    nodes, told, heard = torch.randn(n_nodes, DIM), torch.randn(n_nodes, N_WAY), torch.randn(n_slice, n_nodes)
    entries = torch.randn(n_slice * N_WAY, N_FEATURES)
    first, mix, last = torch.randn(N_FEATURES, channels), torch.randn(2 * channels, channels), torch.randn(channels, 2)
    hidden = torch.randn(n_slice * N_WAY, 2 * channels)

    def once() -> None:
        for _ in range(n_steps):
            centre @ x.T, centre @ x.T, assigned @ x  # angles with the class means and the labelled rows; the pull
            x @ nodes.T, heard @ told  # messages
            entries @ first, hidden @ mix, hidden[:, :channels] @ last
        for _ in range(6):  # the first look, the answer and its outlier score, the inductive answer
            centre @ x.T
        x @ marks.T, weights @ spread

    once()
    began = time.perf_counter()
    for _ in range(3):
        once()
    return (time.perf_counter() - began) / 3 * n_rows / n_slice


def measure(path: Path, method: str, threads: int) -> None:
    """Fit, in this process, and print what it took."""
    from sibyl.estimators import transductive
    from sibyl.methods.named import method_by_name
    from sibyl.methods.universal.neighbours import NODES
    from sibyl.methods.universal.sparse_graph import n_nodes_of
    from sibyl.methods.universal.universal import ENTRIES, NODES_PER_ENTRY

    torch.set_num_threads(threads)
    matrix = np.load(path, mmap_mode="r")
    truth = np.load(path.with_name("truth.npy"))
    y = np.full(len(matrix), -1)
    y[: N_WAY * N_SHOT] = truth[: N_WAY * N_SHOT]
    network = method_by_name(method, DIM, N_WAY)
    before, peak, stop = anonymous(), [0], threading.Event()
    thread = threading.Thread(target=watched, args=(stop, peak))
    thread.start()
    began = time.perf_counter()
    fitted = transductive.SIBClassifier(method).fit(matrix, y)
    seconds = time.perf_counter() - began
    stop.set()
    thread.join()
    rest = y < 0
    settings = getattr(network, "settings", {})
    n_nodes = NODES + N_WAY * N_SHOT
    n_slice = ENTRIES // max(N_WAY, n_nodes // NODES_PER_ENTRY)
    needed = products(len(matrix), settings["n_steps"], settings["n_channels"], n_nodes_of(len(matrix), DIM), n_nodes, n_slice)
    figures = {
        "rows": len(matrix), "seconds": seconds, "products": needed, "ratio": seconds / needed, "peak": peak[0], "before": before,
        "accuracy": float((fitted.transduction_ == truth)[rest].mean()), "inductive": float((fitted.inductive_labels_ == truth)[rest].mean()),
    }  # fmt: skip
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="10000,100000,1000000")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--method", default="universal_sib")
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure, arguments.method, arguments.threads)
        return
    found = []
    for n_rows in map(int, arguments.rows.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "matrix.npy"
            make(path, n_rows)
            command = [sys.executable, "-m", "benchmarks.scale", "--measure", str(path), "--method", arguments.method]
            done = subprocess.run(
                [*command, "--threads", str(arguments.threads)], capture_output=True, text=True, check=True, cwd=ROOT
            )
            found.append(json.loads(done.stdout.splitlines()[-1]))
            print(found[-1], flush=True)
    lines = [
        "# A million rows",
        "",
        f"`SIBClassifier().fit` on float32 rows of {DIM} columns in a memory-mapped file, {N_WAY} classes of unequal size, {N_SHOT} labelled",
        "rows each; one process per size. *Products* are the dense products that it needs, the network's own included, timed alone in the same",
        "process. Memory is anonymous; the file's own pages do not count.",
        "",
        "| rows | seconds | seconds per 100,000 rows | products, s | times the products | peak memory, MB | of which before `fit` | accuracy, % | inductive, % |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['rows']:,} | {row['seconds']:.1f} | {1e5 * row['seconds'] / row['rows']:.1f} | {row['products']:.1f} | {row['ratio']:.2f} "
        f"| {row['peak'] / 1e6:,.0f} | {row['before'] / 1e6:,.0f} | {100 * row['accuracy']:.2f} | {100 * row['inductive']:.2f} |"
        for row in found
    ]
    lines += [
        "",
        f"Made by: `python -m benchmarks.scale --rows {arguments.rows} --threads {arguments.threads}`; {os.cpu_count()} cores ({platform.machine()}), shared with other work, torch {torch.__version__}.",
    ]
    write_text(arguments.out / "scale.md", "\n".join(lines) + "\n")
    write_json(arguments.out / "scale.json", {"rows": found})


if __name__ == "__main__":
    main()
