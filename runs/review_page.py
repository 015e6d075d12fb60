"""The page of `runs/review.py`: what a scripted person reached, against the goals."""

from __future__ import annotations

import subprocess
from typing import Any

from experiment import ROOT

GOAL, GOAL_AT = 0.92, 100  # the share of the pile that should be right, after so many labels
FEW_KEYS = 2.0


def page_of(runs: dict[str, dict[str, Any]], orders: dict[str, list[dict[str, float]]], measured_at: str) -> str:
    """Return the page for people."""
    lines = [
        "# A scripted person labels 1,424 photographs by keys",
        "",
        "Written by `python runs/review.py`: part of Caltech-101, 24 classes, no example to begin with; both encoders have seen",
        "ImageNet, and EfficientNet-Lite2 is what `sibyl review` takes by default. The person answers what the page asks: 24 items",
        "that stand for the pile, then the queue, in which each fifth item is a check drawn at random. Accuracy is that of the whole",
        "pile, the asked items included; random order is the mean of three draws (lowest to highest), each solved alike.",
        "",
    ]
    for name, run in runs.items():
        checked = run["checked"]
        lines += [
            f"## {name}",
            "",
            "| labels | asked by the page | classes met | keys an item | random order |",
            "|---|---|---|---|---|",
        ]
        by_number = {one["labels"]: one for one in orders[name.split(",")[0]]}
        for one in run["curve"]:
            if one["labels"] in by_number:
                other = by_number[one["labels"]]
                lines.append(
                    f"| {one['labels']} | **{one['right']:.1%}** | {one['classes']} | {one['keys'] / one['labels']:.2f} | "
                    f"{other['right']:.1%} ({other['low']:.1%} to {other['high']:.1%}) |"
                )
        holds = checked["low"] <= run["guesses_right"] <= checked["high"]
        lines += [
            "",
            f"Checks: {checked['right']} of {checked['of']} right, so {checked['low']:.1%} to {checked['high']:.1%} of the guesses; in truth "
            f"{run['guesses_right']:.1%} of those that are left, which the interval {'holds' if holds else 'does not hold'}.",
            "",
        ]
    lines += [
        "## Against the goals",
        "",
        f"Goals: {GOAL:.0%} of the pile right after {GOAL_AT} labels, {FEW_KEYS:g} keys an item.",
        "",
    ]
    for name, run in runs.items():
        last = run["curve"][-1]
        reached, few = last["right"] >= GOAL, run["keys_per_item"] <= FEW_KEYS
        lines.append(
            f"- {name}: {last['right']:.1%} ({'reached' if reached else 'not reached'}), "
            f"{run['keys_per_item']:.2f} keys ({'reached' if few else 'not reached'})"
        )
    for name, run in runs.items():
        if run["letters"]:
            last = run["curve"][-1]
            decisions = (last["keys"] - run["letters"]) / last["labels"]
            lines += [
                "",
                f"{name}: of the {last['keys']} keys {run['letters']} are the letters of the {last['classes']} names, each typed out",
                f"once ({run['letters'] / last['classes']:.1f} a name); the others are decisions, {decisions:.2f} an item. No page can spell a name that",
                "nobody has said yet, and no list of names is assumed. Decisions going on like this, an item takes",
                f"{FEW_KEYS:g} keys from about {run['letters'] / (FEW_KEYS - decisions):.0f} items on.",
            ]
    known = subprocess.run(["git", "cat-file", "-e", measured_at], cwd=ROOT, capture_output=True, check=False).returncode == 0
    lines += [
        "",
        f"Made by: `python runs/review.py --anew`, commit {measured_at}{'' if known else ' (no longer in the history)'}. It needs Chromium",
        "(playwright) and the photographs. Without `--anew` it writes this page from `results/review.json`, and measures only",
        "what is missing there.",
    ]
    return "\n".join([*lines, ""])
