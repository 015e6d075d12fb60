"""What docs/figures.md says of universal SIB's figures, from the record of `runs/universal_eval.py`.

    python runs/universal_readme.py results/universal.json docs/figures.md

writes the text between the two comments ``universal figures`` of that page; the tests hold the page to it.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from universal_cells import CORE, OURS, REST, Cells, by_cell, lower_bound, mean_over, mixes, points, slow_methods
from universal_standing import Standing, by_set, standing
from universal_verdicts import (
    MARGIN,
    PRESUME_NOTHING,
    beside_named,
    cell_errors,
    distinct,
    many_class_errors,
    pooled_ece,
    safe_pairs,
    weak_pairs,
)

from sibyl.storage import read_json, write_text

BEGIN, END = "<!-- universal figures: written by runs/universal_readme.py -->", "<!-- end of universal figures -->"
BESIDE = {"pt_map": "PT-MAP", "tim": "TIM", "class_mean": "class mean"}
SHOWN = ("balanced", "dirichlet:2", "dirichlet:0.5", "one-class")
SPOKEN = {
    "sib": "published SIB",
    "bpa": "BPA", "unem": "UNEM", "tpn": "TPN", "r2d2": "R2-D2",
    "ilpc": "iLPC", "bms": "BMS", "proto_lp": "protoLP", "alpha_tim": "α-TIM", "anchored_means": "anchored means (ours too)",
    "label_spreading": "label spreading", "bavardage": "BAVARDAGE", "laplacian_shot": "LaplacianShot", "paddle": "PADDLE",
    "pslp": "PSLP", "alpha_am": "α-AM", "transductive_finetuning": "transductive fine-tuning",
} | BESIDE  # fmt: skip


def spoken(name: str) -> str:
    return SPOKEN.get(name, name.replace("_", " "))


def mix_words(mix: str) -> str:
    return {"one-class": "one class only", "balanced": "balanced, no prior"}.get(mix, mix.replace("dirichlet:", "Dirichlet "))


def line(title: str, cells: Cells, found: Standing) -> str:
    beside = " | ".join(f"{mean_over(cells, name):.1f}" for name in BESIDE)
    ours = f"**{found.ours:.1f}**" if found.first_without_any else f"{found.ours:.1f}"
    return (
        f"| {title} | {ours} | {spoken(found.rival_name)} {found.rival:.1f} | {found.lead:+.1f} ± {found.half:.1f} | {found.least:+.1f} | "
        f"{found.cells_won} of {found.cells}, {found.sets_won} of {found.sets} | {found.worst[2]:+.1f} | {beside} |"
    )


def passed(record: dict[str, Any], *parts: str) -> str:
    pairs = safe_pairs(record, *parts)
    return f"{sum(lower_bound(row) > -MARGIN for _, row in pairs)} of {len(pairs)}"


def weak_words(record: dict[str, Any]) -> str:
    """Say with whom the comparisons prove little."""
    weak: Counter[str] = Counter()
    for parts in (CORE, REST):  # apart, because cells that repeat the balanced one are left out of the first
        weak.update(weak_pairs(record, *parts))
    if not weak:
        return ""
    return " Of these,\n" + " and\n".join(f"{number} are with {what}" for what, number in weak.items()) + ", no strong rival."


def text(record: dict[str, Any]) -> str:
    """The table and what must be said beside it."""
    told = by_cell(record, "told")
    cells = {"balanced, prior given": told} | {mix_words(mix): distinct(record, mix) for mix in mixes(record)}
    found = {title: standing(some, set(record["traits"]) - set(slow_methods(record))) for title, some in cells.items()}
    shown = ["balanced, prior given", *(mix_words(mix) for mix in SHOWN if mix in mixes(record))]
    n_rivals = len(record["traits"]) - 1 - len(slow_methods(record))
    lines = [
        f"| class mix of the unlabelled items | universal SIB | best of {n_rivals} rivals that need no training | lead over it | at least, with one data set left out | "
        "cells won, data sets won | worst cell | "
        + " | ".join(BESIDE.values()) + " |",
        "|---" * (7 + len(BESIDE)) + "|",
        *(line(title, cells[title], found[title]) for title in shown),
        "",
    ]  # fmt: skip
    n_sets = len(by_set(by_cell(record, *CORE)))
    clear = {title: one for title, one in found.items() if one.lead > one.half}
    doubts = [
        f"not over {spoken(one.doubtful[0])} ({one.doubtful[1]:+.1f} ± {one.doubtful[2]:.1f}) at {title}"
        for title, one in clear.items() if one.doubtful is not None
    ]  # fmt: skip
    lines += [
        f"The lead is a mean over {n_sets} data sets with its 95 % interval (Student's t): it is clear of zero "
        + (f"for {', '.join(clear)} alone" if clear else "for no mix") + " of the "
        f"{len(found)} measured{', and ' if doubts else ''}{'; '.join(doubts)}. *At least*: over whoever is the best rival then. *Worst cell*: points to the best rival in the cell where ours is furthest behind. Bold: first whichever data set is left out.",
    ]  # fmt: skip
    lost = [
        f"{spoken(leader)} {'lead' if leader == 'anchored_means' else 'leads'} at {title} without {left_out}"
        for title, one in found.items() if one.ours >= one.rival
        for left_out, (leader, _, _) in one.without.items() if leader != OURS
    ]  # fmt: skip
    lines += ["With one data set left out, " + ("; ".join(lost) if lost else "the order of the first stays") + "."]
    if set(PRESUME_NOTHING) <= set(record["traits"]):
        n_cells, behind = beside_named(record)
        lines += [
            f"Beside those that presume nothing ({', '.join(spoken(name) for name in PRESUME_NOTHING)}) ours is first, or not significantly behind "
            f"the best of them, in {n_cells - len(behind)} of {n_cells} cells with no prior"
            + (": not in " + "; ".join(f"{cell} ({spoken(row['method'])}, {points(row)})" for cell, row in behind.items()) if behind else "") + "."
        ]  # fmt: skip
    errors = [pooled_ece(methods[OURS]) for methods in record["calibration"]["bins"].values()]
    single = [f"{high:.1f} % {words}" for words, high in cell_errors(record).items()]
    many = {way: high for way, (_, high) in many_class_errors(record).items() if way >= 10}
    lines += [
        f"Its confidence is off by at most {max(errors):.1f} % at five classes (expected calibration error) where the cells of a mix are pooled,"
        f" in which too much and too little cancel; in single cells by up to {', '.join(single)}"
        + (". With more classes, by up to " + ", ".join(f"{high:.0f} % at {way}" for way, high in many.items()) + ", each of one or two sets and few episodes" if many else "")
        + ". Within half a point,",
        f"it is not inferior to any inductive method in {passed(record, *CORE)} comparisons at five classes, and in {passed(record, *REST)} with other",
        "numbers of classes, examples and items." + weak_words(record),
    ]  # fmt: skip
    return "\n".join(lines)


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
