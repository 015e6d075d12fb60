"""Our methods beside the solvers that their authors released, on the same episodes. Writes results/parity.md and parity.json.

    python runs/parity_authors.py NAME=FOLDER [NAME=FOLDER,BASE ...] [digits] --peers DIR --work DIR [--episodes 200]

FOLDER holds features (sibyl embed writes them), BASE those of the training classes of its encoder, whose mean the rows named "centred"
need; digits needs no folder. DIR holds the authors' repositories, fetched by you and run as they lie:

    for r in yhu01/PT-MAP mboudiaf/TIM oveilleux/Realistic_Transductive_Few_Shot yhu01/BMS MichalisLazarou/iLPC allenhaozhu/protoLP \\
             imtiazziko/LaplacianShot SegoleneMartin/PADDLE ebennequin/few-shot-open-set
    do git clone https://github.com/$r DIR/${r#*/}; done

What is missing there is left out, and the page says so. Each row and cell is a file in --work, so that a stopped run goes on, and a row
can be run on its own (--only iLPC --episodes 50: its solver takes seconds for a task). Nothing is chosen on these numbers.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from experiment import RESULTS, commit, write_record
from released import PEERS, Peer, commit_of, folder_of
from released_loading import Balanced

from sibyl.datasets.digits import digit_features
from sibyl.episodes import EpisodeSampler
from sibyl.errors import UnknownName, UserError
from sibyl.evaluation import interval
from sibyl.features import Features
from sibyl.methods import build_method
from sibyl.storage import Json, read_json, write_json, write_text
from sibyl.tasks import Episode

SHOTS = (1, 5)
HARDLY = 1e-4  # of the queries of a task: less than one, and more than rounding
CLEAR = 0.5  # points below which nobody asks


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", nargs="+", metavar="NAME=FOLDER[,BASE]")
    parser.add_argument("--peers", type=Path, required=True, help="folder of the authors' repositories")
    parser.add_argument("--work", type=Path, required=True, help="folder of what was measured so far")
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--only", help="rows, with commas between; all without it")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


def features_of(text: str) -> tuple[str, Features, np.ndarray | None]:
    """Read one argument: a name, its features, and the mean of the training classes where they are given."""
    name, _, paths = text.partition("=")
    if text == "digits":
        return name, digit_features(), None
    folder, _, base = paths.partition(",")
    if not folder:
        raise UserError(f"{text}: give NAME=FOLDER, NAME=FOLDER,BASE or digits")
    mean = np.asarray(Features.load(base).matrix, np.float32).mean(0) if base else None
    return name, Features.load(folder), mean


def measure(peer: Peer, folder: Path, episode: Episode, base_mean: np.ndarray | None) -> Json:
    """Accuracy of both sides in %, and the paired difference with its 95 % interval."""
    tasks = Balanced.of(episode, base_mean)
    ours = tasks.right(build_method(peer.ours, peer.settings).solve(episode.task, peer.told).predictions)
    try:
        theirs = np.asarray(peer.answer(folder, tasks), np.float64)
    except (RuntimeError, ValueError, IndexError, AttributeError, TypeError, ImportError) as error:
        return {"failed": f"{type(error).__name__}: {error}"[:200]}
    difference, half = interval(100 * (ours - theirs))
    return {
        "episodes": len(ours),
        "theirs": 100 * float(theirs.mean()),
        "ours": 100 * float(ours.mean()),
        "difference": difference,
        "interval": half,
        "tasks_equal": int((abs(ours - theirs) < HARDLY).sum()),
    }


def weaker(cell: Json) -> bool:
    """Whether ours is behind by more than half a point, and the interval leaves no doubt that it is behind."""
    return "failed" not in cell and cell["difference"] < -CLEAR and cell["difference"] + cell["interval"] < 0


def shown(cell: Json | None) -> str:
    if cell is None:
        return "–"
    if "failed" in cell:
        return "failed"
    few = f" ({cell['episodes']})" if cell["episodes"] < 200 else ""
    if cell["tasks_equal"] == cell["episodes"]:
        return "equal" + few
    difference = round(cell["difference"], 2) or 0.0
    return f"{difference:+.2f} ± {cell['interval']:.2f}{' **weaker**' if weaker(cell) else ''}{few}".replace("-", "−")


def page(record: Json) -> str:
    cells = [cell_name(name, shot) for name in record["features"] for shot in SHOTS]
    head = "| released solver | ours | " + " | ".join(cells) + " |\n|---|---|" + "---:|" * len(cells)
    lines = [
        "# Our methods beside the solvers that their authors released",
        "",
        "Accuracy of ours minus that of the authors' code on the same episodes, in points, with the 95 % interval of the paired",
        "difference (Student's t): 5-way, 15 unlabelled items of each class, 200 episodes of a cell, fewer where a number in brackets",
        "says so. *equal*: the same number of right answers in every episode. **weaker**: behind by more than half a point, with an",
        "interval that leaves out zero. –: not measured: the released default needs features of training classes, which are not there.",
        "Nothing was chosen on these numbers. Balanced episodes alone: nothing here says that methods are alike where classes are skewed.",
        "BAVARDAGE, EM-Dirichlet, SimpleShot, transductive fine-tuning, soft k-means, label propagation and spreading, and the learned",
        "methods have no row; α-AM, BPA, PSLP, noHub and UNEM are held to outputs of released code by the tests instead, on two small tasks.",
        "Where a feature is negative, the repositories with a power transform get it with the sign kept, as the released iLPC has it.",
        "",
        *("Features: " + "; ".join(f"{name}: {text}" for name, text in record["features"].items()) + ".").split("\n"),
        "",
        head,
    ]
    for row in record["rows"]:
        settings = ", ".join(f"{key}={value}" for key, value in row["settings"].items())
        told = f" ({settings})" if settings else ""
        lines.append(f"| {row['peer']} | `{row['ours']}`{told} | " + " | ".join(shown(row["cells"].get(c)) for c in cells) + " |")
    lines += ["", "The accuracies, authors' → ours (%):", "", head]
    for row in record["rows"]:
        both = [row["cells"].get(name) for name in cells]
        texts = ["–" if c is None or "failed" in c else f"{c['theirs']:.1f} → {c['ours']:.1f}" for c in both]
        lines.append(f"| {row['peer']} | `{row['ours']}` | " + " | ".join(texts) + " |")
    lines += ["", "What is behind the rows:", ""]
    lines += [f"- {row['peer']}: {row['remark']}." for row in record["rows"] if row["remark"]]
    lines += [
        f"- {row['peer']}, {name}: {cell['failed']}"
        for row in record["rows"]
        for name, cell in row["cells"].items()
        if "failed" in cell
    ]
    lines += [f"- Not measured, for want of its repository: {name}." for name in record["missing"]]
    lines += ["", "The code, run as released but for the replacements in `runs/released.py`:", ""]
    lines += [f"- https://github.com/{name}, commit {found}" for name, found in record["repositories"].items()]
    made = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    lines += ["", f"Made by `runs/parity_authors.py`, which says how to fetch them; commit {record['commit']}, {made}.", ""]
    return "\n".join(lines)


def main() -> None:
    arguments = parse()
    torch.set_num_threads(1)
    names = {peer.name for peer in PEERS}
    only = arguments.only.split(",") if arguments.only else sorted(names)
    for name in only:
        if name not in names:
            raise UnknownName("row", name, names)
    sets = [features_of(text) for text in arguments.features]
    arguments.work.mkdir(parents=True, exist_ok=True)
    for name, features, mean in sets:
        for shot in SHOTS:
            episode = EpisodeSampler(features, n_way=5, n_shot=shot, n_query=15).sample(0, arguments.episodes)
            for peer in PEERS:
                folder, path = folder_of(peer, arguments.peers), cell_file(arguments.work, peer, name, shot)
                if folder is None or peer.name not in only or path.is_file() or (peer.centred and mean is None):
                    continue
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    cell = measure(peer, folder, episode, mean)
                write_json(path, {"repository": commit_of(folder), "commit": commit(), **cell})
                print(f"{name:24} {shot} {peer.name:26} {shown(cell)}", flush=True)
    rows = [
        {"peer": peer.name, "ours": peer.ours, "settings": peer.settings, "remark": peer.remark, "cells": cells}
        for peer in PEERS
        if (cells := {
            cell_name(name, shot): read_json(path)
            for name, _, _ in sets
            for shot in SHOTS
            if (path := cell_file(arguments.work, peer, name, shot)).is_file()
        })
    ]  # fmt: skip
    missing = [peer.name for peer in PEERS if folder_of(peer, arguments.peers) is None]
    for name in missing:
        print(f"NOT MEASURED: {name}: its repository is not below {arguments.peers}", file=sys.stderr)
    folders = {peer.repository: folder_of(peer, arguments.peers) for peer in PEERS}
    entries = {
        "rows": rows, "missing": missing,
        "features": {name: f"{len(features):,} rows of {features.dim} columns in {len(features.class_names)} classes"
                     for name, features, _ in sets},
        "repositories": {name: commit_of(folder) for name, folder in folders.items() if folder is not None},
    }  # fmt: skip
    libraries = ("torch", "numpy", "scipy", "scikit-learn")
    write_record(arguments.out / "parity.json", libraries, **entries)
    write_text(arguments.out / "parity.md", page(read_json(arguments.out / "parity.json")))


def cell_name(features: str, shot: int) -> str:
    return f"{features}, {shot}-shot"


def cell_file(work: Path, peer: Peer, name: str, shot: int) -> Path:
    settled = hashlib.sha256(repr((peer.name, peer.settings)).encode()).hexdigest()[:8]
    return work / f"{name}-{shot}-{peer.ours}-{settled}.json"


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"parity_authors: {error}")
