"""The named protocols of the arena on folders of features; see compare.sh, which names the folders.

    python runs/compare.py cifar-fs-conv4-64=features/cifar-fs [NAME=FOLDER ...] [--protocols standing,unlabelled] [--out results]

Each FOLDER holds test/ and, for methods that must be meta-trained, train/ and validation/.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from experiment import ROOT, commit

from sibyl.cli.progress import progress_bar
from sibyl.compare.arena import Entrant, Row, run_arena
from sibyl.compare.learners import Budget, TrainingSet, train_all
from sibyl.compare.protocols import PROTOCOLS, Cell
from sibyl.compare.report import write_report
from sibyl.errors import SibylError, UnknownName, UserError
from sibyl.evaluation import interval
from sibyl.features import Features
from sibyl.methods import METHODS
from sibyl.storage import Json, cache_folder

EXPECTED = ("cifar-fs-conv4-64", "omniglot-conv4-64", "clinc150-minilm", "photos-squeezenet")
BASELINE, REFERENCE, OURS = "class_mean", "sib", "universal_sib"
MET = (
    "`universal_sib` comes trained: on none of these test classes, but on other classes of CIFAR-FS, CLINC150 and Omniglot, under encoders "
    "of which some are those here ([what it had met](universal.md#what-the-network-had-met))."
)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--protocols", default="standing", help=f"of {', '.join(PROTOCOLS)}; several with commas")
    parser.add_argument("--methods", default="all")
    parser.add_argument("--episodes", type=int, help="at most so many in a cell, and in proportion where the protocol has fewer")
    parser.add_argument(
        "--slow", action="append", default=[], metavar="METHOD=EPISODES", help="fewer episodes of a slow method, in proportion too"
    )
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--rates", default="0.001,0.01")
    parser.add_argument("--most-ways", type=int, default=1000, help="learned methods are meta-trained for at most so many classes")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    parser.add_argument("--cache", type=Path, default=cache_folder())
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    folders = {name: Path(path) for name, _, path in (text.partition("=") for text in arguments.features)}
    data = {name: Features.load(folder / "test") for name, folder in folders.items()}
    training = {
        name: TrainingSet(Features.load(folder / "train"), Features.load(folder / "validation"))
        for name, folder in folders.items()
        if (folder / "train").is_dir()
    }
    for features in (*data.values(), *(one for pair in training.values() for one in (pair.train, pair.validation))):
        features.check_finite()
    methods = list(METHODS) if arguments.methods == "all" else arguments.methods.split(",")
    for name in methods:
        if name not in METHODS:
            raise UnknownName("method", name, METHODS)
    if BASELINE not in methods:
        raise UserError(f"the table pairs every method with {BASELINE}; add it to --methods")
    rates = tuple(float(rate) for rate in arguments.rates.split(","))
    most = {name: int(n) for name, _, n in (text.partition("=") for text in arguments.slow)}
    budget = Budget.of_length(arguments.iterations, rates)
    folder = arguments.cache / "compare"
    for protocol in arguments.protocols.split(","):
        if protocol not in PROTOCOLS:
            raise UnknownName("protocol", protocol, PROTOCOLS)
        parts = shortened(PROTOCOLS[protocol](list(data)), arguments.episodes, most)
        cells = [cell for part, _ in parts for cell in part]
        with progress_bar(f"{protocol}: meta-train") as report:
            few = [cell for cell in cells if cell.way <= arguments.most_ways]
            trained = train_all(methods, few, training, budget, folder / "trained", report)
        means = {name: both.base_mean for name, both in training.items()}
        with progress_bar(f"{protocol}: compare") as report:
            rows: list[Row] = []
            for part, fewer in parts:
                entrants = [Entrant(name, name, most_episodes=fewer.get(name)) for name in methods]
                rows += run_arena(
                    data,
                    part,
                    entrants,
                    folder / "results",
                    trained=trained,
                    base_means=means,
                    device=arguments.device,
                    on_progress=report,
                )
        even = hardly_skewed(cells, data)
        missing = [name for name in EXPECTED if name not in data]
        untrained = [name for name in data if name not in training]
        remarks = [
            "Every method works on the same frozen features; `class_mean` (Prototypical Networks on shared features, cosine) is the K = 0 row "
            "of SIB. Nothing here claims parity with a paper whose network was trained in another way.",
            "Features: " + "; ".join(f"{name}: {describe(features)}" for name, features in data.items()) + ".",
            f"Learned methods: {budget.statement()}."
            if trained
            else "No training classes were given: learned methods have no figures."
            if not training
            else "Methods that must be meta-trained were left out.",
            *(
                f"`{name}` met the first {n} episodes of each five-way cell alone, and as small a share of the others: set its difference to class_mean, which is of the same episodes, beside "
                "those of others, and not its mean."
                for name, n in most.items()
            ),
            *(
                [
                    f"Hardly skewed, as no class holds enough items for twice its share, or the balanced cell over again: {'; '.join(even)}."
                ]
                if even
                else []
            ),
            *([MET] if OURS in methods else []),
            *([f"Meta-trained for at most {arguments.most_ways} classes."] if len(few) < len(cells) else []),
            *([f"Left out of this run: {', '.join(missing)}."] if missing else []),
            *([f"Without training classes, so without learned methods: {', '.join(untrained)}."] if untrained and trained else []),
            f"Made by: `{command()}`, commit {commit()}, torch {version('torch')}, {torch.get_num_threads()} threads, {arguments.device}.",
        ]
        record = {
            "protocol": protocol, "methods": methods, "episodes": arguments.episodes, "slow": most, "beside": beside(rows, most, even), "hardly_skewed": even, "budget": asdict(budget), "device": arguments.device,
            "threads": torch.get_num_threads(), "commit": commit(),
            "versions": {name: version(name) for name in ("torch", "numpy", "scipy")},
            "features": {name: portable(features.provenance) for name, features in data.items()},
        }  # fmt: skip
        stem = "compare" if protocol == "standing" else f"compare_{protocol}"
        title = f"Methods side by side: {protocol}"
        paths = write_report(
            rows, arguments.out, baseline=BASELINE, reference=REFERENCE, stem=stem, title=title, remarks=remarks, arguments=record
        )
        print("written:", ", ".join(str(path) for path in paths.values()))


def shortened(cells: Sequence[Cell], episodes: int | None, slow: Mapping[str, int]) -> list[tuple[list[Cell], dict[str, int]]]:
    """Return the cells with fewer episodes, and those of slow methods, in proportion where the protocol has fewer in a cell."""
    most = max(cell.episodes for cell in cells)
    parts = []
    for wanted in dict.fromkeys(cell.episodes for cell in cells):
        number = max(1, round(wanted * min(1.0, episodes / most))) if episodes else wanted
        fewer = {name: max(1, round(n * wanted / most)) for name, n in slow.items()}
        parts.append(([replace(cell, episodes=number) for cell in cells if cell.episodes == wanted], fewer))
    return parts


def hardly_skewed(cells: Sequence[Cell], data: Mapping[str, Features]) -> list[str]:
    """Name the Dirichlet cells whose classes hold too few items for one to get twice its share of the queries; some repeat the balanced cell."""
    smallest = {name: int(np.bincount(features.labels).min()) for name, features in data.items()}
    return [
        cell.title
        for cell in cells
        if cell.mix.startswith("dirichlet") and smallest[cell.features] - cell.shot < 2 * cell.n_query * (1 - cell.outlier_share)
    ]


def beside(rows: Sequence[Row], most: Mapping[str, int], left_out: Sequence[str]) -> Json:
    """Return, in points, what slow methods are ahead of ours over the episodes that they met, all five-way cells of a mix together but those named."""
    found: Json = {}
    wanted = [row for row in rows if row.cell.way == 5 and not row.cell.outlier_share and row.cell.title not in left_out]
    ours = {row.cell: row.result for row in wanted if row.name == OURS and row.result is not None}
    for name, n in most.items():
        gaps: dict[str, list[float]] = {}
        for row in wanted:
            if row.name == name and row.result is not None and row.cell in ours:
                gap = row.result.accuracy[:n] - ours[row.cell].accuracy[:n]
                gaps.setdefault(row.cell.mix, []).extend((100 * gap).tolist())
        summaries = {mix: (*interval(np.array(values)), len(values)) for mix, values in gaps.items()}
        found[name] = {mix: dict(zip(("mean", "interval", "episodes"), one, strict=True)) for mix, one in summaries.items()}
    return found


def describe(features: Features) -> str:
    return f"{len(features):,} rows of {features.dim} columns in {len(features.class_names)} classes"


def without_machine(text: str) -> str:
    """Shorten a path outside the repository, which is the machine's own, to its last part: that says enough."""
    path = Path(text).resolve()
    inside = path.is_relative_to(ROOT)
    return path.relative_to(ROOT).as_posix() if inside else path.name if Path(text).is_absolute() else text


def portable(provenance: Json) -> Json:
    return {name: without_machine(value) if name == "source" else value for name, value in provenance.items()}


def command() -> str:
    def relative(word: str) -> str:
        name, equals, text = word.rpartition("=")
        return name + equals + without_machine(text)

    return shlex.join(["python", *map(relative, sys.argv)])


if __name__ == "__main__":
    try:
        main()
    except SibylError as error:
        sys.exit(f"compare: {error}")
