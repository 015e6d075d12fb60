"""Whole piles of classes that no training met, one label per class, told nothing: results/piles.md and piles.json.

    python runs/piles.py NAME=DIR … [--items 2500] [--draws 10] [--out results]
    python runs/piles.py --page-only

DIR is a folder of features (`sibyl embed`, runs/piles_features.py); digits come along. Ten piles are drawn of each set: all of its classes
or at most 150, sizes over a factor of four where a class has items enough, one random labelled item each. What the record holds is not
measured again: of a new method, only its column is added, on the same piles, of as many items as they have; `--anew` forgets the record.
The page is made from the record alone.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from experiment import ROOT, commit, span
from pile_draws import Pile, draw_pile
from torch import Tensor

from sibyl.cli.progress import progress_bar
from sibyl.datasets.digits import digit_features
from sibyl.evaluation import interval
from sibyl.features import Features
from sibyl.methods.named import method_by_name
from sibyl.storage import Json, read_json, write_json, write_text
from sibyl.tasks import Task

OURS, ALONE = "universal_sib", "universal_sib alone"
RIVALS = ("class_mean", "label_spreading", "anchored_means", "pt_map", "tim", "bms", "soft_kmeans")
MOST_WAYS = 150
SAME = 0.002  # accuracies of class means on the record's features and on these: an encoder's rounding moves an item or two


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", nargs="*", metavar="NAME=DIR")
    parser.add_argument("--items", type=int, default=2500, help="of a pile, at most; those of the record keep theirs")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    parser.add_argument("--anew", action="store_true")
    parser.add_argument("--page-only", action="store_true", help="write the page from piles.json; nothing is measured")
    arguments = parser.parse_args()
    path = arguments.out / "piles.json"
    if arguments.page_only:
        write_text(arguments.out / "piles.md", page(read_json(path)))
        return
    if not arguments.features:
        parser.error("no features; expected NAME=DIR, folders that sibyl embed has written, or --page-only")
    folders = {name: Path(path) for name, _, path in (text.partition("=") for text in arguments.features)}
    sets = {name: Features.load(folder) for name, folder in folders.items()} | {"digits-pixels": digit_features()}
    record: Json = read_json(path) if path.is_file() and not arguments.anew else {}
    for name, features in sets.items():
        found = record.setdefault(name, {"most_items": arguments.items, "draws": [{} for _ in range(arguments.draws)]})
        missing = [method for method in (OURS, *RIVALS) if method not in found["draws"][0]]
        if missing:
            measure(name, found, missing, features)
            found["commits"] = found.get("commits", {}) | {method: commit() for method in missing}
            write_json(path, record)
    write_text(arguments.out / "piles.md", page(record))


@torch.no_grad()
def measure(name: str, found: Json, missing: list[str], features: Features) -> None:
    """Add the missing methods to every draw of a set; refuse features that are not those of the record."""
    n_way = min(MOST_WAYS, len(features.class_names))
    methods = {method: method_by_name(method, features.dim, n_way) for method in missing}
    with progress_bar(name) as report:
        for draw, row in enumerate(found["draws"]):
            task, y = draw_pile(replace(Pile(name, n_way, found["most_items"]), seed=1000 + draw), features)
            if row and (row["items"] != len(y) or abs(accuracy_of(row, "class_mean") - answer_of("class_mean", task, y)) > SAME):
                raise SystemExit(f"{name}: draw {draw} is not the pile of the record; --anew measures everything anew")
            sizes = torch.bincount(y, minlength=task.n_way)
            row |= {"items": len(y), "classes": task.n_way, "sizes": [int(sizes.min()), int(sizes.max())]}
            for method, solver in methods.items():
                solution = solver.solve(task)
                answers = {method: solution.logits}
                if method == OURS and solution.inductive_logits is not None:
                    answers[ALONE] = solution.inductive_logits
                for key, logits in answers.items():
                    best = logits[0].softmax(-1).max(-1)
                    row[key] = {"accuracy": float((best.indices == y).double().mean()), "stated": float(best.values.mean())}
            report(draw + 1, len(found["draws"]))


def accuracy_of(row: Json, method: str) -> float:
    return float(row[method]["accuracy"])


def answer_of(method: str, task: Task, y: Tensor) -> float:
    """Accuracy of a method without settings."""
    logits = method_by_name(method, task.support_x.shape[-1], task.n_way).solve(task).logits
    return float((logits[0].argmax(-1) == y).double().mean())


def page(record: Json) -> str:
    columns = (*RIVALS, ALONE, OURS)
    n_draws, n_items = (
        span(counts) for counts in zip(*((len(one["draws"]), one["most_items"]) for one in record.values()), strict=True)
    )
    lines = [
        "# Whole piles",
        "",
        f"{n_draws} piles of up to {n_items} items of each set, all of its classes or {MOST_WAYS}. Sizes are drawn over a factor of",
        "four, and cut where a class has too few items; *sizes*: the smallest and the largest class, mean over",
        "piles. One random labelled item per class, class mix not given; PT-MAP and TIM presume an even one.",
        "Accuracy on the other items in %; *alone* is the network's own inductive answer; *stated* is the mean",
        "confidence of universal SIB. Differences are paired by pile, with 95 % intervals (Student's t) over the",
        "piles of one set, not corrected for the number of comparisons. Rivals stand at their default settings.",
        "No training met these classes, which were read five times, with changes between (docs/log.md); the",
        "columns pt_map, tim, bms and soft_kmeans were added later, on the same piles.",
        "SqueezeNet has seen ImageNet, MiniLM the web, the Conv-4 other classes of CIFAR-100.",
        "",
        "| pile | classes | items | sizes | " + " | ".join(columns) + " | stated |",
        "|---" * (len(columns) + 5) + "|",
    ]
    means: dict[str, list[float]] = {column: [] for column in columns}
    beside, clear = [], {}
    for name, found in record.items():
        draws = found["draws"]
        accuracy = {column: np.array([100 * draw[column]["accuracy"] for draw in draws]) for column in columns}
        stated = 100 * np.mean([draw[OURS]["stated"] for draw in draws])
        for column in columns:
            means[column].append(float(accuracy[column].mean()))
        best = max(columns, key=lambda column: accuracy[column].mean())
        cells = [f"**{accuracy[column].mean():.1f}**" if column == best else f"{accuracy[column].mean():.1f}" for column in columns]
        items = round(float(np.mean([draw["items"] for draw in draws])))
        lines.append(
            f"| {name} | {draws[0]['classes']} | {items:,} | {sizes_of(draws)} | " + " | ".join(cells) + f" | {stated:.1f} |"
        )
        leads = {rival: interval(accuracy[OURS] - accuracy[rival]) for rival in (*RIVALS, ALONE)}
        off = stated - accuracy[OURS].mean()
        beside.append(
            f"| {name} | " + " | ".join(f"{lead:+.1f} ± {width:.1f}" for lead, width in leads.values()) + f" | {off:+.1f} |"
        )
        rival = max(RIVALS, key=lambda column: accuracy[column].mean())
        clear[name] = (rival, *leads[rival])
    lines.append("| **mean** | | | | " + " | ".join(f"{np.mean(means[column]):.1f}" for column in columns) + " | |")
    lines += [
        "",
        "| universal SIB over | " + " | ".join((*RIVALS, ALONE)) + " | stated less true |",
        "|---" * (len(RIVALS) + 3) + "|",
        *beside,
        "",
        "Beside the best rival of each pile, in hindsight:",
        "",
        *(f"- {name}: {rival}, {lead:+.1f} ± {width:.1f}{words(lead, width)}" for name, (rival, lead, width) in clear.items()),
    ]
    return "\n".join([*lines, "", f"Made by: `runs/piles.sh`, {commits(record)}.", ""])


def sizes_of(draws: list[Json]) -> str:
    smallest, largest = np.mean([draw["sizes"] for draw in draws], 0)
    return f"{smallest:.0f} to {largest:.0f}"


def words(lead: float, width: float) -> str:
    return "" if abs(lead) > width else ", not clear of zero"


def commits(record: Json) -> str:
    """Say at which commit each method was measured."""
    by: dict[str, list[str]] = {}
    for found in record.values():
        for method in (OURS, *RIVALS):
            by.setdefault(found["commits"][method], []).append(method)
    return "; ".join(f"commit {one} ({', '.join(dict.fromkeys(methods))})" for one, methods in by.items())


if __name__ == "__main__":
    main()
