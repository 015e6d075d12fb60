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
    with_trait,
)
from universal_standing import cells_that_repeat, standing

MARGIN = 0.5  # points that a lower bound may lie below zero and still count as not inferior
ECE_LIMIT = 3.0


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
    """Count the comparisons with inductive methods that are stronger today than in the record, in words."""
    pairs = safe_pairs(record, *parts)
    if "tim_skew" in record["traits"]:
        return {}
    counted = {
        "SimpleShot without the training classes' mean": sum(row["method"] == "simple_shot" for _, row in pairs),
        "logistic regression whose bias followed unequal shots": sum(
            row["method"] == "logistic_regression" and row["part"] == "unequal" for _, row in pairs
        ),
    }
    return {words: number for words, number in counted.items() if number}


def firmness(record: dict[str, Any], cells: Cells) -> str:
    """Say how firmly ours leads all other methods in these cells; the page's table has the rest."""
    found = standing(cells, record["traits"])
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
        verdict_safe(record, "5-way at every mix", *CORE),
        verdict_safe(record, "with outliers, unequal shots, other numbers of classes or of unlabelled items", *REST),
        verdict_outliers(record),
        *verdicts_calibration(record),
    ]
