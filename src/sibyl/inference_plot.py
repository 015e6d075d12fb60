"""Pictures of the inference: the path of the weights over the loss, and gradient angle and accuracy against the step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sibyl.evaluation import interval
from sibyl.inference import InferenceReport, LossPlane
from sibyl.messages import counted
from sibyl.storage import atomic_path

INK, ACCENT, MUTED = "#1b1b1b", "#d1495b", "#2e6f95"


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    with atomic_path(path) as partial:
        figure.savefig(partial, format="png", dpi=140, bbox_inches="tight", facecolor="white")


def draw_inference(plane: LossPlane, report: InferenceReport, path: str | Path) -> None:
    """Draw both panels into one PNG file."""
    figure = Figure(figsize=(11, 4.6))
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    levels = np.linspace(plane.loss.min(), np.quantile(plane.loss, 0.97), 18)
    filled = left.contourf(plane.horizontal, plane.vertical, plane.loss, levels=levels, cmap="Blues", extend="max")
    figure.colorbar(filled, ax=left, label="loss with the true labels (nats)", format="%.1f")
    left.plot(*plane.labelled_path.T, color=INK, linestyle="--", linewidth=1.4, label="descent with true labels")
    left.plot(*plane.path.T, color=ACCENT, marker="o", linewidth=2.2, label="synthetic gradients, no labels")
    under: Any = {
        "textcoords": "offset points", "xytext": (0, -10), "ha": "center", "va": "top", "color": ACCENT, "fontsize": 10,
        "bbox": {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5},
    }  # fmt: skip
    left.annotate("before", plane.path[0], **under)
    left.annotate(f"after {counted(len(plane.path) - 1, 'step')}", plane.path[-1], **under)
    left.set(xticks=[], yticks=[], title="One task: how unlabelled data moves the classifier")
    left.legend(loc="upper left", frameon=True, fontsize=9)

    steps = np.arange(report.loss.shape[1])
    n = len(report.accuracy)
    accuracy, half = np.array([interval(column) for column in report.accuracy.T]).T
    right.errorbar(steps, 100 * accuracy, 100 * half, color=MUTED, marker="s", capsize=3, label="accuracy (%)")
    right.set(xlabel="step", ylabel="accuracy (%)", xticks=steps, title=f"Mean of {n} tasks")
    angle = right.twinx()
    angle.plot(steps[:-1], report.cosine.mean(0), color=ACCENT, marker="o", label="cosine to the true gradient")
    angle.set(ylim=(0, 1), ylabel="cosine between synthetic and true gradient")
    lines = right.get_legend_handles_labels()[0] + angle.get_legend_handles_labels()[0]
    names = right.get_legend_handles_labels()[1] + angle.get_legend_handles_labels()[1]
    right.legend(lines, names, loc="lower right", fontsize=9)
    for axis in (right, angle):
        axis.spines["top"].set_visible(False)
    figure.tight_layout()
    save_figure(figure, path)
