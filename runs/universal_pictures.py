"""The pictures of universal SIB's page: accuracy by class mix beside the rivals, and confidence beside the share right."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sibyl.inference_plot import ACCENT, INK, save_figure

N_RIVALS = 5
NAMED_LOSERS = ("pt_map", "tim")  # the field's best where classes are balanced, drawn though they are not among the best over mixes
COLOURS = ("#2e6f95", "#e09f3e", "#5b8e7d", "#7b5ea7", "#8d6e63")
GREY = "#b4b4b4"
FEW = 30  # a bin of fewer queries is not drawn
Columns = Mapping[str, Mapping[str, Mapping[str, Any]]]


def words(mix: str) -> str:
    return mix.replace("dirichlet:", "Dirichlet ").replace("one-class", "one class only")


def spoken(name: str) -> str:
    return {
        "universal_sib": "universal SIB",
        "pt_map": "PT-MAP",
        "tim": "TIM",
        "laplacian_shot": "LaplacianShot",
        "paddle": "PADDLE",
    }.get(name, name.replace("_", " "))


def curves(columns: Mapping[str, Columns]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Method → mean accuracy over the cells of each mix, in %, and half its 95 % interval; of methods that are in all cells."""
    cells = [rows for column in columns.values() for rows in column.values()]
    found = {}
    for name in cells[0]:
        if all(name in rows for rows in cells):
            means = [100 * np.mean([rows[name]["accuracy"] for rows in column.values()]) for column in columns.values()]
            halves = [
                100 * np.linalg.norm([rows[name]["interval"] for rows in column.values()]) / len(column) for column in columns.values()
            ]  # fmt: skip
            found[name] = np.array(means), np.array(halves)
    return found


def spread_labels(heights: list[float], gap: float, low: float, high: float) -> list[float]:
    """Move heights apart until none stands closer to the next than `gap`, between `low` and `high`, in their order."""
    order = np.argsort(heights, kind="stable")
    placed = np.clip(np.array(heights, float)[order], low, high)
    for rank in range(1, len(placed)):
        placed[rank] = max(placed[rank], placed[rank - 1] + gap)
    placed[-1] = min(placed[-1], high)
    for rank in range(len(placed) - 2, -1, -1):
        placed[rank] = min(placed[rank], placed[rank + 1] - gap)
    moved = np.empty_like(placed)
    moved[order] = placed
    return [float(height) for height in moved]


def _name_at_the_end(axis: Axes, ends: dict[str, float], colours: dict[str, str], ours: str) -> None:
    low, high = axis.get_ylim()
    n = np.asarray(axis.lines[0].get_xdata())
    for (name, end), height in zip(ends.items(), spread_labels(list(ends.values()), 0.052 * (high - low), low, high), strict=True):
        axis.annotate(
            spoken(name), (len(n) - 1, end), xytext=(len(n) - 0.72, height), color=colours[name], va="center", fontsize=10,
            fontweight="bold" if name == ours else "normal", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colours[name], "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2},
        )  # fmt: skip


def draw_mixes(columns: Mapping[str, Columns], presumes_nothing: set[str], path: Path, *, ours: str) -> None:
    """Draw mean accuracy against the class mix, from balanced to one class: all methods at full height, and the best close up."""
    found = curves(columns)
    ranked = sorted((name for name in found if name != ours), key=lambda name: -float(found[name][0].mean()))
    best = ranked[:N_RIVALS]
    losers = [name for name in NAMED_LOSERS if name in found and name not in best]
    colours = dict(zip(best, COLOURS, strict=False)) | {ours: ACCENT} | dict.fromkeys(losers, INK)
    figure = Figure(figsize=(13, 5.2))
    whole, close = figure.subplots(1, 2, gridspec_kw={"wspace": 0.42})
    places = np.arange(len(columns))
    for axis in (whole, close):
        for name in [name for name in ranked if name not in colours] + losers + best[::-1] + [ours]:
            mean, half = found[name]
            if name in losers or name not in colours:
                style = "-" if name in presumes_nothing else (0, (4, 2))
                axis.plot(places, mean, color=colours.get(name, GREY), linestyle=style, linewidth=1.3 if name in losers else 0.8)
            else:
                axis.fill_between(places, mean - half, mean + half, color=colours[name], alpha=0.13, linewidth=0)
                axis.plot(places, mean, color=colours[name], marker="o", markersize=4, linewidth=3 if name == ours else 1.6)
        axis.set(xticks=places, xticklabels=[words(mix) for mix in columns], xlim=(-0.15, len(columns) - 0.85))
        axis.tick_params(axis="x", labelsize=9, rotation=18)
        axis.grid(axis="y", color="#eeeeee")
        axis.set_axisbelow(True)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    whole.set(ylabel="accuracy (%)", ylim=(0, 102))
    whole.set_title("All methods; dashed: they presume balanced classes", fontsize=11, loc="left")
    shown = np.array([found[name][0] for name in (ours, *best)])
    close.set_ylim(float(shown.min()) - 1.0, float(shown.max()) + 1.0)
    close.set_title(f"Close up, beside the {len(best)} rivals best over all mixes", fontsize=11, loc="left")
    _name_at_the_end(whole, {name: float(found[name][0][-1]) for name in (ours, *losers)}, colours, ours)
    _name_at_the_end(close, {name: float(found[name][0][-1]) for name in (ours, *best)}, colours, ours)
    n_cells = len(next(iter(columns.values())))
    figure.supxlabel(
        f"class mix of the unlabelled items, of which the methods are told nothing; mean over {n_cells} cells, bands are 95 %", fontsize=9, y=-0.07
    )  # fmt: skip
    save_figure(figure, path)


def draw_reliability(bins: Mapping[str, Mapping[str, Any]], path: Path, *, ours: str) -> None:
    """Draw the share right against the confidence, a panel for each mix."""
    figure = Figure(figsize=(2.6 * len(bins), 3.0), layout="constrained")
    axes = figure.subplots(1, len(bins), sharey=True, squeeze=False)[0]
    for axis, (mix, methods) in zip(axes, bins.items(), strict=True):
        for name, pooled in methods.items():
            counts = np.array(pooled)
            filled = counts[counts[:, 0] > FEW]
            colour = {ours: ACCENT, "tim": COLOURS[1]}.get(name, GREY)
            axis.plot(
                filled[:, 1] / filled[:, 0], filled[:, 2] / filled[:, 0], marker="o", markersize=3, color=colour, label=spoken(name)
            )  # fmt: skip
        axis.plot([0, 1], [0, 1], color="#dddddd", zorder=0)
        axis.set(title=words(mix), xlabel="confidence", xlim=(0, 1), ylim=(0, 1))
    axes[0].set_ylabel("share right")
    axes[0].legend(frameon=False, fontsize=8)
    save_figure(figure, path)
