"""The page of `benchmarks.review`, from its record alone: figures beside what the design allows."""

from __future__ import annotations

from typing import Any

BUDGETS = {"first screen": 3.0, "key to next item": 0.05, "acknowledged": 0.1, "drawn anew": 0.15, "scrolled": 0.016}
SOLVED = {(1424, 24): 1.0, (10000, 50): 1.5, (100000, 100): 30.0}
RATIOS = {"first screen": 2.5, "acknowledged": 5.0, "solved anew": 2.0, "drawn anew": 10.0}
MEMORY = {"server": 200, "solver": 700}  # MB


def ratios(one: dict[str, Any], before: dict[str, Any] | None) -> dict[str, float]:
    """Return what does not depend on the machine."""
    found = {
        "first screen": one["first screen"] / one["imports"],
        "acknowledged": one["acknowledged"] / (one["flushed"] + one["answer of nothing"]),
        "solved anew": one["solved anew"] / one["solve alone"],
    }
    return found | ({} if before is None else {"drawn anew": one["drawn anew"] / before["drawn anew"]})


def page_of(record: dict[str, Any]) -> str:
    """Return the page for people."""
    lines = [
        "# How fast the page is",
        "",
        "Written by `python -m benchmarks.review`: real server, solver and Chromium; piles of made features, two examples a class.",
        f"{record['cores']} cores; other work ran beside, the load stands below. Medians; seconds in brackets are the budget of the design",
        "on a quiet core: where the processor's own seconds stand, those are to be compared with it. A ratio compares with what the same",
        "run measures (see the script), and has a bound that holds on any machine.",
        "",
        "| | " + " | ".join(f"{one['items']:,} × {one['classes']} × {one['columns']}" for one in record["sizes"]) + " |",
        "|---|" + "---|" * len(record["sizes"]),
    ]
    for name, budget in {**BUDGETS, "solved anew": None}.items():
        cells = []
        for one in record["sizes"]:
            bound = budget if budget is not None else SOLVED.get((one["items"], one["classes"]))
            seconds, ratio, own = told(one[name]), one["ratios"].get(name), one["processor of"].get(name)
            words = [seconds + ("" if bound is None else f" ({bound:g}){'' if one[name] <= bound else ' over'}")]
            if own is not None:
                words.append(f"of the processor {told(own)}{'' if bound is None or own <= bound else ', over'}")
            if ratio is not None:
                words.append(f"ratio {ratio:.1f} of at most {RATIOS[name]:g}{'' if ratio <= RATIOS[name] else ': over'}")
            cells.append("; ".join(words))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for process, budget in MEMORY.items():
        cells = [
            f"{one['memory before the map'][process]['most']:.0f} MB ({budget})"
            f"{'' if one['memory before the map'][process]['most'] <= budget else ' over'}; "
            f"{one['memory'][process]['most']:.0f} with the map"
            for one in record["sizes"]
        ]
        lines.append(f"| {process}, largest | " + " | ".join(cells) + " |")
    loads = (f"{one['load'][0]:.1f} to {one['load'][1]:.1f}" for one in record["sizes"])
    lines.append("| load, at the beginning and the end | " + " | ".join(loads) + " |")
    return "\n".join([*lines, ""])


def told(seconds: float) -> str:
    """Return seconds in words."""
    return f"{seconds:.3f} s" if seconds < 1 else f"{seconds:.1f} s"
