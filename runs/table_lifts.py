"""Which lifts the answer for a table of few columns is a mean of: results/table_lifts.md, from made-up tables alone.

    python runs/table_lifts.py [--tables 10] [--out results] [--record table_lifts.jsonl]

Tables are those of `made_tables`, so many of each kind for each number of columns, one labelled row a class in half of them and five in
the others. The probabilities of each solve are combined in all ways that `MEANS` names. The run can be stopped at any time: what was
measured stands in the record, a line a table.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from experiment import RESULTS, arguments_of, commit, percent, write_record
from made_tables import KINDS, Codes, Kind, made_table

from sibyl.methods.lifts import KernelLift, Lift
from sibyl.methods.named import DEFAULT_METHOD, method_by_name
from sibyl.storage import Json, cache_folder, write_text
from sibyl.tasks import Task
from sibyl.transduction.tables import lifts_of, table_temperature
from sibyl.transduction.transduce import transduce

COLUMNS = ((2, 15), (16, 40))
SHOTS = (1, 5)
MEANS: dict[str, tuple[str, ...]] = {
    "as they are": ("plain",),
    "sphere": ("sphere",),
    "kernel": ("kernel",),
    "half width": ("half width",),
    "as they are, sphere": ("plain", "sphere"),
    "as they are, kernel": ("plain", "kernel"),
    "sphere, kernel": ("sphere", "kernel"),
    "sphere, half width": ("sphere", "half width"),
    "as they are, sphere, kernel": ("plain", "sphere", "kernel"),
    "as they are, sphere, half width": ("plain", "sphere", "half width"),
    "all four": ("plain", "sphere", "kernel", "half width"),
}
SHIPPED = "as it ships"  # the mean of three at the temperature of the table's columns
Rows = npt.NDArray[np.float32]


def lifted(x: Rows, codes: Codes) -> dict[str, Rows]:
    """Return the rows under each lift."""
    known = codes >= 0
    support_x, query_x = (torch.from_numpy(part)[None] for part in (x[known], x[~known]))
    sphere, kernel = lifts_of(Task(support_x, torch.from_numpy(codes[known])[None], query_x, int(codes.max()) + 1))
    narrow = KernelLift.of(kernel.landmarks[0] + kernel.centre[0], kernel.centre, 0.5)
    lifts: dict[str, Lift] = {"sphere": sphere, "kernel": kernel, "half width": narrow}
    return {"plain": x} | {name: lift(torch.from_numpy(x)[None])[0].numpy() for name, lift in lifts.items()}


def measured(kind: Kind, columns: tuple[int, int], seed: int) -> Json:
    """Return accuracy, stated confidence and log loss of each mean on one table."""
    x, truth = made_table(kind, columns, seed)
    draw, n_shot = np.random.default_rng(seed), SHOTS[seed % 2]
    codes = np.full(len(truth), -1)
    for one in range(int(truth.max()) + 1):
        known = draw.permutation(np.flatnonzero(truth == one))[:n_shot]
        codes[known] = one
    right, n_way = truth[codes < 0], int(truth.max()) + 1
    method = method_by_name(DEFAULT_METHOD, x.shape[1], n_way)
    said = {
        name: transduce(rows, codes, n_way, method).solution.probabilities[0].double().numpy()
        for name, rows in lifted(x, codes).items()
    }
    found: Json = {"kind": kind.__name__, "columns": list(columns), "seed": seed, "shots": n_shot, "means": {}}
    for name, parts in (*MEANS.items(), (SHIPPED, MEANS["as they are, sphere, kernel"])):
        mean = np.mean([said[part] for part in parts], 0)
        if name == SHIPPED:
            mean = mean ** (1 / table_temperature(x.shape[1]))
            mean /= mean.sum(1, keepdims=True)
        of_truth = mean[np.arange(len(right)), right]
        found["means"][name] = [
            float((mean.argmax(1) == right).mean()), float(mean.max(1).mean()), float(-np.log(of_truth.clip(1e-3)).mean()),
        ]  # fmt: skip
    return found


def page(rows: list[Json], n_tables: int) -> str:
    """Write what the record holds."""
    text = [
        "# The lifts for tables of few columns",
        "",
        f"Made-up tables ({', '.join(kind.__name__ for kind in KINDS)}), {n_tables} of each kind for each number of columns, one or five",
        "labelled rows a class. *Gain*: points over the rows as they are, paired, ± half the 95 % interval (Student's t). *Worse*, *better*:",
        "tables that lose or gain more than two points. *Over*: mean confidence less accuracy. *Loss*: mean log loss. These tables",
        "are those that the lifts were chosen on.",
    ]
    for columns in COLUMNS:
        some = [row for row in rows if row["columns"] == list(columns)]
        text += ["", f"## {columns[0]} to {columns[1]} columns, {len(some)} tables", ""]
        text += ["| mean of | accuracy | gain | worse | better | over | loss |", "|---|---|---|---|---|---|---|"]
        base = np.array([row["means"]["as they are"][0] for row in some])
        for name in (*MEANS, SHIPPED):
            accuracy, stated, loss = np.array([row["means"][name] for row in some]).T
            mean, half = percent(accuracy - base)
            text.append(
                f"| {name} | {100 * accuracy.mean():.1f} | {mean:+.1f} ± {half:.1f} | {(accuracy < base - 0.02).sum()} | "
                f"{(accuracy > base + 0.02).sum()} | {100 * (stated - accuracy).mean():+.1f} | {loss.mean():.3f} |"
            )
    text += ["", "## Accuracy by kind", "", f"| kind | {' | '.join(MEANS)} |", "|" + "---|" * (len(MEANS) + 1)]
    for kind in KINDS:
        some = [row for row in rows if row["kind"] == kind.__name__]
        means = (100 * np.mean([row["means"][name][0] for row in some]) for name in MEANS)
        text.append(f"| {kind.__name__} | {' | '.join(f'{mean:.1f}' for mean in means)} |")
    text += ["", f"Made by: `python runs/table_lifts.py --tables {n_tables}`, commit {commit()}."]
    return "\n".join(text) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=10)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--record", type=Path, default=cache_folder() / "table_lifts.jsonl")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = arguments.record.read_text().splitlines() if arguments.record.is_file() else []
    known = {(row["kind"], tuple(row["columns"]), row["seed"]): row for row in map(json.loads, lines)}
    rows = []
    for seed in range(arguments.tables):
        for columns in COLUMNS:
            for kind in KINDS:
                row = known.get((kind.__name__, columns, seed))
                if row is None:
                    row = measured(kind, columns, seed)
                    arguments.record.parent.mkdir(parents=True, exist_ok=True)
                    with arguments.record.open("a") as record:
                        record.write(json.dumps(row) + "\n")
                rows.append(row)
        print(f"{len(rows)} tables", flush=True)
    write_text(arguments.out / "table_lifts.md", page(rows, arguments.tables))
    write_record(arguments.out / "table_lifts.json", ("torch", "numpy"), arguments=arguments_of(arguments), results=rows)


if __name__ == "__main__":
    main()
