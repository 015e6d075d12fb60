"""The page of universal SIB on test classes, from the record that `runs/universal_eval.py` leaves; nothing is measured.

    python runs/universal_page.py results/universal.json

writes ``universal.md`` and the pictures beside it. Every figure and every verdict comes from the record alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from universal_cells import (
    CORE,
    OURS,
    REST,
    Cells,
    best_rival,
    by_cell,
    inductive_pairs,
    lower_bound,
    mean_over,
    mixes,
    of_mix,
    points,
    ranking,
    slow_methods,
    with_trait,
)
from universal_pictures import draw_mixes, draw_reliability
from universal_standing import FIRMNESS_COLUMNS, MET, by_set, cells_that_repeat, firmness_line, standing
from universal_verdicts import distinct, pooled_ece, verdicts

from sibyl.storage import read_json, write_text

OUTLIER_METHODS = (OURS, "oslo", "class_mean", "anchored_means", "simple_shot")


def table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> list[str]:
    head = list(head)
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {' | '.join(line)} |" for line in lines)]


def cell_table(cells: Cells) -> list[str]:
    """Accuracy of every method in every cell, the best in bold; the interval of ours."""
    methods = list(dict.fromkeys(chain.from_iterable(cells.values())))
    if not methods:
        return ["Left out."]
    lines = []
    for cell, rows in cells.items():
        best = max(row["accuracy"] for row in rows.values())
        texts = []
        for name in methods:
            row = rows.get(name)
            text = "–" if row is None else f"{100 * row['accuracy']:.1f}"
            text += f" ± {100 * row['interval']:.1f}" if row is not None and name == OURS else ""
            texts.append(f"**{text}**" if row is not None and row["accuracy"] >= best - 1e-9 else text)
        lines.append([f"{cell} ({next(iter(rows.values()))['episodes']})", *texts])
    return table(["cell", *methods], lines)


def told_table(record: dict[str, Any]) -> list[str]:
    """For each balanced cell what ours gains over PT-MAP, TIM and the best rival that presumes balance."""
    presume, cells = with_trait(record, "assumes_balance", True), by_cell(record, "told")
    lines = []
    for cell, rows in cells.items():
        best = best_rival(rows, presume)
        lines.append([
            cell.removesuffix(", balanced, told balanced"), f"{100 * rows[OURS]['accuracy']:.2f}", points(rows["pt_map"]),
            points(rows["tim"]), best["method"], f"{100 * best['accuracy']:.2f}", points(best),
        ])  # fmt: skip
    best_mean, best_name = next((mean, name) for mean, name in ranking(cells, presume) if name != OURS)
    gains = [f"{mean_over(cells, name, 'lead'):+.2f}" for name in ("pt_map", "tim", best_name)]
    lines.append(["**mean**", f"{mean_over(cells, OURS):.2f}", gains[0], gains[1], best_name, f"{best_mean:.2f}", gains[2]])
    return table(["cell", OURS, "over PT-MAP", "over TIM", "best rival", "its accuracy", "over it"], lines)


def firmness_table(record: dict[str, Any]) -> list[str]:
    """How firmly ours leads under every mix, the data set being the unit."""
    core, told = by_cell(record, *CORE), by_cell(record, "told")
    parts = {"balanced, prior given": told} | {f"{mix}, no prior": distinct(record, mix) for mix in mixes(record)}
    sets = list(by_set(core))
    lines = [
        firmness_line(title, standing(cells, set(record["traits"]) - set(slow_methods(record))), sets)
        for title, cells in parts.items()
    ]
    text = table([*FIRMNESS_COLUMNS, *(f"without {name}" for name in sets)], lines)
    balanced = of_mix(core, "balanced")
    repeated = [cell for mix in mixes(record) for cell in cells_that_repeat(of_mix(core, mix), balanced)]
    text += [
        "",
        "Rivals are the methods of the record, none of which is trained; those that presume balance too. *By data set*: mean over data sets with its interval (Student's t);",
    ]
    text += ["columns *without*: our mean over the other data sets, and in bold who leads it where we do not."]
    if repeated:
        text += ["Left out, because every figure is that of the balanced cell (the classes hold too few items to be skewed): "]
        text[-1] += "; ".join(repeated) + "."
    return text


def met_table(record: dict[str, Any]) -> list[str]:
    """What of each test set the network had met."""
    known = [(name, *MET.get(name, ("not stated", "not stated"))) for name in by_set(by_cell(record, *CORE))]
    return table(["test set", "its encoder in training", "its items in training"], known)


def many_class_table(record: dict[str, Any]) -> list[str]:
    lines = [
        [cell, f"{100 * rows[OURS]['ece']:.1f}", f"{100 * rows[OURS]['accuracy']:.1f}"]
        for cell, rows in by_cell(record, "ways").items() if rows[OURS]["settings"]["way"] > 2
    ]  # fmt: skip
    return table(["cell", f"ECE of {OURS}, %", "accuracy, %"], lines) if lines else ["Left out."]


def margin_table(record: dict[str, Any]) -> list[str]:
    """For each inductive method the cell, told nothing, in which the lower bound of our gain over it is smallest."""
    pairs = inductive_pairs(record, *CORE, *REST)
    lines = []
    for name in sorted({row["method"] for _, row in pairs}):
        found = [(cell, row) for cell, row in pairs if row["method"] == name]
        cell, row = min(found, key=lambda pair: lower_bound(pair[1]))
        lines.append([name, str(len(found)), f"{lower_bound(row):+.2f}", points(row), cell])
    return table(["inductive method", "cells", "smallest lower bound", "gain there", "where"], lines)


def outlier_table(cells: Cells) -> list[str]:
    lines = []
    for cell, rows in cells.items():
        texts = [f"{100 * rows[name]['auroc']:.1f} ({100 * rows[name]['accuracy']:.1f})" for name in OUTLIER_METHODS]
        lines.append([cell, *texts, points(rows["oslo"], "auroc_lead")])
    return table(["cell", *OUTLIER_METHODS, "AUROC over OSLO's"], lines)


def calibration_tables(record: dict[str, Any]) -> list[str]:
    lines = []
    for mix, methods in record["calibration"]["bins"].items():
        n, sure, right = np.sum(methods[OURS], axis=0)
        lines.append([mix, f"{pooled_ece(methods[OURS]):.2f}", f"{100 * sure / n:.1f}", f"{100 * right / n:.1f}"])
    text = table(["mix", f"ECE of {OURS}, pooled, %", "mean confidence, %", "accuracy, %"], lines)
    text += ["", "NLL, beside inductive methods whose temperature was chosen on validation classes of the same encoder:", ""]
    cells: dict[str, dict[str, Any]] = {}
    for pair in record["calibration"]["nll"]:
        cells.setdefault(pair["cell"], {})[pair["method"]] = pair
    names = list(dict.fromkeys(chain.from_iterable(cells.values())))
    lines = []
    for cell, pairs in cells.items():
        texts = [f"{p['theirs']:.3f}" + (" (better)" if p["difference"] - p["interval"] > 0 else "") for p in pairs.values()]
        lines.append([cell, f"{next(iter(pairs.values()))['ours']:.3f}", *texts])
    return text + table(["cell", OURS, *names], lines)


def introduction(record: dict[str, Any]) -> list[str]:
    arguments, n_cells = record["arguments"], len(by_cell(record, *CORE))
    without = f" WITHOUT={','.join(arguments['without'])}" if arguments["without"] else ""
    slow = f" SLOW='{' '.join(f'{name}={most}' for name, most in arguments['slow'].items())}'" if arguments.get("slow") else ""
    lines = [
        "One network, shipped with the package, on test classes of four encoders and on raw pixels of digits. It",
        "was trained on none of these classes, but encoders and other classes of three data sets were in training",
        "(*What the network had met*). These test classes were read five times, and what to change was decided",
        "after reading some of them (docs/log.md): after the first reading the network was trained anew, because",
        "of many classes (659 of Omniglot, seen here first) among others; after the second the outlier score;",
        "after the third how few rows are answered, because anchored means were ahead under skew; after the",
        "fourth how their mix is counted, because label spreading was ahead on digits. Settings were chosen on",
        "validation classes. So these are not figures of a first look. All methods meet the same episodes (5-way,",
        "75 queries on average, seed 0). A difference is ours minus theirs in points, paired by episode; intervals",
        "are of Student's t.",
        "",
        f"Made by: `EPISODES={arguments['episodes']}{without}{slow} runs/universal_eval.sh`, commit {record['commit']}; {n_cells} cells in the core grid.",
    ]
    failures = [row for row in record["rows"] if "failure" in row]
    lines += ["", *(f"- {row['method']} failed, {row['cell']}: {row['failure']}" for row in failures)] if failures else []
    return lines


def page(record: dict[str, Any], name: str) -> str:
    """The record as Markdown; the pictures' names begin with `name`."""
    sections: dict[str, Callable[[], list[str]]] = {
        "What was asked, and what came": lambda: verdicts(record),
        "How firmly: the data set as the unit": lambda: firmness_table(record),
        "What the network had met": lambda: met_table(record),
        "By class mix": lambda: [f"![Accuracy by class mix: ours and the rivals]({name}_mixes.png)"],
        "Told that classes are balanced: beside PT-MAP, TIM and the best rival": lambda: told_table(record),
        "Told nothing: the smallest margin to each inductive method": lambda: margin_table(record),
        "Told nothing: every cell": lambda: cell_table(by_cell(record, *CORE)),
        "Told that classes are balanced: every cell": lambda: cell_table(by_cell(record, "told")),
        "A quarter of the queries belongs to no class": lambda: [
            "AUROC, and in brackets the accuracy on the items that belong to a class.", "", *outlier_table(by_cell(record, "outliers")),
        ],
        "Other numbers of classes": lambda: cell_table(by_cell(record, "ways")),
        "Numbers of unlabelled items (per class, 5-way 1-shot, balanced, told nothing)": lambda: cell_table(by_cell(record, "counts")),
        "Unequal shots (1 to 5 for each class, 5-way, Dirichlet 2)": lambda: cell_table(by_cell(record, "unequal")),
        "Calibration": lambda: [*calibration_tables(record), "", "With more classes:", "", *many_class_table(record), "", f"![Reliability]({name}_reliability.png)"],
    }  # fmt: skip
    lines = ["# Universal SIB on test classes", "", *introduction(record)]
    for title, body in sections.items():
        lines += ["", f"## {title}", "", *body()]
    return "\n".join(lines) + "\n"


def write_page(path: Path) -> list[str]:
    """Write page and pictures beside a record and return the verdicts."""
    record = read_json(path)
    write_text(path.with_suffix(".md"), page(record, path.stem))
    cells = by_cell(record, *CORE)
    columns = {mix: of_mix(cells, mix) for mix in mixes(record)}
    draw_mixes(columns, with_trait(record, "assumes_balance", False), path.with_name(f"{path.stem}_mixes.png"), ours=OURS)
    draw_reliability(record["calibration"]["bins"], path.with_name(f"{path.stem}_reliability.png"), ours=OURS)
    return verdicts(record)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, help="results/universal.json")
    print("\n".join(write_page(parser.parse_args().record)))


if __name__ == "__main__":
    main()
