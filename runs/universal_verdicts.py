"""What was asked of universal SIB and what came, from the record that `runs/universal_eval.py` leaves, line by line."""

from __future__ import annotations

from typing import Any

import numpy as np
from universal_cells import (
    CORE,
    OURS,
    REST,
    Cells,
    Row,
    best_rival,
    by_cell,
    inductive_pairs,
    lower_bound,
    mixes,
    of_mix,
    points,
    slow_methods,
    with_trait,
)
from universal_standing import cells_that_repeat, standing

MARGIN = 0.5  # points that a lower bound may lie below zero and still count as not inferior
ECE_LIMIT = 3.0
PRESUME_NOTHING = ("anchored_means", "laplacian_shot", "paddle", "label_spreading")


def failing(behind: list[str]) -> str:
    return "." if not behind else ":\n" + "\n".join(f"  - {line}" for line in behind)


def distinct(record: dict[str, Any], mix: str) -> Cells:
    """Cells of the core grid with this mix, less those whose queries could not be skewed."""
    core = by_cell(record, *CORE)
    cells = of_mix(core, mix)
    repeated = cells_that_repeat(cells, of_mix(core, "balanced"))
    return {cell: rows for cell, rows in cells.items() if cell not in repeated}


def safe_pairs(record: dict[str, Any], *parts: str) -> list[tuple[str, Row]]:
    """Every inductive method in every cell, less the cells of the core grid that repeat the balanced one."""
    core = by_cell(record, *CORE)
    balanced = of_mix(core, "balanced")
    repeated = {cell for mix in mixes(record) for cell in cells_that_repeat(of_mix(core, mix), balanced)}
    return [(cell, row) for cell, row in inductive_pairs(record, *parts) if cell not in repeated]


def weak_pairs(record: dict[str, Any], *parts: str) -> dict[str, int]:
    """Count the comparisons with inductive methods that are weaker than they can be, in words."""
    pairs = safe_pairs(record, *parts)
    counted = {"SimpleShot without the training classes' mean": sum(row["method"] == "simple_shot" for _, row in pairs)}
    return {words: number for words, number in counted.items() if number}


def firmness(record: dict[str, Any], cells: Cells) -> str:
    """Say how firmly ours leads all other methods in these cells; the page's table has the rest."""
    found = standing(cells, set(record["traits"]) - set(slow_methods(record)))
    order = "first on the mean, whichever data set is left out" if found.first_without_any else "first on the mean"
    order = order if found.ours >= found.rival else "**not first** on the mean"
    return (
        f"{order}: ours {found.ours:.2f}, best rival {found.rival_name} {found.rival:.2f}, {found.lead:+.2f} ± {found.half:.2f} over {found.sets} "
        f"data sets; best in {found.cells_won} of {found.cells} cells, {found.sets_won} of {found.sets} data sets"
    )  # fmt: skip


def verdict_told(record: dict[str, Any]) -> str:
    presume, cells = with_trait(record, "assumes_balance", True), by_cell(record, "told")
    rivals = {cell: best_rival(rows, presume) for cell, rows in cells.items()}
    behind = [f"{cell}: {row['method']} {points(row)}" for cell, row in rivals.items() if lower_bound(row) <= -MARGIN]
    return (
        f"- **Balanced, prior given**: {firmness(record, cells)}. Not inferior (paired lower bound "
        f"above −{MARGIN}) to the best rival that presumes balance in {len(cells) - len(behind)} of {len(cells)} cells" + failing(behind)
    )  # fmt: skip


def verdict_mix(record: dict[str, Any], mix: str) -> str:
    return f"- **No prior, {mix}**: {firmness(record, distinct(record, mix))}."


def beside_named(record: dict[str, Any]) -> tuple[int, dict[str, Row]]:
    """Return how many cells have no prior, and those in which ours is significantly behind the best that presumes nothing: its row."""
    cells = {cell: rows for mix in mixes(record) for cell, rows in distinct(record, mix).items()}
    best = {cell: best_rival(rows, PRESUME_NOTHING) for cell, rows in cells.items()}
    return len(cells), {cell: row for cell, row in best.items() if row["lead"] + row["lead_interval"] < 0}


def verdict_named(record: dict[str, Any]) -> str:
    """Say in how many cells with no prior ours is first of those that presume nothing, or not clearly behind the best of them."""
    n_cells, behind = beside_named(record)
    return (
        f"- **No prior, beside those that presume nothing** ({', '.join(PRESUME_NOTHING)}): first, or not significantly behind the best of them "
        f"in the cell, in {n_cells - len(behind)} of {n_cells} cells" + failing([f"{cell}: {row['method']} {points(row)}" for cell, row in behind.items()])
    )  # fmt: skip


def verdicts_slow(record: dict[str, Any]) -> list[str]:
    """Set ours beside slow methods over the episodes that they met."""
    lines = []
    for name, most in slow_methods(record).items():
        rows = [row for row in record["rows"] if row["method"] == name and "failure" not in row and row["part"] in ("told", *CORE)]
        told = [row for row in rows if row["part"] == "told"]
        if not told:
            continue
        behind = [f"{row['cell']} {points(row)}" for row in told if row["lead"] + row["lead_interval"] < 0]
        means = [
            f"{mix} {100 * float(np.mean([row['lead'] for row in rows if row['part'] == 'core' and row['settings']['mix'] == mix])):+.1f}"
            for mix in mixes(record)
        ]
        lines.append(
            f"- **Slow: {name}**, on the first {most} episodes of each cell, and so not among the rivals of the other lines and tables: with the prior "
            f"given {100 * float(np.mean([row['lead'] for row in told])):+.1f} points on the mean, significantly behind it in {len(behind)} of "
            f"{len(told)} cells{' (' + '; '.join(behind) + ')' if behind else ''}; with no prior {', '.join(means)}."
        )  # fmt: skip
    return lines


def verdict_safe(record: dict[str, Any], words: str, *parts: str) -> str:
    pairs = safe_pairs(record, *parts)
    behind = [f"{cell}: {row['method']} {points(row)}" for cell, row in pairs if lower_bound(row) <= -MARGIN]
    counted = f"{len(pairs) - len(behind)} of {len(pairs)} comparisons"
    weak = "; ".join(f"{number} of them with {what}" for what, number in weak_pairs(record, *parts).items())
    counted += f" ({weak}: no strong rivals)" if weak else ""
    return (
        f"- **On the mean not inferior within half a point**, {words}: not inferior to an inductive method, by name, in {counted}"
        + failing(behind)
    )


def verdict_outliers(record: dict[str, Any]) -> str:
    cells = by_cell(record, "outliers")
    behind = [f"{cell}: {points(rows['oslo'], 'auroc_lead')}" for cell, rows in cells.items() if rows["oslo"]["auroc_lead"] < 0]
    return f"- **Outliers**: AUROC at or above OSLO's in {len(cells) - len(behind)} of {len(cells)} cells" + failing(behind)


def pooled_ece(bins: list[list[float]]) -> float:
    """Expected calibration error in % of pooled bins: queries, sum of confidences, number right."""
    counts = np.array(bins)
    return float(100 * np.abs(counts[:, 1] - counts[:, 2]).sum() / counts[:, 0].sum())


def many_class_errors(record: dict[str, Any]) -> dict[int, tuple[float, float]]:
    """Number of classes → smallest and largest expected calibration error of ours among the cells, in %."""
    found: dict[int, list[float]] = {}
    for rows in by_cell(record, "ways").values():
        found.setdefault(rows[OURS]["settings"]["way"], []).append(100 * rows[OURS]["ece"])
    return {way: (min(values), max(values)) for way, values in sorted(found.items())}


def cell_errors(record: dict[str, Any]) -> dict[str, float]:
    """Largest expected calibration error of ours in a single cell of five classes, in %, for each part of the record."""
    parts = {
        "with no prior": "core",
        "with the prior given": "told",
        "with outliers": "outliers",
        "with other numbers of items": "counts",
    }
    return {
        words: max(100 * rows[OURS]["ece"] for rows in cells.values())
        for words, part in parts.items()
        if (cells := by_cell(record, part))
    }


def verdicts_calibration(record: dict[str, Any]) -> list[str]:
    errors = {mix: pooled_ece(methods[OURS]) for mix, methods in record["calibration"]["bins"].items()}
    high = [f"{mix} {value:.2f} %" for mix, value in errors.items() if value > ECE_LIMIT]
    pairs = record["calibration"]["nll"]
    worse = [
        f"{pair['cell']}: {pair['method']} with temperature {pair['temperature']:.3g}, {pair['difference']:+.3f} ± {pair['interval']:.3f}"
        for pair in pairs if pair["difference"] - pair["interval"] > 0
    ]  # fmt: skip
    many = many_class_errors(record)
    return [
        "- **Calibration at five classes**: ECE, pooled per mix, " + ", ".join(f"{mix} {value:.2f} %" for mix, value in errors.items())
        + (f"; above {ECE_LIMIT:g} %: {', '.join(high)}" if high else f"; at most {ECE_LIMIT:g} % in each pool")
        + ". In single cells up to " + ", ".join(f"{value:.1f} % {words}" for words, value in cell_errors(record).items()) + ".",
        "- **Calibration at other numbers of classes**: ECE "
        + ("; ".join(f"{way}-way {low:.1f} to {high:.1f} %" for way, (low, high) in many.items()) or "not measured") + ".",
        f"- **NLL** significantly worse than a temperature-scaled inductive method in {len(worse)} of {len(pairs)} comparisons" + failing(worse),
    ]  # fmt: skip


def verdicts(record: dict[str, Any]) -> list[str]:
    """What was asked of the network, and whether it came, line by line."""
    return [
        verdict_told(record),
        *(verdict_mix(record, mix) for mix in mixes(record)),
        *([verdict_named(record)] if set(PRESUME_NOTHING) <= set(record["traits"]) else []),
        *verdicts_slow(record),
        verdict_safe(record, "5-way at every mix", *CORE),
        verdict_safe(record, "with outliers, unequal shots, other numbers of classes or of unlabelled items", *REST),
        verdict_outliers(record),
        *verdicts_calibration(record),
    ]
