"""Whole piles of classes that no training met, one label per class, told nothing: results/piles.md and piles.json.

    python runs/piles.py NAME=DIR … [--items 3000] [--draws 10] [--out results]

DIR is a folder of features (`sibyl embed`, runs/piles_features.py); digits come along. Ten piles are drawn of each set: all of its classes
or at most 150, sizes over a factor of four, one random labelled item each. What was measured once is kept beside the record.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pile_draws import Pile, draw_pile

from sibyl.cli.progress import progress_bar
from sibyl.datasets.digits import digit_features
from sibyl.evaluation import interval
from sibyl.features import Features
from sibyl.methods.named import method_by_name
from sibyl.storage import Json, read_json, write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
OURS, ALONE = "universal_sib", "universal_sib alone"
RIVALS = ("class_mean", "label_spreading", "anchored_means")
BESIDE = (*RIVALS, ALONE)
MOST_WAYS = 150


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", nargs="+", metavar="NAME=DIR")
    parser.add_argument("--items", type=int, default=3000)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    parser.add_argument("--only", default="", help="measure these sets alone, names with commas between; the page has all")
    arguments = parser.parse_args()
    folders = {name: Path(path) for name, _, path in (text.partition("=") for text in arguments.features)}
    sets = {name: Features.load(folder) for name, folder in folders.items()} | {"digits-pixels": digit_features()}
    wanted = arguments.only.split(",") if arguments.only else list(sets)
    record: Json = {}
    for name, features in sets.items():
        file = arguments.out / "piles" / f"{name}.json"
        if name in wanted and not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, measure(name, features, arguments.items, arguments.draws))
        if file.is_file():
            record[name] = read_json(file)
    if len(record) == len(sets):
        write_json(arguments.out / "piles.json", record)
        write_text(arguments.out / "piles.md", "\n".join(page(record, arguments.items, arguments.draws)) + "\n")


@torch.no_grad()
def measure(name: str, features: Features, n_items: int, n_draws: int) -> Json:
    found: Json = {"draws": []}
    n_way = min(MOST_WAYS, len(features.class_names))
    methods = {method: method_by_name(method, features.dim, n_way) for method in (OURS, *RIVALS)}
    with progress_bar(name) as report:
        for draw in range(n_draws):
            task, y = draw_pile(replace(Pile(name, n_way, n_items), seed=1000 + draw), features)
            row: Json = {"items": len(y), "classes": task.n_way}
            for method, solver in methods.items():
                solution = solver.solve(task)
                answers = {method: solution.logits} | ({ALONE: solution.inductive_logits} if method == OURS else {})
                for key, logits in answers.items():
                    best = logits[0].softmax(-1).max(-1)
                    row[key] = {"accuracy": float((best.indices == y).double().mean()), "stated": float(best.values.mean())}
            found["draws"].append(row)
            report(draw + 1, n_draws)
    return found


def page(record: Json, n_items: int, n_draws: int) -> list[str]:
    columns = (*RIVALS, ALONE, OURS)
    lines = [
        "# Whole piles",
        "",
        f"{n_draws} piles of up to {n_items:,} items of each set, all of its classes or {MOST_WAYS}, sizes over a factor of four, one random labelled",
        "item per class, class mix not given. Accuracy on the other items in %; *alone* is the network's own inductive answer; *stated* is the mean",
        "confidence of universal SIB. Differences are paired by pile, with 95 % intervals (Student's t). No training met these classes, which were",
        "read twice (docs/log.md); SqueezeNet has seen ImageNet, MiniLM the web, the Conv-4 other classes of CIFAR-100.",
        "",
        "| pile | classes | items | " + " | ".join(columns) + " | stated |",
        "|---" * (len(columns) + 4) + "|",
    ]
    means: dict[str, list[float]] = {column: [] for column in columns}
    beside = []
    for name, found in record.items():
        draws = found["draws"]
        accuracy = {column: np.array([100 * draw[column]["accuracy"] for draw in draws]) for column in columns}
        stated = 100 * np.mean([draw[OURS]["stated"] for draw in draws])
        for column in columns:
            means[column].append(float(accuracy[column].mean()))
        best = max(columns, key=lambda column: accuracy[column].mean())
        cells = [f"**{accuracy[column].mean():.1f}**" if column == best else f"{accuracy[column].mean():.1f}" for column in columns]
        items = round(float(np.mean([draw["items"] for draw in draws])))
        lines.append(f"| {name} | {draws[0]['classes']} | {items:,} | " + " | ".join(cells) + f" | {stated:.1f} |")
        leads = [interval(accuracy[OURS] - accuracy[rival]) for rival in BESIDE]
        off = stated - accuracy[OURS].mean()
        beside.append(f"| {name} | " + " | ".join(f"{lead:+.1f} ± {width:.1f}" for lead, width in leads) + f" | {off:+.1f} |")
    lines.append("| **mean** | | | " + " | ".join(f"{np.mean(means[column]):.1f}" for column in columns) + " | |")
    lines += [
        "",
        "| universal SIB over | " + " | ".join(BESIDE) + " | stated less true |",
        "|---" * (len(BESIDE) + 2) + "|",
        *beside,
    ]
    return [*lines, "", "Made by: `runs/piles.sh`."]


if __name__ == "__main__":
    main()
