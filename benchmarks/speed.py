"""SIB one episode at a time with autograd through each step (the published way) against ours, in one run.

    python -m benchmarks.speed [--repetitions 40] [--threads 1 2] [--official CLONE] [--out results]

The same random features for both: 5-way 1-shot, 75 queries, 640 dimensions, K = 3. The published way is `benchmarks/one_episode_sib.py`.
With a clone of the official repository (github.com/hushell/sib_meta_learn) its own code runs beside them, one episode a call as its
training and test do. Before anything is timed, all must give the same logits and parameter gradients. The two sides take turns in one process, and a
ratio is the median over the repetitions of (published / ours) within a repetition, so that other work on the machine meets both; beside
it stands the ratio of processor times, which other work changes least. Training is loss, backward and a step of SGD: one step per
episode in the published way and in ours at batch 1, one per 32 episodes at batch 32. Peak memory is of a process of its own for each.
Writes speed.md and speed.json.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.official_sib import OfficialSIB
from benchmarks.one_episode_sib import OneEpisodeSIB
from sibyl.methods.sib import SIB
from sibyl.methods.sib import sib as sib_module
from sibyl.storage import write_json, write_text
from sibyl.tasks import Episode, Task

ROOT = Path(__file__).resolve().parents[1]
N_WAY, N_QUERY, DIM, BATCH = 5, 75, 640, 32
TARGETS = {"meta-testing": 20, "meta-training": 10}
SIDES = ("published way", "ours, batch 1", "ours, batch 32")
OFFICIAL = "official code"
BY_TORCH = "ours, batch 32, torch alone"
Work = Callable[[], None]


def episodes() -> Episode:
    draw = torch.Generator().manual_seed(0)
    support, query = torch.rand(BATCH, N_WAY, DIM, generator=draw), torch.rand(BATCH, N_QUERY, DIM, generator=draw)
    support_y = torch.arange(N_WAY).expand(BATCH, -1).contiguous()
    query_y = torch.randint(N_WAY, (BATCH, N_QUERY), generator=draw)
    return Episode(Task(support, support_y, query, N_WAY), query_y)


Single = OneEpisodeSIB | OfficialSIB


def networks(official: Path | None) -> tuple[dict[str, Single], SIB]:
    """What runs one episode at a time, by name, and ours, with the same parameters."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        # Statistics of each episode's own queries, as one episode at a time has them.
        ours = SIB(DIM, N_WAY, normalisation="episode")
        singles: dict[str, Single] = {SIDES[0]: OneEpisodeSIB(DIM, N_WAY).copy_of(ours)}
        if official is not None:
            singles[OFFICIAL] = OfficialSIB(official, ours)
        return singles, ours


def check_equal(all_at_once: Episode, official: Path | None) -> float:
    """Compare logits, and every parameter's gradient of the loss; return the largest difference of logits."""
    singles, ours = networks(official)
    task, difference = all_at_once.task, 0.0
    for single in singles.values():
        one_by_one = [single(task.support_x[i], task.support_y[i], task.query_x[i]) for i in range(BATCH)]
        difference = max(difference, float((torch.stack(one_by_one) - ours.solve(task).logits).detach().abs().max()))
    assert difference < 1e-4, difference
    published = singles[SIDES[0]]
    # Gradients of the gradient network are sums that nearly cancel: compared in double precision.
    published, ours, task = published.double(), ours.double(), task.to(torch.float64)
    for i in range(BATCH):
        (published.loss(task.support_x[i], task.support_y[i], task.query_x[i], all_at_once.query_y[i]) / BATCH).backward()
    ours.objective(Episode(task, all_at_once.query_y)).loss.backward()
    rename = {"init_network.diagonal": "diagonal"}
    for name, parameter in ours.named_parameters():
        expected = published.get_parameter(rename.get(name, name.removeprefix("gradient_network."))).grad
        assert expected is not None
        assert parameter.grad is not None
        assert torch.allclose(expected, parameter.grad, rtol=1e-6, atol=1e-12), name
    return difference


def sgd(network: torch.nn.Module) -> torch.optim.Optimizer:
    # A rate so small that the parameters, and with them the work, stay as they are.
    return torch.optim.SGD(network.parameters(), 1e-9, momentum=0.9, nesterov=True, weight_decay=5e-4)


def works(all_at_once: Episode, n_single: int, official: Path | None) -> dict[tuple[str, str], tuple[Work, int]]:
    """(stage, side) → what to time and how many episodes it takes."""
    singles, ours = networks(official)
    task, query_y = all_at_once.task, all_at_once.query_y
    one = [(task.support_x[i], task.support_y[i], task.query_x[i], query_y[i]) for i in range(n_single)]
    single = [Episode(task.take([i]), query_y[i : i + 1]) for i in range(n_single)]
    of_ours = sgd(ours)

    def train(optimizer: torch.optim.Optimizer, loss: Callable[[], torch.Tensor]) -> None:
        value = loss()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    def one_by_one(network: Single) -> dict[str, tuple[Work, int]]:
        optimizer = sgd(network)

        def test() -> None:
            for support, support_y, query, _ in one:
                network(support, support_y, query)

        def training() -> None:
            for row in one:
                train(optimizer, lambda row=row: network.loss(*row))  # type: ignore[misc]

        return {"meta-testing": (test, n_single), "meta-training": (training, n_single)}

    def test_single() -> None:
        for episode in single:
            ours.solve(episode.task)

    def test_batch() -> None:
        ours.solve(task)

    def train_single() -> None:
        for episode in single:
            train(of_ours, lambda episode=episode: ours.objective(episode).loss)  # type: ignore[misc]

    batch_1 = {"meta-testing": test_single, "meta-training": train_single}
    batch_32: dict[str, Work] = {
        "meta-testing": test_batch,
        "meta-training": lambda: train(of_ours, lambda: ours.objective(all_at_once).loss),
    }
    alone = {side: one_by_one(network) for side, network in singles.items()}
    found: dict[Any, Any] = {}
    for stage in TARGETS:
        found |= {(stage, side): pair[stage] for side, pair in alone.items()}
        found |= {(stage, SIDES[1]): (batch_1[stage], n_single), (stage, SIDES[2]): (batch_32[stage], BATCH)}
    if sib_module.machine_code() is not None:
        found["meta-testing", BY_TORCH] = (lambda: by_torch_alone(test_batch), BATCH)
    return found


def by_torch_alone(work: Work) -> None:
    with_code, sib_module.machine_code = sib_module.machine_code, lambda: None  # type: ignore[assignment]
    work()
    sib_module.machine_code = with_code


def seconds(work: Work, n_episodes: int) -> tuple[float, float]:
    """Wall and processor seconds per episode."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - wall) / n_episodes, (time.process_time() - processor) / n_episodes


def peak_memory(stage: str, side: str, threads: int, official: Path | None) -> float:
    """Largest resident memory, in MB, of a process that does this alone; `stage` "nothing" only builds the data."""
    command = [sys.executable, "-m", "benchmarks.speed", "--threads", str(threads), "--memory-of", stage, side]
    command += ["--official", str(official)] if official is not None else []
    return float(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def own_peak() -> float:
    """Largest resident memory of this process in MB. Not ru_maxrss where there is better: Linux hands the parent's down to a child."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def flops_per_episode() -> float:
    """Operations at test time with K = 3: seven products of classes with queries, and three passes of the gradient network."""
    hidden = 8 * N_WAY
    products = 7 * 2 * N_WAY * N_QUERY * DIM
    network = 3 * 2 * N_QUERY * (N_WAY * hidden + hidden * hidden + hidden * N_WAY)
    return float(products + network)


def matrix_speed() -> float:
    """FLOP per second of a large matrix product, best of five."""
    square = torch.rand(1024, 1024)

    def multiply() -> None:
        square.mm(square)

    return 2 * 1024**3 / min(seconds(multiply, 1)[0] for _ in range(5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=40)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--official", type=Path, help="clone of hushell/sib_meta_learn")
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    arguments = parser.parse_args()
    everything = works(episodes(), 8, arguments.official)
    if arguments.memory_of:
        torch.set_num_threads(arguments.threads[0])
        if arguments.memory_of[0] != "nothing":
            for _ in range(5):
                everything[arguments.memory_of[0], arguments.memory_of[1]][0]()
        print(own_peak())
        return
    difference = check_equal(episodes(), arguments.official)
    memory = {key: peak_memory(*key, arguments.threads[0], arguments.official) for key in everything}
    bare = peak_memory("nothing", "-", arguments.threads[0], None)
    rows = []
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        for work, _ in everything.values():
            work()
        timed: dict[tuple[str, str], list[tuple[float, float]]] = {key: [] for key in everything}
        for _ in range(arguments.repetitions):
            for key, (work, n_episodes) in everything.items():
                timed[key].append(seconds(work, n_episodes))
        for (stage, side), measured in timed.items():
            base, code = timed[stage, SIDES[0]], timed.get((stage, OFFICIAL))
            row = {"threads": threads, "stage": stage, "side": side, "peak_mb": memory[stage, side]}
            row["episodes_per_second"] = 1 / median(wall for wall, _ in measured)
            row["processor_ms"] = 1000 * median(processor for _, processor in measured)
            row["ratio"] = median(theirs[0] / mine[0] for theirs, mine in zip(base, measured, strict=True))
            if code is not None:
                row["official_ratio"] = median(theirs[0] / mine[0] for theirs, mine in zip(code, measured, strict=True))
            row["processor_ratio"] = median(theirs[1] for theirs in base) / median(mine[1] for mine in measured)
            row["target"] = TARGETS[stage] if side == SIDES[2] else None
            rows.append(row)
            print(row, flush=True)
    torch.set_num_threads(1)
    fast, flops = matrix_speed(), flops_per_episode()
    rows_mb = BATCH * N_QUERY * DIM * 4 / 1e6
    times = {
        row["side"]: row["processor_ms"] * fast / flops / 1000
        for row in rows
        if row["stage"] == "meta-testing" and row["threads"] == arguments.threads[0]
    }
    allowed = rows[0]["processor_ms"] / TARGETS["meta-testing"]
    lines = [
        "# Speed of SIB: one episode at a time, and in batches",
        "",
        f"{N_WAY}-way 1-shot, {N_QUERY} queries, {DIM} dimensions, K = 3, random features in memory, {os.cpu_count()} cores; medians of "
        f"{arguments.repetitions}",
        f"repetitions in turns, machine shared with other work. All give the same logits (largest difference {difference:.0e}), and the",
        "same gradient of the loss in every parameter, checked before timing. Ours also returns the inductive answer. *Published way*: the",
        "paper's steps, one episode a call, written as lean as they can be; *official code*: the authors' own classes from a clone.",
        "Ours tests with machine code by numba (the extra `fast`), which trains nothing; *torch alone*: without it.",
        "",
        "| threads | stage | way | episodes a second | processor ms an episode | times the published way | by processor time | times the official code | asked | peak memory, MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        asked = f"{row['target']}" if row["target"] else ""
        code_ratio = f"{row['official_ratio']:.1f}" if "official_ratio" in row else ""
        lines.append(
            f"| {row['threads']} | {row['stage']} | {row['side']} | {row['episodes_per_second']:,.0f} | {row['processor_ms']:.3f} | {row['ratio']:.1f} | "
            f"{row['processor_ratio']:.1f} | {code_ratio} | {asked} | {row['peak_mb']:.0f} |"
        )
    lines += [
        "",
        f"A process that only imports and builds the data peaks at {bare:.0f} MB.",
        "",
        "## What bounds the ratio",
        f"On one thread the published way spends {rows[0]['processor_ms']:.2f} ms of processor time on a test episode, nearly all of it in the overhead of small operations and in",
        f"building graphs. {TARGETS['meta-testing']} times faster is {allowed:.3f} ms. The arithmetic of both ways (seven products of "
        f"5 × {DIM} with {N_QUERY} queries, three",
        f"passes of the gradient network) is {flops / 1e6:.1f} MFLOP; at this machine's speed for large matrix products, {fast / 1e9:.0f} GFLOP/s on one "
        f"thread, that alone is",
        f"{1000 * flops / fast:.3f} ms. Calls of torch go over all rows of all tasks ({rows_mb:.1f} MB) once for each product, and one thread takes "
        f"{times.get(BY_TORCH, 0):.1f} times that long;",
        f"the machine code takes one task after the other, whose rows ({1000 * rows_mb / BATCH:.0f} KB) stay in the second-level cache, and "
        f"takes {times[SIDES[2]]:.1f} times that long. Training",
        "goes through the Gram matrix of the queries. See docs/log.md for what was tried.",
        "",
        f"Made by: `python -m benchmarks.speed --repetitions {arguments.repetitions} --threads {' '.join(map(str, arguments.threads))}{' --official CLONE' if arguments.official else ''}`, commit {commit()}, torch "
        f"{version('torch')}, {platform.machine()}.",
    ]
    write_text(arguments.out / "speed.md", "\n".join(lines) + "\n")
    said = {"repetitions": arguments.repetitions, "threads": arguments.threads}
    found = {"commit": commit(), "torch": version("torch"), "machine": platform.machine()}
    bounds = {"test_flops_per_episode": flops, "matrix_flops_per_second": fast, "bare_mb": bare}
    record = {"arguments": said, "provenance": found, "difference": difference, "rows": rows, **bounds}
    write_json(arguments.out / "speed.json", record)


def commit() -> str:
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
