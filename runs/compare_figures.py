"""What docs/figures.md says of all methods side by side, from the record of `runs/compare.py`.

    python runs/compare_figures.py results/compare.json docs/figures.md

writes the text between the two comments ``comparison figures`` of that page; the tests hold the page to it.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
from universal_cells import OURS
from universal_readme import mix_words, spoken

from sibyl.compare.protocols import Cell
from sibyl.evaluation import interval
from sibyl.storage import read_json, write_text

BEGIN, END = "<!-- comparison figures: written by runs/compare_figures.py -->", "<!-- end of comparison figures -->"
LEAST_SETS = 3  # an interval over fewer data sets says next to nothing
Scores = dict[str, dict[str, list[float]]]  # data set → method → accuracies of its cells, %


def scores_of(record: dict[str, Any], mix: str, outlier_share: float = 0.0) -> Scores:
    """Return the accuracies of the methods that met all episodes of all five-way cells of a mix, without those that are hardly skewed."""
    slow = record["arguments"]["slow"]
    found: Scores = {}
    for cell in record["cells"]:
        one = Cell(**{field.name: cell[field.name] for field in fields(Cell) if field.name in cell})
        if (one.mix, one.outlier_share, one.way) == (mix, outlier_share, 5) and one.title not in record["arguments"][
            "hardly_skewed"
        ]:
            for row in cell["rows"]:
                if "accuracy" in row and row["method"] not in slow:
                    found.setdefault(cell["features"], {}).setdefault(row["method"], []).append(100 * row["accuracy"])
    whole = set.intersection(*(set(methods) for methods in found.values()))
    return {name: {method: methods[method] for method in sorted(whole)} for name, methods in found.items()}


def means(scores: Scores, without: str = "") -> dict[str, float]:
    """Return each method's mean over data sets, one perhaps left out."""
    sets = [methods for name, methods in scores.items() if name != without]
    return {method: float(np.mean([np.mean(one[method]) for one in sets])) for method in sets[0]}


def lead_of(found: dict[str, float]) -> tuple[float, str]:
    """Return how far ours is ahead of the best of the others, and which that is."""
    best = max((name for name in found if name != OURS), key=lambda name: found[name])
    return found[OURS] - found[best], best


def line(name: str, scores: Scores) -> str:
    """One mix of the table."""
    found = means(scores)
    lead, best = lead_of(found)
    least = min(lead_of(means(scores, without))[0] for without in scores)
    _, half = interval(np.array([np.mean(one[OURS]) - np.mean(one[best]) for one in scores.values()]))
    firsts = Counter(
        max(methods, key=lambda name, methods=methods, place=place: methods[name][place])  # type: ignore[misc]
        for methods in scores.values()
        for place in range(len(methods[OURS]))
    )
    ahead = sum(value > found[OURS] for value in found.values())
    ours = f"**{found[OURS]:.1f}**" if round(least, 1) > 0 else f"{found[OURS]:.1f}"
    return (
        f"| {name} | {ours} | {spoken(best)} {found[best]:.1f} | {lead:+.1f} ± {half:.1f} | {least:+.1f} | {ahead} | "
        f"{firsts[OURS]} of {firsts.total()} |"
    )


def of_learned(record: dict[str, Any]) -> str:
    """The best method of those that were meta-trained on the same features, mix by mix, over the data sets that have them."""
    rows = [
        (cell, row)
        for cell in record["cells"]
        for row in cell["rows"]
        if row["settings"].startswith("meta-trained") and "accuracy" in row
    ]
    some = record | {"cells": [cell for cell in record["cells"] if cell["features"] in {one["features"] for one, _ in rows}]}
    learned, told = {row["method"] for _, row in rows}, []
    for mix in dict.fromkeys(cell["mix"] for cell in record["cells"]):
        found = means(scores_of(some, mix))
        best = max(learned & set(found), key=lambda name: found[name])
        told.append(f"{spoken(best)} {found[best]:.1f} beside our {found[OURS]:.1f} ({mix_words(mix)})")
    improving = sum("still improving" in row["settings"] for _, row in rows)
    return (
        "Methods that were meta-trained on the same features do not count in it. The best of them, on the sets that have them, without "
        f"outliers: {', '.join(told)}. {100 * improving / len(rows):.0f} % of their figures are of networks that still improved when training ended."
    )


def said(numbers: Iterable[int]) -> str:
    return " or ".join(str(number) for number in sorted(set(numbers), reverse=True))


def text(record: dict[str, Any]) -> str:
    """The table, and what was measured of methods that met fewer episodes."""
    settings = dict.fromkeys((cell["mix"], cell["outlier_share"]) for cell in record["cells"] if cell["way"] == 5)
    tables = {
        mix_words(mix) + (f", {share:.0%} outliers".replace("%", " %") if share else ""): scores_of(record, mix, share)
        for mix, share in settings
    }
    tables = {name: scores for name, scores in tables.items() if len(scores) >= LEAST_SETS}
    lines = [
        "| class mix | universal SIB | best of the others | lead | at least, with one data set left out | methods ahead | cells first |",
        "|---" * 7 + "|",
        *(line(name, scores) for name, scores in tables.items()),
        "",
        f"Means over {said(len(scores) for scores in tables.values())} data sets, of the methods that could be run on all of them; the interval "
        "of the lead is over data sets (Student's t). *At least*: over whoever is the best then. Bold: first whichever data set is left out. "
        "Omniglot does not count under skew: a character has 20 drawings, so that its cells are hardly skewed "
        "(of the table before, its cells of one shot do count). "
        f"Mixes measured on fewer than {LEAST_SETS} sets are in the whole table alone.",
    ]
    lines += ["", of_learned(record)]
    for name, beside in record["arguments"]["beside"].items():
        told = ", ".join(f"{one['mean']:+.1f} ± {one['interval']:.1f} ({mix_words(mix)})" for mix, one in beside.items())
        n_episodes = {one["episodes"] for one in beside.values()}
        lines += [
            "",
            f"{spoken(name)} met the first episodes of each cell alone, and counts in no column above. On these, without outliers (at most "
            f"{max(n_episodes)} a mix; intervals over episodes, not data sets), less universal SIB: {told}.",
        ]
    return "\n".join(part for one in lines for part in (wrap(one, 100, break_on_hyphens=False) if one and one[0] != "|" else [one]))


def with_text(page: str, record: dict[str, Any]) -> str:
    """The page with its block written anew."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{text(record)}\n{END}{rest.split(END)[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path)
    parser.add_argument("page", type=Path)
    arguments = parser.parse_args()
    write_text(arguments.page, with_text(arguments.page.read_text(encoding="utf-8"), read_json(arguments.record)))


if __name__ == "__main__":
    main()
