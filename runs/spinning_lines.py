"""Spinning lines: regression with no label at all, after the toy of Hu et al. 2020 (SIB), with and without the KL term.

    python runs/spinning_lines.py [--seeds 5] [--iterations 1000] [--out results]

Every task is a line through the origin whose slope w differs (the lines spin), seen only at some places x. Nobody labels anything: the
start θ⁰ is one learned number for all tasks, and the gradient network sees places and predictions. The paper's text of this section was
not at hand, so this is our reading of it, chosen such that everything it speaks of has a closed form:

    w ~ N(1, 1),   x_i ~ N(w, 2²),   y_i ~ N(w x_i, 3²),   i = 1 … 32

The places tell of the slope, as unlabelled data must if they are to help. Known therefore: the best slope that x alone allows (the mean of
w given x), the distance it leaves, and the information I(w; x) = ½ log(1 + 32 · 1/2²) nats that the places hold of the slope. Without the
KL term the weights are a point and their spread is not learned, as in the published code.

Writes spinning_lines.md, .json and .png: the distance to the true line after each synthetic-gradient step, over 2,000 new tasks.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from experiment import ROOT, commit
from matplotlib.figure import Figure
from torch import Tensor, nn

from sibyl.evaluation import interval
from sibyl.inference_plot import save_figure
from sibyl.methods.sib.adaptation import adapt
from sibyl.methods.sib.objective import Prior
from sibyl.seeding import generator_for
from sibyl.storage import write_json, write_text

N_ITEMS, N_STEPS, STEP_SIZE = 32, 3, 0.1
SLOPE, SLOPE_SPREAD, PLACE_SPREAD, NOISE = 1.0, 1.0, 2.0, 3.0
INFORMATION = 0.5 * float(np.log(1 + N_ITEMS * SLOPE_SPREAD**2 / PLACE_SPREAD**2))


@dataclass(frozen=True)
class Lines:
    """Tasks: slope w [task, 1], places x and values y [task, item]."""

    w: Tensor
    x: Tensor
    y: Tensor

    @classmethod
    def draw(cls, n_tasks: int, generator: torch.Generator) -> Lines:
        w = SLOPE + SLOPE_SPREAD * torch.randn(n_tasks, 1, generator=generator)
        x = w + PLACE_SPREAD * torch.randn(n_tasks, N_ITEMS, generator=generator)
        return cls(w, x, w * x + NOISE * torch.randn(x.shape, generator=generator))

    def best_slope(self) -> Tensor:
        """E[w | x], [task, 1]: Gaussians all, so precisions add."""
        prior, data = 1 / SLOPE_SPREAD**2, N_ITEMS / PLACE_SPREAD**2
        return (prior * SLOPE + data * self.x.mean(1, keepdim=True)) / (prior + data)

    def distance(self, slope: Tensor) -> Tensor:
        """Mean squared distance to the true line over the task's places, [task]."""
        return ((slope - self.w) * self.x).square().mean(1)


class ZeroShotSIB(nn.Module):
    """θ⁰ learned; ``θ ← θ − η (mean_i ξ(x_i, ŷ_i, context) x_i + r)``, with r = ∂KL(q ‖ p)/∂θ and the same mean where the KL term is in."""

    def __init__(self, kl: bool, hidden: int = 32) -> None:
        super().__init__()
        self.kl = kl
        self.start = nn.Parameter(torch.zeros(1, 1, 1))
        self.item = nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.gradient = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.prior = Prior(1)

    def trajectory(self, x: Tensor) -> list[Tensor]:
        """θ⁰ … θᴷ, each [task, 1, 1]."""

        def output_gradient(predictions: Tensor) -> Tensor:
            hidden = self.item(torch.stack([x, predictions], -1))
            context = hidden.mean(1, keepdim=True).expand_as(hidden)
            return self.gradient(torch.cat([hidden, context], -1))[..., 0] / N_ITEMS  # type: ignore[no-any-return]

        def weight_gradient(weights: Tensor) -> Tensor:
            return self.prior.gradient(weights) * NOISE**2 / N_ITEMS

        return adapt(
            self.start.expand(len(x), 1, 1),
            lambda weights: weights[:, 0] * x,
            output_gradient,
            n_steps=N_STEPS,
            step_size=STEP_SIZE,
            weight_gradient=weight_gradient if self.kl else None,
        )

    def loss(self, lines: Lines) -> Tensor:
        """The bound: E_q[−log p(y | x, w)] in closed form, plus KL(q ‖ p); or the first term at the point θᴷ."""
        weights = self.trajectory(lines.x)[-1]
        fit = (lines.y - weights[:, 0] * lines.x).square()
        if not self.kl:
            return (fit.sum(1) / (2 * NOISE**2)).mean()
        spread = (2 * self.prior.log_posterior_width).exp() * lines.x.square()
        return ((fit + spread).sum(1) / (2 * NOISE**2) + self.prior.divergence(weights)).mean()


def train(kl: bool, seed: int, n_tasks: int, iterations: int) -> ZeroShotSIB:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator_for(seed, 0).initial_seed())
        sib = ZeroShotSIB(kl)
    lines = Lines.draw(n_tasks, generator_for(seed, 1))
    optimizer = torch.optim.Adam(sib.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, iterations)
    for step in range(iterations):
        rows = torch.randint(n_tasks, (64,), generator=generator_for(seed, 2, step))
        loss = sib.loss(Lines(lines.w[rows], lines.x[rows], lines.y[rows]))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(sib.parameters(), 10.0)
        optimizer.step()
        schedule.step()
    return sib


def draw(sib: ZeroShotSIB, lines: Lines, curves: dict[str, np.ndarray], floor: float, path: Path) -> None:
    figure = Figure(figsize=(13, 3.6))
    axes = figure.subplots(1, 5, width_ratios=(1, 1, 1, 1, 1.5))
    shown = np.argsort(lines.w[:40, 0].numpy())[[2, 12, 27, 37]]
    with torch.no_grad():
        trajectory = torch.stack(sib.trajectory(lines.x))[:, :, 0, 0]
    for axis, task in zip(axes, shown, strict=False):
        x, y = lines.x[task].numpy(), lines.y[task].numpy()
        ends = np.array([-6.0, 8.0])
        axis.scatter(x, y, s=8, color="#bbbbbb", label="values, never seen")
        axis.scatter(x, np.full_like(x, -27), marker="|", s=30, color="#1b1b1b", label="places: all it sees")
        axis.plot(ends, float(lines.w[task]) * ends, color="#1b1b1b", linestyle="--", label="true line")
        for step in range(N_STEPS + 1):
            label = {0: "θ⁰", N_STEPS: f"θ after {N_STEPS} steps"}.get(step)
            colour = "#2e6f95" if step == 0 else "#d1495b"
            axis.plot(ends, float(trajectory[step, task]) * ends, color=colour, alpha=1 if label else 0.35, label=label)
        axis.set(ylim=(-28, 28), xlim=(-6, 8), xticks=[], yticks=[], title=f"slope {float(lines.w[task]):.2f}")
    axes[0].legend(fontsize=7, loc="upper left")
    for (name, values), colour in zip(curves.items(), ("#2e6f95", "#d1495b"), strict=True):
        means, halves = zip(*(interval(values[:, step]) for step in range(N_STEPS + 1)), strict=True)
        axes[-1].errorbar(range(N_STEPS + 1), means, halves, marker="o", capsize=3, color=colour, label=name)
    axes[-1].axhline(floor, color="#1b1b1b", linestyle=":", label="best possible from x alone")
    axes[-1].set(yscale="log", xlabel="step k", title="squared distance to the true line", xticks=range(N_STEPS + 1))
    axes[-1].legend(fontsize=7)
    figure.tight_layout()
    save_figure(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    began = time.perf_counter()
    new = Lines.draw(2000, generator_for(10_000))
    floor = float(new.distance(new.best_slope()).mean())
    fixed = float(new.distance((new.w * new.x.square()).sum() / new.x.square().sum()).mean())
    rows, curves, shown = [], {}, None
    for n_tasks in (60, 2000):
        for kl in (False, True):
            distances, terms = [], []
            for seed in range(arguments.seeds):
                sib = train(kl, seed, n_tasks, arguments.iterations)
                with torch.no_grad():
                    trajectory = sib.trajectory(new.x)
                    distances.append([float(new.distance(weights[:, 0]).mean()) for weights in trajectory])
                    if kl:
                        spread = float(sib.prior.log_posterior_width.exp())
                        terms.append([float(sib.prior.divergence(trajectory[-1]).mean()), spread])
            values = np.array(distances)
            name = "with the KL term" if kl else "without"
            row: dict[str, object] = {
                "training_tasks": n_tasks,
                "kl_term": kl,
                "distance": [interval(column) for column in values.T],
            }
            row["per_seed"] = distances
            if kl:
                row["mean_kl"] = interval(np.array(terms)[:, 0])
                row["posterior_width"] = interval(np.array(terms)[:, 1])
            rows.append(row)
            if n_tasks == 2000:
                curves[name] = values
                shown = sib
            print(n_tasks, name, [f"{mean:.3f} ± {half:.3f}" for mean, half in row["distance"]], flush=True)  # type: ignore[attr-defined]
    assert shown is not None
    draw(shown, new, curves, floor, arguments.out / "spinning_lines.png")
    seconds = time.perf_counter() - began
    exact_width = (1 / SLOPE_SPREAD**2 + N_ITEMS / PLACE_SPREAD**2) ** -0.5
    lines = [
        "# Spinning lines: regression without a single label",
        "",
        f"Each task is a line y = w x with its own slope; {N_ITEMS} places x are seen, no value y. θ⁰ is learned, the same for all tasks;",
        f"{N_STEPS} synthetic-gradient steps of `sibyl.methods.sib.adapt` turn it. Squared distance to the true line over the task's places,",
        f"mean of 2,000 new tasks; ± is half the 95 % interval (Student's t) over {arguments.seeds} seeds of training tasks and networks.",
        "",
        "| training tasks | KL term | "
        + " | ".join(f"step {step}" for step in range(N_STEPS + 1))
        + " | mean KL, nats | width of q |",
        "|---|---|" + "---|" * (N_STEPS + 3),
    ]
    for row in rows:
        cells = [f"{mean:.3f} ± {half:.3f}" for mean, half in row["distance"]]  # type: ignore[attr-defined]
        extra = [f"{row[key][0]:.3f} ± {row[key][1]:.3f}" if key in row else "–" for key in ("mean_kl", "posterior_width")]  # type: ignore[index]
        lines.append(f"| {row['training_tasks']:,} | {'yes' if row['kl_term'] else 'no'} | " + " | ".join(cells + extra) + " |")
    lines += [
        f"| – | best possible from x, E[w given x] | | | | {floor:.3f} | I(w; x) = {INFORMATION:.3f} | {exact_width:.3f} |",
        f"| – | best single line for all tasks | {fixed:.3f} | | | | | |",
        "",
        "Our reading of the paper's toy (its text was not at hand): w ~ N(1, 1), x ~ N(w, 2²), y ~ N(w x, 3²). With the KL term the prior",
        "N(μ, τ²) and the width of q = N(θ, σ²) are learned too (empirical Bayes), and ∂KL/∂θ joins each step; the loss is then the bound.",
        "The width of q is narrower than that of the posterior given x alone: the bound is on log p(y | x), which a wide q costs at every",
        "item, and what x leaves open of the slope is not in q. θ⁰ itself is no good line and need not be: it is trained for where the",
        "steps end.",
        "",
        "![lines](spinning_lines.png)",
        "",
        f"Made by: `python runs/spinning_lines.py --seeds {arguments.seeds} --iterations {arguments.iterations}`, commit {commit()}, "
        f"{seconds:.0f} s on one of {os.cpu_count()} cores, machine shared with other work.",
    ]
    write_text(arguments.out / "spinning_lines.md", "\n".join(lines) + "\n")
    said = {"seeds": arguments.seeds, "iterations": arguments.iterations}
    versions = {name: version(name) for name in ("torch", "numpy")}
    figures = {
        "best_possible": floor,
        "best_single_line": fixed,
        "information": INFORMATION,
        "exact_width": exact_width,
        "rows": rows,
    }
    write_json(
        arguments.out / "spinning_lines.json",
        {"arguments": said, "commit": commit(), "versions": versions, "seconds": seconds, **figures},
    )


if __name__ == "__main__":
    main()
