"""SIBClassifier beside LabelSpreading, SelfTrainingClassifier and LogisticRegression: one label per class, all other rows unlabelled.

    python runs/estimator.py [NAME=FOLDER ...] [--draws 20] [--out results]

Digits and three small tables come with scikit-learn; each FOLDER holds features (`sibyl.Features`). See runs/estimator.sh.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import numpy as np
from experiment import ROOT, commit, percent
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from sibyl import Features, SIBClassifier
from sibyl.methods.named import DEFAULT_METHOD
from sibyl.storage import Json, cache_folder, content_key, read_json, write_json, write_text

PREPARATIONS: dict[str, Callable[[], BaseEstimator]] = {"columns standardised": StandardScaler, "rows of unit length": Normalizer}


@dataclass(frozen=True, eq=False)
class Data:
    """Rows with their true classes; `is_table` rows are standardised before SIBClassifier, encoders' features are not."""

    name: str
    X: np.ndarray
    truth: np.ndarray
    is_table: bool

    @property
    def key(self) -> str:
        return sha256(np.ascontiguousarray(self.X).tobytes() + self.truth.tobytes()).hexdigest()[:16]


def logistic() -> LogisticRegression:
    return LogisticRegression(max_iter=1000)


def pipeline(prepare: Callable[[], BaseEstimator], build: Callable[[], BaseEstimator]) -> BaseEstimator:
    return make_pipeline(prepare(), build())


def rivals() -> dict[str, dict[str, Callable[[], BaseEstimator]]]:
    """Each rival with the settings it may choose from, in hindsight."""
    plain: dict[str, dict[str, Callable[[], BaseEstimator]]] = {
        "LabelSpreading": {
            "rbf": LabelSpreading,
            "knn": lambda: LabelSpreading(kernel="knn"),
        },
        "SelfTrainingClassifier": {"logistic regression": lambda: SelfTrainingClassifier(logistic())},
        "LogisticRegression": {"": logistic},
    }
    return {
        rival: {
            ", ".join(filter(None, (setting, preparation))): partial(pipeline, prepare, build)
            for setting, build in settings.items()
            for preparation, prepare in PREPARATIONS.items()
        }
        for rival, settings in plain.items()
    }


def draw_labels(truth: np.ndarray, seed: int) -> np.ndarray:
    """One random labelled row of each class; −1 elsewhere."""
    chance = np.random.default_rng(seed)
    y = np.full(len(truth), -1)
    for code in np.unique(truth):
        y[chance.choice(np.flatnonzero(truth == code))] = code
    return y


def rival_accuracy(data: Data, rival: str, setting: str, build: Callable[[], BaseEstimator], seed: int, cache: Path) -> float:
    """Accuracy on the unlabelled rows; kept in the cache."""
    path = cache / f"{content_key([data.key, rival, setting, seed, version('scikit-learn')])}.json"
    if path.is_file():
        return float(read_json(path)["accuracy"])
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
    accuracy = float((answer == data.truth[asked]).mean())
    write_json(path, {"data": data.name, "rival": rival, "setting": setting, "seed": seed, "accuracy": accuracy})
    return accuracy


def our_accuracy(data: Data, seed: int) -> tuple[float, float, float]:
    """Accuracy with the unlabelled rows and without them, and seconds."""
    y = draw_labels(data.truth, seed)
    X = StandardScaler().fit_transform(data.X) if data.is_table else data.X
    started = time.perf_counter()
    classifier = SIBClassifier().fit(X, y)
    seconds, asked = time.perf_counter() - started, y < 0
    return (
        float((classifier.transduction_ == data.truth)[asked].mean()),
        float((classifier.inductive_labels_ == data.truth)[asked].mean()),
        seconds,
    )


def shown(values: np.ndarray) -> str:
    """Mean and half the 95 % interval over draws, in per cent."""
    mean, half = percent(values)
    return f"{mean:.1f} ± {half:.1f}"


def like_for_like(record: list[Json]) -> list[str]:
    """Say how the tables stand beside the strongest rival on the same standardised columns."""
    lines = []
    for one in record:
        if one["is_table"]:
            alike = {name: np.array(values) for name, values in one["rivals"].items() if name.endswith("columns standardised")}
            best = max(alike, key=lambda name: alike[name].mean())
            gain = shown(np.array(one["sib_classifier"]) - alike[best])
            lines.append(f"- {one['data']}: {best}, {shown(alike[best])}; SIBClassifier's gain {gain}")
    if not lines:
        return []
    intro = "Like for like, the strongest of the rivals on the standardised columns that SIBClassifier sees, in hindsight as well:"
    return [intro, "", *lines, "", "What each rival chose, and how long a fit takes:", ""]


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", nargs="*", metavar="NAME=FOLDER")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    parser.add_argument("--cache", type=Path, default=cache_folder() / "estimator")
    arguments = parser.parse_args()
    rows, record = [], []
    for data in load(arguments.features):
        measured = np.array([our_accuracy(data, seed) for seed in range(arguments.draws)])
        ours, alone, seconds = measured.T
        best: dict[str, tuple[str, np.ndarray]] = {}
        everything = {}
        for rival, settings in rivals().items():
            for setting, build in settings.items():
                values = np.array(
                    [rival_accuracy(data, rival, setting, build, seed, arguments.cache) for seed in range(arguments.draws)]
                )
                everything[f"{rival}: {setting}"] = values.tolist()
                if rival not in best or values.mean() > best[rival][1].mean():
                    best[rival] = (setting, values)
        print(
            data.name,
            shown(ours),
            shown(alone),
            {rival: (setting, shown(values)) for rival, (setting, values) in best.items()},
            flush=True,
        )
        strongest = max(best.values(), key=lambda one: one[1].mean())[1]
        rows.append(
            f"| {data.name} | {len(data.X):,} | **{shown(ours)}** | {shown(alone)} | "
            + " | ".join(shown(values) for _, values in best.values())
            + f" | {shown(ours - strongest)} |"
        )
        record.append(
            {
                "data": data.name,
                "is_table": data.is_table,
                "rows": len(data.X),
                "sib_classifier": ours.tolist(),
                "inductive": alone.tolist(),
                "seconds": float(np.median(seconds)),
                "rivals": everything,
                "best": {rival: setting for rival, (setting, _) in best.items()},
            }
        )
    names = " | ".join(rivals())
    table = [
        "# One label per class: SIBClassifier beside scikit-learn",
        "",
        f"Accuracy in % on the unlabelled rows, mean ± half the 95 % interval (Student's t) over {arguments.draws} draws of the one labelled row",
        "of each class; the other columns see the same draws. *Alone*: `inductive_labels_`, what the same classifier says without the other",
        "unlabelled rows. The last column is paired: SIBClassifier less the strongest rival.",
        "",
        f"| data | rows | SIBClassifier | alone | {names} | gain |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        f"SIBClassifier has no setting changed (method {DEFAULT_METHOD}); tables are standardised before it, pixels and encoders' features are",
        "taken as they are. Each rival stands with the best of its settings **in hindsight**: columns standardised or rows of unit length, and",
        "for LabelSpreading the rbf and the knn kernel; all else is scikit-learn's default. SelfTrainingClassifier wraps LogisticRegression.",
        "",
        *like_for_like(record),
        *[
            f"- {one['data']}: {', '.join(f'{rival}: {setting}' for rival, setting in one['best'].items())}; fit takes {one['seconds']:.2f} s"
            for one in record
        ],
        "",
        "scikit-learn's larger tables (letter among them) are downloads, so these tables are those it carries.",
    ]
    if arguments.features:
        table.append(
            "The encoders were trained by others (SqueezeNet on ImageNet): sentences and photographs are new to the classifiers only."
        )
    else:
        table.append("Sentences and photographs were left out: no features were given.")
    command = "CLINC150=… PHOTOS=… runs/estimator.sh" if arguments.features else "runs/estimator.sh"
    table += ["", f"Made by: `{command}`, commit {commit()}, scikit-learn {version('scikit-learn')}, torch {version('torch')}."]
    text = "\n".join(table) + "\n"
    write_text(arguments.out / "estimator.md", text)
    write_json(
        arguments.out / "estimator.json",
        {
            "arguments": {"draws": arguments.draws, "features": [pair.split("=", 1)[0] for pair in arguments.features]},
            "commit": commit(),
            "versions": {name: version(name) for name in ("torch", "numpy", "scikit-learn")},
            "method": DEFAULT_METHOD,
            "results": record,
        },
    )
    print(text)


if __name__ == "__main__":
    main()
