"""Tasks per second of PT-MAP and TIM: ours beside EasyFSL's, at its shipped settings, in one run.

    python -m benchmarks.methods_speed [--tasks 1000] [--peer-tasks 20] [--threads 2] [--out results]

5-way 1-shot, 75 queries, 640 dimensions, features in memory. The slow peer solves fewer tasks, and its rate is what is compared. Each
side is timed three times, in turns, and the best of each counts: other work on the machine only ever slows a run; processor time, which
other work changes less, stands beside it. EasyFSL's PT-MAP does not scale features: how many steps its balancing takes, and whether its
kernel underflows, depends on their length, so it is timed at several. Writes methods_speed.md and methods_speed.json. Needs the extra
`peers`.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.peers import ROOT, clusters, easyfsl_methods, provenance, solve_with_peer
from sibyl.methods import build_method
from sibyl.storage import write_json, write_text

BATCH = 50  # tasks solved at once by ours
SETTINGS: dict[str, tuple[str, dict[str, object], str]] = {
    "PT-MAP": ("pt_map", {}, "published: 20 steps, centred (EasyFSL: 10 steps, not centred)"),
    "PT-MAP, EasyFSL's settings": ("pt_map", {"n_steps": 10, "centred": False, "unit_length": False}, "as EasyFSL"),
    "TIM": ("tim", {}, "published: alternating solver, 150 steps (EasyFSL: 50 steps of Adam)"),
    "TIM, EasyFSL's settings": (
        "tim",
        {"solver": "gradient", "temperature": 10.0, "support_weight": 1.0, "n_steps": 50},
        "50 steps of Adam as EasyFSL, with the paper's distance",
    ),
}


LENGTHS = (1.0, 0.6, 0.3)  # of the features; networks' own features are longer than 1


def best_of(work: Callable[[], None], so_far: tuple[float, float], n_tasks: int) -> tuple[float, float]:
    """Run once; return the better of the old and new (wall, processor) seconds per task."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    wall, processor = (time.perf_counter() - wall) / n_tasks, (time.process_time() - processor) / n_tasks
    return min(so_far[0], wall), min(so_far[1], processor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--peer-tasks", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    peer = easyfsl_methods()
    unit = clusters(arguments.tasks, n_shot=1).task
    remarks = {}

    def of_peer(kind: type, length: float) -> Callable[[], None]:
        few = unit.take(slice(0, arguments.peer_tasks))
        task = replace(few, support_x=few.support_x * length, query_x=few.query_x * length)

        def work() -> None:
            answers = [solve_with_peer(kind(), task, row) for row in range(task.n_tasks)]
            failed = sum(not bool(answer.isfinite().all()) for answer in answers)
            remarks[kind.__name__, length] = (
                f"shipped settings; NaN on {failed} of {task.n_tasks} tasks" if failed else "shipped settings"
            )

        return work

    def of_ours(name: str, settings: dict[str, object], length: float) -> Callable[[], None]:
        task = replace(unit, support_x=unit.support_x * length, query_x=unit.query_x * length)
        batches = [task.take(slice(first, first + BATCH)) for first in range(0, arguments.tasks, BATCH)]

        def work() -> None:
            method = build_method(name, settings)
            with torch.no_grad():
                for batch in batches:
                    method.solve(batch)

        return work

    runs: dict[tuple[str, float], tuple[Callable[[], None], int]] = {}
    for length in LENGTHS:
        runs["EasyFSL PTMAP", length] = of_peer(peer.PTMAP, length), arguments.peer_tasks
    runs["EasyFSL TIM", 1.0] = of_peer(peer.TIM, 1.0), arguments.peer_tasks
    for label, (name, settings, _) in SETTINGS.items():
        scaled = not settings.get("unit_length", True)  # the others scale features themselves: their length changes nothing
        for length in LENGTHS if scaled else LENGTHS[:1]:
            runs[label, length] = of_ours(name, settings, length), arguments.tasks
    best = dict.fromkeys(runs, (float("inf"), float("inf")))
    for _ in range(3):
        for key, (work, n_tasks) in runs.items():
            best[key] = best_of(work, best[key], n_tasks)
            print(f"{key[0]:30} length {key[1]:.1f} {1 / best[key][0]:10.2f} tasks/s", flush=True)
    found = provenance()
    lines = [
        "# Speed of PT-MAP and TIM",
        "",
        f"5-way 1-shot, 75 queries, 640 dimensions, features in memory; ours {arguments.tasks:,} tasks in batches of {BATCH}, EasyFSL",
        f"{arguments.peer_tasks} tasks one at a time (it has no batches); best of three runs in turns; {arguments.threads} threads, "
        f"{os.cpu_count()} cores, machine shared with other work.",
        "",
        "EasyFSL's PT-MAP takes features as they come. Its kernel exp(−λ d²) underflows for features of unit length and longer, as networks",
        "give them; it then runs all of its 1,000 balancing steps. The shorter the features, the earlier it stops. Ours (published settings)",
        "scales features itself.",
        "",
        "| method | feature length | tasks per second | processor ms per task | times EasyFSL's rate | by processor time | settings |",
        "|---|---|---|---|---|---|---|",
    ]
    table = []
    for (label, length), (wall, processor) in best.items():
        rival = "EasyFSL PTMAP" if "MAP" in label else "EasyFSL TIM"
        row = {"method": label, "length": length, "tasks_per_second": 1 / wall, "processor_seconds": processor}
        if label == rival:
            ratios: tuple[str, ...] = ("1", "1")
            remark = remarks[rival.removeprefix("EasyFSL "), length]
        else:
            remark = SETTINGS[label][2]
            against = [key for key in best if key[0] == rival and (key[1] == length or label == "PT-MAP")]
            by_wall, by_processor = ([best[key][which] / (wall, processor)[which] for key in against] for which in (0, 1))
            ratios = tuple(" / ".join(f"{ratio:.0f}" for ratio in each) for each in (by_wall, by_processor))
            row |= {"ratio": by_wall, "ratio_processor": by_processor}
        table.append(row)
        own = "any" if label in SETTINGS and SETTINGS[label][1].get("unit_length", True) else f"{length:g}"
        lines.append(f"| {label} | {own} | {1 / wall:,.1f} | {1000 * processor:.2f} | {ratios[0]} | {ratios[1]} | {remark} |")
    lines += [
        "",
        f"Several ratios: against EasyFSL at feature lengths {', '.join(f'{length:g}' for length in LENGTHS)}.",
        "PT-MAP passes 50 times at the lengths where the ratio says so, and not at the others.",
        "",
        f"Made by: `python -m benchmarks.methods_speed --tasks {arguments.tasks} --peer-tasks {arguments.peer_tasks} --threads "
        f"{arguments.threads}`; " + ", ".join(f"{key} {value}" for key, value in found.items()) + ".",
    ]
    write_text(arguments.out / "methods_speed.md", "\n".join(lines) + "\n")
    said = {key: value for key, value in vars(arguments).items() if key != "out"}
    write_json(arguments.out / "methods_speed.json", {"arguments": said, "provenance": found, "rows": table})


if __name__ == "__main__":
    main()
