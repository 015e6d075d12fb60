"""Accuracy against the shots, the number of unlabelled items, and the skew of their classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from sibyl.class_mix import ClassMix
from sibyl.compare.arena import Row
from sibyl.compare.protocols import Cell
from sibyl.errors import UnknownName
from sibyl.evaluation import interval
from sibyl.inference_plot import ACCENT, INK, save_figure

AXES = {"shot": "labelled items per class", "n_query": "unlabelled items", "mix": "class mix of the unlabelled items"}
MOST_PANELS = 6
# Told apart by people who see red and green alike too (Okabe & Ito 2008), and from ACCENT and INK.
_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#0072b2", "#8d6e63")


def _skew(mix: str) -> float:
    """Order mixes from balanced to one class."""
    parsed = ClassMix.parse(mix)
    return {"balanced": 0.0, "one-class": float("inf")}.get(parsed.kind, 1 / parsed.alpha if parsed.alpha else 0.0)


def _position(cell: Cell, axis: str) -> float:
    return _skew(cell.mix) if axis == "mix" else float(getattr(cell, axis))


def _label(cell: Cell, axis: str) -> str:
    return cell.mix if axis == "mix" else str(cell.n_query * cell.way) if axis == "n_query" else str(cell.shot)


def panels(rows: Sequence[Row], axis: str) -> list[list[Cell]]:
    """Group the cells that differ in `axis` alone, ordered along it; groups of one cell are left out."""
    if axis not in AXES:
        raise UnknownName("axis", axis, AXES)
    groups: dict[Cell, list[Cell]] = {}
    for cell in dict.fromkeys(row.cell for row in rows):
        changed: dict[str, Any] = {axis: "" if axis == "mix" else 0}
        neutral = replace(cell, **changed)
        groups.setdefault(neutral, []).append(cell)
    return [sorted(group, key=lambda cell: _position(cell, axis)) for group in groups.values() if len(group) > 1]


def named_methods(rows: Sequence[Row], baseline: str, reference: str) -> list[str]:
    """Return the methods that get a colour and a name: reference, baseline, and those best on average; the rest is drawn in grey."""
    scores: dict[str, list[float]] = {}
    for row in rows:
        if row.result is not None:
            scores.setdefault(row.name, []).append(float(row.result.accuracy.mean()))
    ranked = sorted(scores, key=lambda name: -sum(scores[name]) / len(scores[name]))
    first = [name for name in (reference, baseline) if name in scores]
    return [*first, *[name for name in ranked if name not in first][: len(_COLOURS)]]


def draw_accuracy(rows: Sequence[Row], axis: str, path: str | Path, *, baseline: str, reference: str) -> bool:
    """Draw accuracy against `axis`, a panel for each of the first six groups of cells that differ in it alone, into one PNG file.

    Parameters
    ----------
    rows : sequence of Row
        Of any cells.
    axis : "shot", "n_query" or "mix"
        What runs along the abscissa.
    path : path
        Where the picture goes.
    baseline, reference : str
        Methods that are always named.

    Returns
    -------
    bool
        False, and no file, where no cells differ in `axis` alone.
    """
    groups = panels(rows, axis)[:MOST_PANELS]  # the tables hold the rest
    if not groups:
        return False
    found = {(row.cell, row.name): row.result.accuracy for row in rows if row.result is not None}
    transductive: dict[str, bool] = {}
    for row in rows:  # a method that could not be run in some cell has no traits there
        transductive[row.name] = transductive.get(row.name, False) or (row.traits is not None and row.traits.transductive)
    named = named_methods(rows, baseline, reference)
    colours = dict(zip([name for name in named if name not in (baseline, reference)], _COLOURS, strict=False))
    colours |= {baseline: INK, reference: ACCENT}
    n_columns = min(len(groups), 3)
    n_lines = -(-len(groups) // n_columns)
    figure = Figure(figsize=(1.8 + 3.6 * n_columns, 0.8 + 3.0 * n_lines))
    axes = figure.subplots(n_lines, n_columns, squeeze=False)
    for place, group in enumerate(groups):
        panel = axes[place // n_columns][place % n_columns]
        for name in sorted(transductive, key=lambda name: name in named):
            drawn = [(index, *interval(found[cell, name])) for index, cell in enumerate(group) if (cell, name) in found]
            if not drawn:
                continue
            where, mean, half = zip(*drawn, strict=True)
            style = "-" if transductive[name] else "--"
            if name in named:
                panel.errorbar(
                    where, [100 * value for value in mean], [100 * value for value in half], color=colours[name], linestyle=style,
                    marker="o", markersize=3, capsize=2, linewidth=2.2 if name == reference else 1.3, label=name,
                )  # fmt: skip
            else:
                panel.plot(where, [100 * value for value in mean], color="#cccccc", linestyle=style, linewidth=0.8, zorder=0)
        panel.set_title(f"{group[0].features}\n{group[0].describe(without=axis)}", fontsize=9)
        panel.set(xlabel=AXES[axis], xticks=range(len(group)), xticklabels=[_label(cell, axis) for cell in group])
        panel.tick_params(axis="x", labelsize=8, rotation=20 if axis == "mix" else 0)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
        if place % n_columns == 0:
            panel.set_ylabel("accuracy (%)")
    for place in range(len(groups), n_lines * n_columns):
        axes[place // n_columns][place % n_columns].set_visible(False)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.tight_layout(rect=(0, 0, 1 - 1.6 / (1.8 + 3.6 * n_columns), 1))
    figure.legend(handles, labels, loc="center right", fontsize=8, frameon=False, title="dashed: inductive\ngrey: the others")
    save_figure(figure, path)
    return True
