"""The page of runs/evidence.py, made from its record alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import percent

Cells = dict[str, Any]
FIRM = "off by two, told as exact"
FIRMLY = f"*{FIRM[0].upper()}{FIRM[1:]}*: the same wrong shares, told as shares."


def page(record: Cells) -> str:
    cells = record["cells"]
    lines = [
        "# What people know beside the labels",
        "",
        "Universal SIB as it ships; classes that no training met. But the network had met MiniLM and SqueezeNet, 90 other intents of CLINC150",
        "trained it and 30 others chose it, and these sets were read before, with changes to the method between (docs/log.md). Accuracy on the",
        "unlabelled items in %, with 95 % intervals (Student's t) over the draws that each table states; draws of one set share items, so the",
        "intervals say nothing of another set or encoder. MiniLM (eight-bit integers) has seen the web, SqueezeNet ImageNet.",
    ]
    for title, prefix, words in SECTIONS:
        own = {key.removeprefix(prefix): cell for key, cell in cells.items() if key.startswith(prefix)}
        if own:
            own = dict(sorted(own.items(), key=in_order))
            firmly = [FIRMLY] if any(FIRM in cell for cell in own.values()) else []
            lines += ["", f"## {title}", "", *words, *firmly, "", *table(own), *beside(own, *PAIRED.get(prefix, ()))]
    made = f"Made by: `runs/evidence.sh`, the last cell at commit {record['commit']}; cells are kept from run to run."
    return "\n".join([*lines, "", made, ""])


def beside(own: Cells, other: str = "", *kinds: str) -> list[str]:
    """Differences paired by draw: where each kind is clearly above or below another one, and where neither."""
    lines = []
    for kind in kinds:
        found: dict[str, list[str]] = {"above": [], "below": [], "not clear of zero": []}
        for key, cell in own.items():
            if cell.get(kind) and cell.get(other):
                n = min(len(cell[kind]), len(cell[other]))
                mean, half = percent(np.array(cell[kind][:n]) - np.array(cell[other][:n]))
                words = "not clear of zero" if abs(mean) <= half else "above" if mean > 0 else "below"
                found[words].append(f"{' · '.join(key.split('/'))} ({mean:+.1f} ± {half:.1f})")
        told = [f"{words} in {', '.join(cells)}" for words, cells in found.items() if cells]
        if not told:  # kept cells have not that kind yet
            continue
        lines += ["", f"*{kind}* less *{other}*, paired by draw: {'; '.join(told)}."]
    return lines


PAIRED = {
    "names/": ("none", "true"),
    "biased/": ("before", "confirmed"),
    "mix/": ("nothing", "15 counted", "60 counted", "off by two", FIRM),
    "first/": ("k-means", "first items"),
}


def in_order(cell: tuple[str, Any]) -> list[tuple[bool, int, str]]:
    """Return what sorts cells by the parts of their names, numbers by size."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in cell[0].split("/")]


def table(own: Cells) -> list[str]:
    kinds = list(dict.fromkeys(kind for cell in own.values() for kind in cell))
    lines = [f"| cell | draws | {' | '.join(kinds)} |", "|---" * (len(kinds) + 2) + "|"]
    for key, cell in own.items():
        shown = []
        for kind in kinds:
            values = cell.get(kind)
            mean, half = percent(values) if values and len(values) > 1 else (100 * values[0] if values else 0.0, 0.0)
            shown.append(f"{mean:.1f} ± {half:.1f}" if values else "")
        draws = max(len(values) for values in cell.values())
        lines.append(f"| {' · '.join(key.split('/'))} | {draws} | {' | '.join(shown)} |")
    return lines


SECTIONS = (
    (
        "Names of classes",
        "names/",
        [
            "CLINC150's test domains, MiniLM. Cells: classes · class mix · examples of each. *Permuted*: every class has the name of the next;",
            "*junk*: `class 1`, `class 2`. With 30 classes the pile is 4,350 of the 4,500 sentences where balanced (145 of each class), with fewer",
            "classes at most 1,500. Where no name is believed, the answer is the one without names, and was not solved again. Names alone, 30 classes,",
            "balanced: all draws hold nearly the same sentences, so ± 0.1 is no interval for another pile.",
        ],
    ),
    (
        "Labels that were not drawn at random",
        "biased/",
        [
            "One example each, then a person goes over the surest 30 or 65 % of the items and confirms those that are right (*labels*: how many of all).",
            "Accuracy on the items that are left, the hard ones: *before*; with the *confirmed* labels; with as many *random* ones. Piles of at most",
            "1,500 items.",
        ],
    ),
    (
        "A class mix that is known roughly",
        "mix/",
        [
            "Five classes, one example each, 150 items. *Counted*: a random sample of the items was counted. *Off by two*: each share is wrong by a",
            "factor of two, up or down, and told as 20 counted items. Shares count as exact, counts are enforced softly.",
        ],
    ),
    (
        "First items",
        "first/",
        [
            "Which items are labelled, chosen from the whole pile without any label. Cells: pile · labels as a multiple of the classes. Piles of",
            "at most 1,500 items. *One per class*: a person browses until each class has its share. A class that no label shows is always wrong.",
        ],
    ),
    (
        "First items, then rounds",
        "rounds/",
        [
            "As many first items as there are classes, then rounds of as many more, each chosen by `sibyl suggest` from the answer so far. Columns:",
            "labels in all. Beside the table above: the same piles.",
        ],
    ),
)
