"""What was asked of universal SIB and what came, from the record that `runs/universal_eval.py` leaves, line by line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

OURS = "universal_sib"
MARGIN = 0.5  # points that a lower bound may lie below zero and still count as not inferior
ECE_LIMIT = 3.0
CORE, REST = ("core",), ("outliers", "ways", "counts", "unequal")
Row = dict[str, Any]
Cells = dict[str, dict[str, Row]]


def by_cell(record: dict[str, Any], *parts: str) -> Cells:
    """Cell → method → row, of the parts named, without methods that failed."""
    cells: Cells = {}
    for row in record["rows"]:
        if row["part"] in parts and "failure" not in row:
            key = row["cell"] if len(parts) == 1 else f"{row['cell']} ({row['part']})"
            cells.setdefault(key, {})[row["method"]] = row
    return cells


def of_mix(cells: Cells, mix: str) -> Cells:
    return {cell: rows for cell, rows in cells.items() if rows[OURS]["settings"]["mix"] == mix}


def mixes(record: dict[str, Any]) -> list[str]:
    return list(record["calibration"]["bins"])


def with_trait(record: dict[str, Any], trait: str, value: bool) -> set[str]:
    return {name for name, traits in record["traits"].items() if traits[trait] is value and name != OURS}


def mean_over(cells: Cells, name: str, key: str = "accuracy") -> float:
    return 100 * float(np.mean([rows[name][key] for rows in cells.values()]))


def ranking(cells: Cells, names: Iterable[str]) -> list[tuple[float, str]]:
    """Mean accuracy over cells of those methods that are in all of them, and ours; best first."""
    present = [name for name in {OURS, *names} if all(name in rows for rows in cells.values())]
    return sorted(((mean_over(cells, name), name) for name in present), reverse=True)


def points(row: Row, key: str = "lead") -> str:
    return f"{100 * row[key]:+.2f} ± {100 * row[f'{key}_interval']:.2f}"


def lower_bound(row: Row) -> float:
    return 100 * (row["lead"] - row["lead_interval"])


def best_rival(rows: dict[str, Row], names: Iterable[str]) -> Row:
    return max((rows[name] for name in names if name in rows), key=lambda row: float(row["accuracy"]))


def listing(ranked: list[tuple[float, str]], most: int = 5) -> str:
    return ", ".join(f"{name} {mean:.2f}" for mean, name in ranked[:most])


def failing(behind: list[str]) -> str:
    return "." if not behind else ":\n" + "\n".join(f"  - {line}" for line in behind)


def inductive_pairs(record: dict[str, Any], *parts: str) -> list[tuple[str, Row]]:
    """Every inductive method in every cell: the cell and its row."""
    names = with_trait(record, "transductive", False)
    return [(cell, rows[name]) for cell, rows in by_cell(record, *parts).items() for name in rows if name in names]


def verdict_told(record: dict[str, Any]) -> str:
    presume, cells = with_trait(record, "assumes_balance", True), by_cell(record, "told")
    rivals = {cell: best_rival(rows, presume) for cell, rows in cells.items()}
    behind = [f"{cell}: {row['method']} {points(row)}" for cell, row in rivals.items() if lower_bound(row) <= -MARGIN]
    return (
        f"- **Told balanced**: on the mean of the balanced cells {listing(ranking(cells, presume))}. Not inferior (paired lower bound "
        f"above −{MARGIN}) to the best rival that presumes balance in {len(cells) - len(behind)} of {len(cells)} cells" + failing(behind)
    )  # fmt: skip


def verdict_mix(record: dict[str, Any], mix: str) -> str:
    ranked = ranking(of_mix(by_cell(record, *CORE), mix), with_trait(record, "assumes_balance", False))
    first = "first" if ranked[0][1] == OURS else "**not first**"
    return f"- **Told nothing, {mix}**: {first}; means {listing(ranked)}"


def verdict_safe(record: dict[str, Any], words: str, *parts: str) -> str:
    pairs = inductive_pairs(record, *parts)
    behind = [f"{cell}: {row['method']} {points(row)}" for cell, row in pairs if lower_bound(row) <= -MARGIN]
    counted = f"{len(pairs) - len(behind)} of {len(pairs)} comparisons"
    return f"- **Safe**, {words}: not inferior to an inductive method, by name, in {counted}" + failing(behind)


def verdict_outliers(record: dict[str, Any]) -> str:
    cells = by_cell(record, "outliers")
    behind = [f"{cell}: {points(rows['oslo'], 'auroc_lead')}" for cell, rows in cells.items() if rows["oslo"]["auroc_lead"] < 0]
    return f"- **Outliers**: AUROC at or above OSLO's in {len(cells) - len(behind)} of {len(cells)} cells" + failing(behind)


def pooled_ece(bins: list[list[float]]) -> float:
    """Expected calibration error in % of pooled bins: queries, sum of confidences, number right."""
    counts = np.array(bins)
    return float(100 * np.abs(counts[:, 1] - counts[:, 2]).sum() / counts[:, 0].sum())


def verdicts_calibration(record: dict[str, Any]) -> list[str]:
    errors = {mix: pooled_ece(methods[OURS]) for mix, methods in record["calibration"]["bins"].items()}
    high = [f"{mix} {value:.2f} %" for mix, value in errors.items() if value > ECE_LIMIT]
    pairs = record["calibration"]["nll"]
    worse = [
        f"{pair['cell']}: {pair['method']} with temperature {pair['temperature']:.3g}, {pair['difference']:+.3f} ± {pair['interval']:.3f}"
        for pair in pairs if pair["difference"] - pair["interval"] > 0
    ]  # fmt: skip
    return [
        "- **Calibration**: ECE, pooled per mix, " + ", ".join(f"{mix} {value:.2f} %" for mix, value in errors.items())
        + (f"; above {ECE_LIMIT:g} %: {', '.join(high)}." if high else f"; at most {ECE_LIMIT:g} % everywhere."),
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
