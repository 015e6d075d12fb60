"""A million rows from a memory-mapped file, solved by SIBClassifier: memory, time, and time beside the dense products that it needs.

    python -m benchmarks.scale [--rows 10000,100000,1000000] [--threads 2] [--method universal_sib] [--out results]

Each size runs in a process of its own, on as many cores as threads are asked for. It reports the largest anonymous memory (file pages,
which the system may drop at any time, do not count) above what it held before `fit`, and in all. The products are timed in the same
process, in slices as `fit` makes them and as many side by side; `counted` says which they are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from sibyl.methods.universal.gradient_network import N_FEATURES, machine_code
from sibyl.methods.universal.neighbours import NODES
from sibyl.methods.universal.sparse_graph import BLOCK, n_nodes_of
from sibyl.methods.universal.universal import KEPT, rows_of_slice
from sibyl.storage import Json, write_json, write_text
from sibyl.tasks import Task
from sibyl.threads import in_order

ROOT = Path(__file__).resolve().parents[1]
DIM, N_WAY, N_SHOT = 384, 100, 5
IN_A_STEP = 2  # looks: at how rows lie to class means
LOOKS = {
    "the first look": 1, "the first outlier scores": 4, "what describes the three answers": 2, "the class mix": 2,
    "the answer and the last outlier scores": 6,
}  # fmt: skip
"""Products of rows and class means outside the steps, pass by pass; `tests/test_scale.py` holds them against the code."""


def counted(channels: int) -> list[str]:
    """Say which products `products` takes."""
    looks = ", ".join(f"{what} ({times})" for what, times in LOOKS.items())
    lines = [
        f"in each step, rows × class means {IN_A_STEP} times (the adapted ones and those of the labelled rows), the pull of the rows on the "
        f"means, rows × the rows that send messages ({NODES} and the labelled ones; once where few enough rows let them be kept), and what "
        "those say of each class;",
        f"in each step, the three layers of the gradient network for each pair of row and class: {N_FEATURES} to {channels}, {channels} to "
        f"{channels}, {channels} to 2 numbers;",
        f"rows × class means {sum(LOOKS.values())} times more: {looks}; the pull once more; rows × {NODES} neighbours for the outlier scores;",
        "the graph: its nodes × its nodes, and, where not all rows are nodes, rows × nodes.",
    ]
    return [line for text in lines for line in textwrap.wrap(f"- {text}", 100, subsequent_indent="  ")]


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


def fastest_products(n_rows: int, n_steps: int, channels: int, threads: int) -> tuple[float, float]:
    """Seconds of `products` in slices of as many rows as `fit` takes, or half of them, whichever are faster, tried twice."""
    taken = [products(n_rows, n_steps, channels, threads, cut) for cut in (1, 2, 1, 2)]
    return min(one for one, _ in taken), min(one for _, one in taken)


def products(n_rows: int, n_steps: int, channels: int, threads: int, cut: int = 1) -> tuple[float, float]:
    """Seconds that the products that `counted` names take alone: by the clock, and of the processor; slices cut into so many pieces."""
    n_chosen, n_nodes = NODES + N_WAY * N_SHOT, n_nodes_of(n_rows, DIM)
    one = Task(torch.zeros(1, 1, DIM), torch.zeros(1, 1, dtype=torch.long), torch.zeros(1, 0, DIM), N_WAY)
    n_slice = rows_of_slice(one, n_chosen) // cut
    x, centre, assigned = torch.randn(n_slice, DIM), torch.randn(N_WAY, DIM), torch.randn(N_WAY, n_slice)
    chosen, heard, told = torch.randn(n_chosen, DIM), torch.randn(n_slice, n_chosen), torch.randn(n_chosen, N_WAY)
    entries, hidden = torch.randn(n_slice * N_WAY, N_FEATURES), torch.randn(n_slice * N_WAY, channels)
    enter, mix, leave = torch.randn(N_FEATURES, channels), torch.randn(channels, channels), torch.randn(channels, 2)
    nodes = torch.randn(n_nodes, DIM)
    is_kept = n_rows * n_chosen <= KEPT // 4

    def of_rows(_: int) -> None:
        for number in range(n_steps):
            for _ in range(IN_A_STEP):
                centre @ x.T
            assigned @ x
            if not (is_kept and number):
                x @ chosen.T
            heard @ told
            entries @ enter, hidden @ mix, hidden @ leave
        for _ in range(sum(LOOKS.values())):
            centre @ x.T
        assigned @ x
        x @ chosen[:NODES].T

    def of_graph(number: int) -> None:
        nodes[number * BLOCK : (number + 1) * BLOCK] @ nodes.T

    def timed(call: Callable[[int], None]) -> tuple[float, float]:
        taken = []
        for _ in range(4):  # the first is to warm up; of the others the quickest, as the machine may have other work
            began = time.perf_counter(), time.process_time()
            for _ in in_order(call, range(2 * threads), threads):
                pass
            taken.append(
                [
                    (one - before) / (2 * threads)
                    for one, before in zip((time.perf_counter(), time.process_time()), began, strict=True)
                ]
            )
        clock, processor = np.min(taken[1:], axis=0)
        return float(clock), float(processor)

    blocks = n_nodes / BLOCK if n_nodes == n_rows else (n_nodes + n_rows) / BLOCK
    parts = [(timed(of_rows), n_rows / n_slice), (timed(of_graph), blocks)]
    return sum(one[0] * times for one, times in parts), sum(one[1] * times for one, times in parts)


def measure(path: Path, method: str, threads: int) -> None:
    """Fit, in this process, and print what it took."""
    from sibyl.estimators import transductive
    from sibyl.methods.named import method_by_name

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])  # a solve takes as many threads as it has cores
    torch.set_num_threads(1)
    matrix = np.load(path, mmap_mode="r")
    truth = np.load(path.with_name("truth.npy"))
    y = np.full(len(matrix), -1)
    y[: N_WAY * N_SHOT] = truth[: N_WAY * N_SHOT]
    network = method_by_name(method, DIM, N_WAY)
    before, peak, stop = anonymous(), [0], threading.Event()
    thread = threading.Thread(target=watched, args=(stop, peak))
    thread.start()
    began, had = time.perf_counter(), time.process_time()
    fitted = transductive.SIBClassifier(method).fit(matrix, y)
    seconds, processor = time.perf_counter() - began, time.process_time() - had
    stop.set()
    thread.join()
    rest = y < 0
    settings = getattr(network, "settings", {})
    clock, needed = fastest_products(len(matrix), settings["n_steps"], settings["n_channels"], threads)
    figures = {
        "rows": len(matrix), "channels": settings["n_channels"], "threads": threads, "seconds": seconds, "products": clock, "ratio": seconds / clock, "processor": processor, "processor_products": needed,
        "processor_ratio": processor / needed, "peak": peak[0], "before": before,
        "accuracy": float((fitted.transduction_ == truth)[rest].mean()), "inductive": float((fitted.inductive_labels_ == truth)[rest].mean()),
    }  # fmt: skip
    print(json.dumps(figures))


def compiler() -> str:
    """Say what the machine code of the gradient network is made by, here."""
    code = machine_code()
    if code is None:
        return "without machine code (extra `fast`)"
    return f"machine code by llvmlite {version('llvmlite')} (extra `fast`), {code.rows_at_once()} numbers in a register"


def page(found: list[Json], rows: str) -> str:
    """Return the page that says what a record holds."""
    threads = found[0]["threads"]
    lines = [
        "# A million rows",
        "",
        f"`SIBClassifier().fit` on float32 rows of {DIM} columns in a memory-mapped file, {N_WAY} classes of unequal size, {N_SHOT} labelled",
        f"rows each; one process per size, on {threads} core{'s' * (threads > 1)}. Memory is anonymous; the file's own pages do not count.",
        "*Products* are the dense products that it needs, as torch takes them, timed alone in the same process and on the same cores, in",
        "slices of as many rows as `fit` takes and of half as many: the fastest count.",
        "",
        *counted(found[0]["channels"]),
        "",
        "Everything else is no product and counts against it: activations, softmax, the search for the nearest of the distances, label spreading",
        "(sparse), reading and preparing rows, products that are computed more often than needed. *Processor* counts the seconds that the cores",
        "have worked, which other processes disturb less than the clock.",
        "",
        "*Accuracy*: the rows are made, one round Gaussian a class, where near neighbours say little. It is no measure of real piles",
        "(docs/figures.md, limits; docs/log.md).",
        "",
        "| rows | seconds | µs a row and class | products, s | times the products | processor, s | of products, s | times the products | peak memory, MB | of which before `fit` | accuracy, % | inductive, % |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['rows']:,} | {row['seconds']:.1f} | {1e6 * row['seconds'] / row['rows'] / N_WAY:.2f} | {row['products']:.1f} | {row['ratio']:.2f} "
        f"| {row['processor']:.1f} | {row['processor_products']:.1f} | {row['processor_ratio']:.2f} "
        f"| {row['peak'] / 1e6:,.0f} | {row['before'] / 1e6:,.0f} | {100 * row['accuracy']:.2f} | {100 * row['inductive']:.2f} |"
        for row in found
    ]
    lines += [
        "",
        f"Made by: `python -m benchmarks.scale --rows {rows} --threads {threads}`; {os.cpu_count()} cores ({platform.machine()}), "
        f"torch {torch.__version__}, {compiler()}.",
    ]
    return "\n".join(lines) + "\n"


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
    write_json(arguments.out / "scale.json", {"rows": found})
    write_text(arguments.out / "scale.md", page(found, arguments.rows))


if __name__ == "__main__":
    main()
