"""SIBClassifier beside LabelSpreading, SelfTrainingClassifier and LogisticRegression: one label per class, all other rows unlabelled.

    python runs/estimator.py [NAME=FOLDER ...] [--draws 20] [--out results] [--anew]

Digits and three small tables come with scikit-learn; each FOLDER holds features (`sibyl.Features`). What the record holds is not measured
again: a new setting or method is added to it, on as many draws as its set has. See runs/estimator.sh; runs/estimator_page.py writes the page.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from estimator_page import page
from estimator_rivals import Build, rivals
from experiment import ROOT, commit
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.preprocessing import StandardScaler

from sibyl import Features, SIBClassifier, TransductiveClassifier
from sibyl.methods.named import DEFAULT_METHOD
from sibyl.storage import Json, read_json, write_json, write_text

MANY_ROWS, TRIED, KEPT = 1000, 4, 3  # of more rows, every setting meets the first draws, and the best of them all
OURS = {
    "sib_classifier": lambda: SIBClassifier(),
    "label_spreading": lambda: TransductiveClassifier("label_spreading"),
    "plain": lambda: SIBClassifier(is_table=False),
}


@dataclass(frozen=True, eq=False)
class Data:
    """Rows with their true classes; `is_table` rows are standardised before SIBClassifier, encoders' features are not."""

    name: str
    X: np.ndarray
    truth: np.ndarray
    is_table: bool


def draw_labels(truth: np.ndarray, seed: int) -> np.ndarray:
    """One random labelled row of each class; −1 elsewhere."""
    chance = np.random.default_rng(seed)
    y = np.full(len(truth), -1)
    for code in np.unique(truth):
        y[chance.choice(np.flatnonzero(truth == code))] = code
    return y


def rival_accuracy(data: Data, rival: str, build: Build, seed: int) -> float:
    """Accuracy on the unlabelled rows."""
    y = draw_labels(data.truth, seed)
    estimator, asked = build(), y < 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LabelSpreading divides by zero where its kernel reaches no other row
        if rival == "LogisticRegression":
            estimator.fit(data.X[~asked], y[~asked])
            answer = estimator.predict(data.X[asked])
        else:
            estimator.fit(data.X, y)
            # LabelSpreading has labelled the rows it was fitted on; SelfTrainingClassifier leaves the doubtful ones unlabelled.
            answer = estimator[-1].transduction_[asked] if rival == "LabelSpreading" else estimator.predict(data.X[asked])
    return float((answer == data.truth[asked]).mean())


def our_accuracy(data: Data, name: str, seed: int) -> tuple[float, float, float]:
    """Accuracy with the unlabelled rows and without them, and seconds."""
    y = draw_labels(data.truth, seed)
    X = StandardScaler().fit_transform(data.X) if data.is_table else data.X
    started = time.perf_counter()
    classifier = OURS[name]().fit(X, y)
    seconds, asked = time.perf_counter() - started, y < 0
    return (
        float((classifier.transduction_ == data.truth)[asked].mean()),
        float((classifier.inductive_labels_ == data.truth)[asked].mean()),
        seconds,
    )


def load(given: list[str]) -> list[Data]:
    digits = load_digits()
    data = [Data("digits (8 × 8 pixels)", digits.data.astype(np.float32), digits.target, False)]
    for name, table in (
        ("wine (13 columns)", load_wine()),
        ("breast cancer (30 columns)", load_breast_cancer()),
        ("iris (4 columns)", load_iris()),
    ):
        data.append(Data(name, table.data.astype(np.float32), table.target, True))
    for pair in given:
        name, folder = pair.split("=", 1)
        features = Features.load(folder)
        known = features.labels >= 0
        data.append(
            Data(f"{name} ({len(features.class_names)} classes)", np.array(features.matrix[known]), features.labels[known], False)
        )
    return data


def check_same(data: Data, found: Json) -> None:
    """Refuse to add to a record of other rows: a classifier without chance must answer the first draw as it did."""
    name = "rows of unit length"
    if before := found["rivals"].get(f"LogisticRegression: {name}"):
        again = rival_accuracy(data, "LogisticRegression", rivals()["LogisticRegression"][name], 0)
        if abs(again - before[0]) > 1e-3:
            raise SystemExit(f"{data.name}: these are not the rows of the record; --anew measures everything anew")


def measure_ours(data: Data, found: Json, draws: int) -> None:
    for name in OURS:
        if name in found or (name == "plain" and not data.is_table):
            continue
        measured = np.array([our_accuracy(data, name, seed) for seed in range(draws)]).T
        found[name] = measured[0].tolist()
        if name == "sib_classifier":
            found |= {"inductive": measured[1].tolist(), "seconds": float(np.median(measured[2]))}
        found["commits"][name] = commit()


def measure_rival(data: Data, found: Json, rival: str, settings: dict[str, Build], draws: int) -> None:
    """Add what is missing of a rival's settings; of many rows all settings meet the first draws, then the best of these every draw."""
    values: dict[str, list[float]] = found["rivals"]
    missing = {f"{rival}: {setting}": build for setting, build in settings.items() if f"{rival}: {setting}" not in values}

    def go_on(name: str, build: Build, until: int) -> None:
        own = values.setdefault(name, [])
        own += [rival_accuracy(data, rival, build, seed) for seed in range(len(own), until)]
        found["commits"][name] = commit()

    first = draws if len(data.X) <= MANY_ROWS else min(TRIED, draws)
    for name, build in missing.items():
        go_on(name, build, first)
    for name in sorted(missing, key=lambda name: -np.mean(values[name]))[:KEPT]:
        go_on(name, missing[name], draws)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", nargs="*", metavar="NAME=FOLDER")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    parser.add_argument("--only", default="", help="measure the sets alone whose names hold this; the page has all of the record")
    parser.add_argument("--anew", action="store_true")
    arguments = parser.parse_args()
    path = arguments.out / "estimator.json"
    record: Json = read_json(path) if path.is_file() and not arguments.anew else {"commit": commit(), "results": []}
    record |= {
        "arguments": {"draws": arguments.draws},
        "rule": {"many_rows": MANY_ROWS, "first_draws": TRIED, "kept": KEPT},
        "versions": {name: version(name) for name in ("torch", "numpy", "scikit-learn")},
        "method": DEFAULT_METHOD,
    }
    by_name = {one["data"]: one for one in record["results"]}
    for data in load(arguments.features):
        if arguments.only and arguments.only not in data.name:
            continue
        if data.name not in by_name:
            by_name[data.name] = {"data": data.name, "is_table": data.is_table, "rows": len(data.X), "rivals": {}}
            record["results"].append(by_name[data.name])
        found = by_name[data.name]
        found.setdefault("commits", {})
        check_same(data, found)
        draws = len(found.get("sib_classifier", ())) or arguments.draws  # a method that is added meets the draws of the others
        measure_ours(data, found, draws)
        write_json(path, record)
        for rival, settings in rivals().items():
            measure_rival(data, found, rival, settings, draws)
            write_json(path, record)
        print(data.name, flush=True)
    write_text(arguments.out / "estimator.md", page(read_json(path)))


if __name__ == "__main__":
    main()
