"""The page of runs/review_session.py, from its record alone."""

from __future__ import annotations

import re
from typing import Any


def page_of(found: dict[str, Any]) -> str:
    """Return the page for people."""
    checked, total = found["checked"], found["keys"]
    holds = checked["low"] <= found["guesses right"] <= checked["high"]
    undone = re.sub(r"\s+", " ", found["undone"])
    return "\n".join([
        f"# {found['items']:,} items by keys alone",
        "",
        f"Written by `python runs/review_session.py`: a scripted person, a real Chromium, no mouse. A made pile, {found['kinds']} kinds,",
        f"{found['columns']} columns, the last kind a fifth as frequent as the others; names are typed. Amid the queue the server is killed,",
        f"labelled to, and started again. Seconds are those of a machine with a load of {found['load']:.0f} on {found['cores']} cores.",
        "",
        "| part | keys | seconds | items labelled by the person | of the whole pile right |",
        "|---|---|---|---|---|",
        *(f"| {one['part']} | {one['keys']:,} | {one['seconds']:.0f} | {one['labelled']:,} | {one['right']:.1%} |" for one in found["parts"]),
        "",
        f"In all **{total:,} keys for {found['items']:,} items, {total / found['items']:.3f} an item**; {found['right']:.2%} of the labels "
        f"that were written are right,",
        "and none that the person gave is wrong." if not found["wrong by the person"] else f"{found['wrong by the person']} of the person's are wrong.",
        f"Of the {found['guessed']:,} that are guesses {found['guesses right']:.1%} are right. The checks ({checked['right']} of "
        f"{checked['of']}) said {checked['low']:.0%} to {checked['high']:.0%}",
        f"of all guesses at their time{'; that holds what is left too.' if holds else '; what is left is the hard rest, and lies outside.'}",
        f"The heap that was named had {found['heap']} items. Undo said: “{undone}”. The guesses are "
        f"{'those' if found['same as sibyl label'] else '**not** those'} of `sibyl label` with the same examples, to the last digit.",
        "",
    ])  # fmt: skip
