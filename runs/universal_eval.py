"""Universal SIB against every method without parameters of its own, on unseen classes; see universal_eval.sh."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.optimize import minimize_scalar

from sibyl.cli.progress import progress_bar
from sibyl.compare.arena import Entrant, Row, run_arena
from sibyl.compare.protocols import Cell, grid
from sibyl.datasets.digits import digit_features
from sibyl.episodes import EpisodeSampler
from sibyl.evaluation import evaluate, interval
from sibyl.features import Features
from sibyl.methods import METHODS, LearnedMethod, Method, Traits, build_method
from sibyl.methods.named import method_by_name
from sibyl.storage import Json, cache_folder, write_json, write_text
from sibyl.tasks import ClassPrior, Solution, Task

ROOT = Path(__file__).resolve().parents[1]
OURS = "universal_sib"
MIXES = ("balanced", "dirichlet:5", "dirichlet:2", "dirichlet:1", "dirichlet:0.5", "one-class")
QUICK = (
    OURS,
    "class_mean",
    "simple_shot",
    "logistic_regression",
    "soft_kmeans",
    "anchored_means",
    "pt_map",
    "tim",
    "laplacian_shot",
)
MARGIN = 0.5  # points that a lower bound may lie below zero and still count as not inferior


@dataclass(frozen=True)
class Tempered(Method):
    """A method whose logits are divided by a temperature that was chosen on validation classes."""

    inner: Method
    temperature: float

    name: ClassVar[str] = "tempered"
    traits: ClassVar[Traits] = Traits(transductive=False)

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        return Solution(self.inner.solve(task, class_prior).logits / self.temperature)


def tempered(name: str, validation: Features, shot: int) -> Tempered:
    episode = EpisodeSampler(validation, n_shot=shot, seed=5).sample(0, 200)
    logits = build_method(name).solve(episode.task).logits[episode.scored]
    labels = episode.query_y[episode.scored]

    def misfit(log_temperature: float) -> float:
        return float(torch.nn.functional.cross_entropy(logits / np.exp(log_temperature), labels))

    return Tempered(build_method(name), float(np.exp(minimize_scalar(misfit, bounds=(-6, 6), method="bounded").x)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("features", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--without", default="", help="parts to leave out, with commas between: ways, counts")
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    parser.add_argument("--cache", type=Path, default=cache_folder())
    arguments = parser.parse_args()
    folders = {name: Path(path) for name, _, path in (text.partition("=") for text in arguments.features)}
    data = {name: Features.load(folder / "test") for name, folder in folders.items()} | {"digits-pixels": digit_features()}
    names = list(data)
    everyone = [name for name, kind in METHODS.items() if name == OURS or not issubclass(kind, LearnedMethod)]

    def run(title: str, cells: Sequence[Cell], methods: Sequence[str]) -> tuple[Row, ...]:
        short = [replace(cell, episodes=min(cell.episodes, arguments.episodes)) for cell in cells]
        with progress_bar(title) as report:
            entrants = [Entrant(name, name) for name in methods]
            return run_arena(data, short, entrants, arguments.cache / "compare" / "results", on_progress=report)

    core = run("core grid", grid(names, shots=(1, 5), mixes=MIXES), everyone)
    told = run("told balanced", grid(names, shots=(1, 5), told_balanced=True), everyone)
    left_out = set(arguments.without.split(","))
    ways: tuple[Row, ...] = ()
    if "ways" not in left_out:
        ways = other_ways(data, run)
    with_spare = [name for name in names if len(data[name].class_names) >= 10]
    outliers = run(
        "outliers",
        grid(with_spare, shots=(1, 5), mixes=("balanced", "dirichlet:2"), outlier_shares=(0.25,)),
        (*QUICK, "oslo", "em_dirichlet", "paddle"),
    )
    counts: tuple[Row, ...] = ()
    for name in names if "counts" not in left_out else ():
        most = int(np.bincount(data[name].labels[data[name].labels >= 0]).min()) - 1
        cells = grid([name], n_queries=[n for n in (1, 2, 5, 15, 50, 200, 400) if n <= most], episodes=200)
        counts += run(f"unlabelled, {name}", cells, QUICK)
    unequal = unequal_shots(data, min(200, arguments.episodes))
    calibration = calibrate(core, folders, data, min(400, arguments.episodes))

    lines = ["# Universal SIB on unseen classes", "", *introduction(core, arguments.episodes, arguments.without)]
    verdicts = verdict(core, told, outliers, calibration)
    lines += ["", "## What was asked, and what came", "", *verdicts]
    lines += ["", "## Told nothing: every cell", "", *cell_table(core, everyone)]
    lines += ["", "## Told that classes are balanced: every cell", "", *cell_table(told, everyone)]
    lines += ["", "## A quarter of the queries belongs to no class", "", *outlier_table(outliers)]
    lines += ["", "## Other numbers of classes", "", *cell_table(ways, QUICK)]
    lines += [
        "",
        "## Numbers of unlabelled items (per class, 5-way 1-shot, balanced, told nothing)",
        "",
        *cell_table(counts, QUICK),
    ]
    lines += ["", "## Unequal shots (1 to 5 for each class, 5-way, Dirichlet 2)", "", *unequal]
    lines += ["", "## Calibration", "", *calibration.lines, "", "![Reliability](universal_reliability.png)"]
    write_text(arguments.out / "universal.md", "\n".join(lines) + "\n")
    record = [
        {"cell": row.cell.title, "settings": row.cell.settings, "features": row.cell.features, "method": row.name, **row.result.summary()}
        for row in (*core, *told, *ways, *outliers, *counts) if row.result is not None
    ]  # fmt: skip
    write_json(arguments.out / "universal.json", {"rows": record, "verdicts": verdicts, "calibration": calibration.figures})
    reliability(core, arguments.out / "universal_reliability.png")
    print("\n".join(verdicts))


def other_ways(data: dict[str, Features], run: Callable[[str, Sequence[Cell], Sequence[str]], tuple[Row, ...]]) -> tuple[Row, ...]:
    """Two classes, twenty, and all that there are."""
    rows = run("2-way", grid(list(data), ways=(2,), shots=(1, 5), mixes=("balanced", "dirichlet:2"), episodes=200), QUICK)
    many = [name for name in data if len(data[name].class_names) >= 20]
    rows += run("20-way", grid(many, ways=(20,), shots=(1, 5), mixes=("balanced", "dirichlet:2"), episodes=200), QUICK)
    for name, features in data.items():
        n_way, most = len(features.class_names), int(np.bincount(features.labels[features.labels >= 0]).min())
        cells = grid([name], ways=(n_way,), n_queries=(min(15, most - 1),), episodes=30 if n_way < 100 else 3)
        rows += run(f"all classes of {name}", cells, QUICK if n_way < 100 else (OURS, "class_mean", "simple_shot"))
    return rows


def introduction(core: Sequence[Row], episodes: int, without: str) -> list[str]:
    return [
        "One network, shipped with the package, on test classes of four encoders and on raw pixels of digits; nothing of them was seen in",
        "meta-training or in choosing settings. SqueezeNet has seen ImageNet, MiniLM the web. All methods meet",
        "the same episodes (5-way, 75 queries on average, seed 0); intervals are 1.96 standard errors of paired differences.",
        "",
        f"Made by: `EPISODES={episodes}{' WITHOUT=' + without if without else ''} runs/universal_eval.sh`; {len({row.cell for row in core})} cells in the core grid.",
    ]


def by_cell(rows: Sequence[Row]) -> dict[Cell, dict[str, Row]]:
    cells: dict[Cell, dict[str, Row]] = {}
    for row in rows:
        if row.result is not None:
            cells.setdefault(row.cell, {})[row.name] = row
    return cells


def accuracy(row: Row) -> np.ndarray:
    assert row.result is not None
    return 100 * row.result.accuracy


def gain(ours: Row, theirs: Row) -> tuple[float, float]:
    return interval(accuracy(ours) - accuracy(theirs))


def means(cells: dict[Cell, dict[str, Row]], wanted: Callable[[Row], bool]) -> list[tuple[float, str]]:
    names = {name for rows in cells.values() for name, row in rows.items() if name == OURS or wanted(row)}
    present = [name for name in names if all(name in rows for rows in cells.values())]
    return sorted(
        ((float(np.mean([accuracy(rows[name]).mean() for rows in cells.values()])), name) for name in present), reverse=True
    )


def verdict(core: Sequence[Row], told: Sequence[Row], outliers: Sequence[Row], calibration: Calibration) -> list[str]:
    presumes = {name for name, kind in METHODS.items() if kind.traits.assumes_balance}
    inductive = {name for name, kind in METHODS.items() if not kind.traits.transductive}
    lines = []
    cells = by_cell(told)
    behind = []
    for cell, rows in cells.items():
        rivals = [row for name, row in rows.items() if name in presumes]
        best = max(rivals, key=lambda row: accuracy(row).mean())
        mean, half = gain(rows[OURS], best)
        if mean - half <= -MARGIN:
            behind.append(f"{cell.title}: {best.name} {mean:+.2f} ± {half:.2f}")
    ranked = means(cells, lambda row: row.name in presumes)
    lines.append(
        f"- **Told balanced**: on the mean of the balanced cells {listing(ranked)}. Not inferior (paired lower bound above −{MARGIN}) to the "
        f"best rival that presumes balance in {len(cells) - len(behind)} of {len(cells)} cells" + failing(behind)
    )
    cells = by_cell(core)
    for mix in MIXES:
        ranked = means({cell: rows for cell, rows in cells.items() if cell.mix == mix}, lambda row: row.name not in presumes)
        first = "first" if ranked[0][1] == OURS else "**not first**"
        lines.append(f"- **Told nothing, {mix}**: {first}; means {listing(ranked)}")
    behind, n = [], 0
    for cell, rows in cells.items():
        for name in inductive:
            if name in rows and name != OURS:
                n += 1
                mean, half = gain(rows[OURS], rows[name])
                if mean - half <= -MARGIN:
                    behind.append(f"{cell.title}: {name} {mean:+.2f} ± {half:.2f}")
    lines.append(
        f"- **Safe**: not inferior to an inductive method, by name, in {n - len(behind)} of {n} comparisons" + failing(behind)
    )
    behind = []
    cells = by_cell(outliers)
    for cell, rows in cells.items():
        ours, theirs = rows[OURS].result, rows["oslo"].result
        assert ours is not None
        assert theirs is not None
        mean, half = interval(100 * (ours.auroc - theirs.auroc))
        if mean < 0:
            behind.append(f"{cell.title}: {mean:+.2f} ± {half:.2f}")
    lines.append(f"- **Outliers**: AUROC at or above OSLO's in {len(cells) - len(behind)} of {len(cells)} cells" + failing(behind))
    lines += calibration.verdicts
    return lines


def listing(ranked: list[tuple[float, str]], most: int = 5) -> str:
    return ", ".join(f"{name} {mean:.2f}" for mean, name in ranked[:most])


def failing(behind: list[str]) -> str:
    return "." if not behind else ":\n" + "\n".join(f"  - {line}" for line in behind)


def cell_table(rows: Sequence[Row], methods: Sequence[str]) -> list[str]:
    cells = by_cell(rows)
    lines = [f"| cell | {' | '.join(methods)} |", "|---" * (len(methods) + 1) + "|"]
    for cell, found in cells.items():
        best = max(accuracy(row).mean() for row in found.values())
        texts = []
        for name in methods:
            mean, half = interval(accuracy(found[name])) if name in found else (float("nan"), 0.0)
            text = f"{mean:.1f} ± {half:.1f}" if name == OURS else f"{mean:.1f}"
            texts.append("–" if name not in found else f"**{text}**" if mean >= best - 1e-9 else text)
        lines.append(f"| {cell.title} ({cell.episodes}) | {' | '.join(texts)} |")
    return lines


def outlier_table(rows: Sequence[Row]) -> list[str]:
    names = (OURS, "oslo", "class_mean", "anchored_means", "simple_shot")
    lines = [
        "AUROC, and in brackets the accuracy on the items that belong to a class.",
        "",
        f"| cell | {' | '.join(names)} |",
        "|---" * 6 + "|",
    ]
    for cell, found in by_cell(rows).items():
        texts = []
        for name in names:
            result = found[name].result
            assert result is not None
            texts.append(f"{100 * result.auroc.mean():.1f} ({100 * result.accuracy.mean():.1f})")
        lines.append(f"| {cell.title} | {' | '.join(texts)} |")
    return lines


def unequal_shots(data: dict[str, Features], episodes: int) -> list[str]:
    methods = (OURS, "class_mean", "simple_shot", "logistic_regression", "anchored_means", "alpha_tim", "tim")
    lines = [f"| features | {' | '.join(methods)} |", "|---" * (len(methods) + 1) + "|"]
    for name, features in data.items():
        sampler = EpisodeSampler(features, n_shot=(1, 5), class_mix="dirichlet:2")
        texts = []
        for method in methods:
            mean, half = interval(100 * evaluate(method_by_name(method, features.dim, 5), sampler, episodes).accuracy)
            texts.append(f"{mean:.1f} ± {half:.1f}")
        lines.append(f"| {name} | {' | '.join(texts)} |")
    return lines


@dataclass(frozen=True)
class Calibration:
    lines: list[str]
    verdicts: list[str]
    figures: Json


def pooled_ece(bins: np.ndarray) -> float:
    filled = bins[bins[:, 0] > 0]
    return float(100 * np.abs(filled[:, 1] - filled[:, 2]).sum() / filled[:, 0].sum())


def calibrate(core: Sequence[Row], folders: dict[str, Path], data: dict[str, Features], episodes: int) -> Calibration:
    """Pool the bins of each mix, and set the NLL beside that of inductive methods with temperatures from validation classes."""
    cells = by_cell(core)
    figures: Json = {"ece": {}, "nll": []}
    worse, lines = [], ["| mix | ECE of universal SIB, pooled, % | mean confidence, % | accuracy, % |", "|---|---|---|---|"]
    for mix in MIXES:
        bins = sum(rows[OURS].result.bins for cell, rows in cells.items() if cell.mix == mix)  # type: ignore[union-attr]
        figures["ece"][mix] = pooled_ece(bins)
        n, sure, right = bins.sum(0)
        lines.append(f"| {mix} | {figures['ece'][mix]:.2f} | {100 * sure / n:.1f} | {100 * right / n:.1f} |")
    lines += ["", "NLL, beside inductive methods whose temperature was chosen on validation classes of the same encoder:", ""]
    lines += ["| cell | universal SIB | class mean | SimpleShot | logistic regression |", "|---|---|---|---|---|"]
    for cell, rows in cells.items():
        if cell.features not in folders or not (folders[cell.features] / "validation").is_dir():
            continue
        ours = rows[OURS].result
        assert ours is not None
        texts = [f"{ours.nll.mean():.3f}"]
        for name in ("class_mean", "simple_shot", "logistic_regression"):
            method = tempered(name, Features.load(folders[cell.features] / "validation"), cell.shot)
            theirs = evaluate(method, cell.sampler(data[cell.features]), min(episodes, cell.episodes))
            mean, half = interval(ours.nll[: len(theirs.nll)] - theirs.nll)
            figures["nll"].append({"cell": cell.title, "method": name, "difference": mean, "interval": half})
            texts.append(f"{theirs.nll.mean():.3f}" + (" (better)" if mean - half > 0 else ""))
            if mean - half > 0:
                worse.append(f"{cell.title}: {name} with temperature {method.temperature:.3g}, {mean:+.3f} ± {half:.3f}")
        lines.append(f"| {cell.title} | {' | '.join(texts)} |")
    high = [f"{mix} {value:.2f} %" for mix, value in figures["ece"].items() if value > 3]
    verdicts = [
        "- **Calibration**: ECE, pooled per mix, " + ", ".join(f"{mix} {value:.2f} %" for mix, value in figures["ece"].items())
        + ("; at most 3 % everywhere." if not high else f"; above 3 %: {', '.join(high)}."),
        f"- **NLL** significantly worse than a temperature-scaled inductive method in {len(worse)} of {len(figures['nll'])} comparisons" + failing(worse),
    ]  # fmt: skip
    return Calibration(lines, verdicts, figures)


def reliability(core: Sequence[Row], path: Path) -> None:
    mpl.use("Agg")
    figure, axes = plt.subplots(1, len(MIXES), figsize=(2.6 * len(MIXES), 3.0), sharey=True, layout="constrained")
    for axis, mix in zip(axes, MIXES, strict=True):
        for name, colour in (("class_mean", "0.6"), ("tim", "tab:orange"), (OURS, "tab:blue")):
            found = [rows[name].result for cell, rows in by_cell(core).items() if cell.mix == mix and name in rows]
            bins = sum(result.bins for result in found if result is not None)
            filled = bins[bins[:, 0] > 30]  # type: ignore[index]
            axis.plot(filled[:, 1] / filled[:, 0], filled[:, 2] / filled[:, 0], marker="o", ms=3, color=colour, label=name)
        axis.plot([0, 1], [0, 1], color="0.8", zorder=0)
        axis.set(title=mix, xlabel="confidence", xlim=(0, 1), ylim=(0, 1))
    axes[0].set_ylabel("share right")
    axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
