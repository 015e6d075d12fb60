"""Universal SIB against every method without parameters of its own, on test classes; see universal_eval.sh.

Measures and leaves one record, `universal.json`; page and pictures are made from it alone by `universal_page.py`, which runs at the end.
The arena keeps every pair of cell and method, so what was measured once is not measured again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from experiment import ROOT, commit
from tempered import tempered
from universal_page import write_page

from sibyl.cli.progress import progress_bar
from sibyl.compare.arena import Entrant, Row, run_arena
from sibyl.compare.protocols import Cell, grid
from sibyl.datasets.digits import digit_features
from sibyl.episodes import EpisodeSampler
from sibyl.evaluation import Evaluation, evaluate, interval
from sibyl.features import Features
from sibyl.methods import METHODS, LearnedMethod
from sibyl.methods.named import method_by_name
from sibyl.storage import Json, cache_folder, write_json

OURS = "universal_sib"
MIXES = ("balanced", "dirichlet:5", "dirichlet:2", "dirichlet:1", "dirichlet:0.5", "one-class")
INDUCTIVE = ("class_mean", "simple_shot", "logistic_regression")
QUICK = (OURS, *INDUCTIVE, "soft_kmeans", "anchored_means", "pt_map", "tim", "laplacian_shot")
EVERYONE = tuple(name for name, kind in METHODS.items() if name == OURS or not issubclass(kind, LearnedMethod))
UNEQUAL = (OURS, *INDUCTIVE, "anchored_means", "alpha_tim", "tim")
NLL_EPISODES = 400


@dataclass(frozen=True)
class Arena:
    """Where cells are measured: features by name, most episodes in a cell, folder of results, most episodes of slow methods."""

    data: dict[str, Features]
    episodes: int
    folder: Path
    slow: Mapping[str, int]

    def run(self, title: str, cells: Sequence[Cell], entrants: Iterable[Entrant | str]) -> tuple[Row, ...]:
        short = [replace(cell, episodes=min(cell.episodes, self.episodes)) for cell in cells]
        entered = [
            Entrant(one, one, most_episodes=self.slow.get(one)) if isinstance(one, str) else one
            for one in entrants
            if not isinstance(one, str) or self.slow.get(one) != 0
        ]
        with progress_bar(title) as report:
            return run_arena(self.data, short, entered, self.folder, on_progress=report)

    @property
    def names(self) -> list[str]:
        return list(self.data)

    def smallest_class(self, name: str) -> int:
        labels = self.data[name].labels
        return int(np.bincount(labels[labels >= 0]).min())


def lead(ours: Evaluation, theirs: Evaluation) -> Json:
    """What ours gains over theirs, paired by episode, as shares; of a slow method over the episodes that it met, the first ones."""
    found: Json = {}
    met = slice(len(theirs.accuracy))
    found["lead"], found["lead_interval"] = interval(ours.accuracy[met] - theirs.accuracy)
    if not np.isnan(ours.auroc).all():
        found["auroc_lead"], found["auroc_lead_interval"] = interval(ours.auroc[met] - theirs.auroc)
    return found


def entries(part: str, rows: Sequence[Row]) -> list[Json]:
    """Rows as the record has them; a method that failed has its sentence instead of figures."""
    ours = {row.cell: row.result for row in rows if row.name == OURS}
    found = []
    for row in rows:
        entry: Json = {
            "part": part, "cell": row.cell.title, "settings": row.cell.settings, "features": row.cell.features, "method": row.name,
        }  # fmt: skip
        best = ours[row.cell]
        if row.result is None:
            entry["failure"] = row.failure
        else:
            entry |= row.result.summary() | (lead(best, row.result) if row.name != OURS and best is not None else {})
        found.append(entry)
    return found


def other_ways(arena: Arena) -> tuple[Row, ...]:
    """Two classes, twenty, and all that there are."""
    mixes = ("balanced", "dirichlet:2")
    rows = arena.run("2-way", grid(arena.names, ways=(2,), shots=(1, 5), mixes=mixes, episodes=200), QUICK)
    many = [name for name, features in arena.data.items() if len(features.class_names) >= 20]
    rows += arena.run("20-way", grid(many, ways=(20,), shots=(1, 5), mixes=mixes, episodes=200), QUICK)
    for name, features in arena.data.items():
        n_way = len(features.class_names)
        cells = grid([name], ways=(n_way,), n_queries=(min(15, arena.smallest_class(name) - 1),), episodes=30 if n_way < 100 else 3)
        rows += arena.run(f"all classes of {name}", cells, QUICK if n_way < 100 else QUICK[:3])
    return rows


def outliers(arena: Arena) -> tuple[Row, ...]:
    """A quarter of the queries of no class, wherever classes are left over."""
    spare = [name for name, features in arena.data.items() if len(features.class_names) >= 10]
    cells = grid(spare, shots=(1, 5), mixes=("balanced", "dirichlet:2"), outlier_shares=(0.25,))
    return arena.run("outliers", cells, (*QUICK, "oslo", "em_dirichlet", "paddle"))


def counts(arena: Arena) -> tuple[Row, ...]:
    """One to four hundred unlabelled items per class, as far as there are so many."""
    rows: tuple[Row, ...] = ()
    for name in arena.names:
        n_queries = [n for n in (1, 2, 5, 15, 50, 200, 400) if n < arena.smallest_class(name)]
        rows += arena.run(f"unlabelled, {name}", grid([name], n_queries=n_queries, episodes=200), QUICK)
    return rows


def unequal_shots(arena: Arena) -> list[Json]:
    """One to five labelled items, drawn for each class."""
    found = []
    episodes = min(200, arena.episodes)
    for name, features in arena.data.items():
        sampler = EpisodeSampler(features, n_shot=(1, 5), class_mix="dirichlet:2")
        results = {method: evaluate(method_by_name(method, features.dim, 5), sampler, episodes) for method in UNEQUAL}
        settings = {
            "way": 5, "shot": [1, 5], "n_query": 15, "mix": "dirichlet:2", "outlier_share": 0.0, "episodes": episodes, "seed": 0,
            "told_balanced": False,
        }  # fmt: skip
        for method, result in results.items():
            entry = {"part": "unequal", "cell": f"{name}: 5-way, 1 to 5 shots, dirichlet:2", "settings": settings, "features": name}
            found.append(entry | {"method": method} | result.summary() | (lead(results[OURS], result) if method != OURS else {}))
    return found


def pooled_bins(core: Sequence[Row]) -> Json:
    """Confidence bins (queries, sum of confidences, number right), added up over the cells of each mix."""
    found: Json = {}
    for mix in MIXES:
        for name in ("class_mean", "tim", OURS):
            results = [row.result for row in core if row.cell.mix == mix and row.name == name and row.result is not None]
            found.setdefault(mix, {})[name] = np.sum([result.bins for result in results], axis=0).tolist()
    return found


def likelihoods(arena: Arena, core: Sequence[Row], folders: dict[str, Path]) -> list[Json]:
    """NLL of ours beside inductive methods with temperatures from validation classes of the same encoder, where there are some."""
    found = []
    measured = {row.cell: row.result for row in core if row.name == OURS and row.result is not None}
    for features, folder in folders.items():
        for shot in (1, 5) if (folder / "validation").is_dir() else ():
            held = Features.load(folder / "validation")
            rivals = {name: tempered(name, held, shot) for name in INDUCTIVE}
            asked = [cell for cell in measured if (cell.features, cell.shot) == (features, shot)]
            short = {replace(cell, episodes=min(NLL_EPISODES, cell.episodes)): cell for cell in asked}
            entrants = [Entrant(name, method) for name, method in rivals.items()]
            for row in arena.run(f"likelihood, {features}, {shot}-shot", list(short), entrants):
                assert row.result is not None
                ours, theirs = measured[short[row.cell]].nll[: row.cell.episodes], row.result.nll
                mean, half = interval(ours - theirs)
                found.append({
                    "cell": row.cell.title, "method": row.name, "temperature": rivals[row.name].temperature, "episodes": len(theirs),
                    "ours": float(ours.mean()), "theirs": float(theirs.mean()), "difference": mean, "interval": half,
                })  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--without", default="", help="parts to leave out, with commas between: ways, counts")
    parser.add_argument(
        "--slow", action="append", default=[], metavar="METHOD=EPISODES", help="fewer episodes of a slow method, 0 to leave it out"
    )
    parser.add_argument(
        "--methods", help="measure these alone, with commas between, to be found in the cache later; no record is written"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    parser.add_argument("--cache", type=Path, default=cache_folder())
    arguments = parser.parse_args()
    without = [part for part in arguments.without.split(",") if part]
    folders = {name: Path(path) for name, _, path in (text.partition("=") for text in arguments.features)}
    data = {name: Features.load(folder / "test") for name, folder in folders.items()} | {"digits-pixels": digit_features()}
    slow = {name: int(most) for name, _, most in (text.partition("=") for text in arguments.slow)}
    if arguments.methods:
        slow |= {name: 0 for name in EVERYONE if name not in arguments.methods.split(",")}
    arena = Arena(data, arguments.episodes, arguments.cache / "compare" / "results", slow)
    core = arena.run("core grid", grid(arena.names, shots=(1, 5), mixes=MIXES), EVERYONE)
    told = arena.run("told balanced", grid(arena.names, shots=(1, 5), told_balanced=True), EVERYONE)
    if arguments.methods:
        return
    rows = entries("core", core) + entries("told", told)
    rows += entries("outliers", outliers(arena))
    rows += entries("ways", other_ways(arena)) if "ways" not in without else []
    rows += entries("counts", counts(arena)) if "counts" not in without else []
    rows += unequal_shots(arena)
    record = {
        "arguments": {"episodes": arguments.episodes, "without": without, "slow": slow},
        "commit": commit(),
        "versions": {name: version(name) for name in ("torch", "numpy", "scipy", "scikit-learn")},
        "traits": {
            name: {"transductive": METHODS[name].traits.transductive, "assumes_balance": METHODS[name].traits.assumes_balance}
            for name in dict.fromkeys(row["method"] for row in rows)
        },
        "rows": rows,
        "calibration": {"bins": pooled_bins(core), "nll": likelihoods(arena, core, folders)},
    }
    write_json(arguments.out / "universal.json", record)
    print("\n".join(write_page(arguments.out / "universal.json")))


if __name__ == "__main__":
    main()
