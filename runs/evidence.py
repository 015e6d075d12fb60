"""What people know beside the labels, and what it is worth: results/evidence.md and evidence.json.

    python runs/evidence.py --clinc150 DIR --photos DIR [--part names] [--out results]

DIR are folders of features of classes that no training met: CLINC150's test domains by ``minilm-int8``, photographs (`sibyl embed`);
digits and tables come with scikit-learn. Each cell is kept in the record as soon as it is measured, so a killed run goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from evidence_page import page
from experiment import RESULTS, commit, versions
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC

from sibyl import SIBClassifier, first_items
from sibyl.datasets.digits import digit_features
from sibyl.encoders.named import encoder_by_name
from sibyl.features import Features
from sibyl.methods.named import DEFAULT_METHOD, method_by_name
from sibyl.storage import Json, read_json, write_json, write_text
from sibyl.transduction.class_prior import read_class_prior
from sibyl.transduction.transduce import Transduction, transduce

Matrix = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]
PILE = 1500  # items of a pile


@dataclass(frozen=True)
class Sets:
    """The features by name, and the names of CLINC150's classes as rows."""

    features: dict[str, Features]
    names: Matrix | None
    junk: Matrix | None


Cell = tuple[str, Callable[[], list[float] | dict[str, list[float]]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clinc150", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--part", action="append", choices=tuple(PARTS), help="all without it")
    parser.add_argument("--only", default="", help="measure the cells whose names begin so; the page has all that were measured")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    given = {"CLINC150": arguments.clinc150, "photographs": arguments.photos}
    features = {name: Features.load(folder) for name, folder in given.items() if folder} | {"digits": digit_features()}
    names = junk = None
    if arguments.clinc150:
        encoder = encoder_by_name("minilm-int8")
        classes = features["CLINC150"].class_names
        names = encoder.encode_names([name.replace("_", " ") for name in classes])
        junk = encoder.encode_names([f"class {number}" for number in range(len(classes))])
    sets = Sets(features, names, junk)
    file = arguments.out / "evidence.json"
    record: Json = read_json(file) if file.is_file() else {"cells": {}}
    for part in arguments.part or PARTS:
        for key, measure in PARTS[part](sets):
            if key not in record["cells"] and key.startswith(arguments.only):
                record["cells"][key] = measure()
                record |= {"commit": commit(), "versions": versions("sibyl-learn", "torch", "numpy", "scikit-learn")}
                write_json(file, record)
                print(key, record["cells"][key], flush=True)
    write_text(arguments.out / "evidence.md", page(record["cells"]))


def solve(x: Matrix, codes: Codes, n_way: int, prior: Any = None, vectors: Matrix | None = None) -> Transduction:
    method = method_by_name(DEFAULT_METHOD, x.shape[1], n_way)
    return transduce(x, codes, n_way, method, read_class_prior(prior, list(range(n_way))), class_vectors=vectors)


def right(found: Transduction, y: Codes) -> float:
    """Share of the unlabelled rows that are right."""
    asked = found.asked
    return float((found.solution.predictions[0].numpy() == y[asked]).mean())


def draw(
    features: Features, n_way: int, n_shot: int, alpha: float | None, seed: int, most: int = PILE
) -> tuple[Matrix, Codes, Codes, Codes]:
    """Return rows, labels (−1 where unknown), true classes and the classes' numbers in the set."""
    generator = np.random.default_rng([seed, n_way, 19])
    labels = np.asarray(features.labels)
    classes = generator.permutation(np.unique(labels[labels >= 0]))[:n_way]
    shares = np.full(n_way, 1 / n_way) if alpha is None else generator.dirichlet(np.full(n_way, alpha))
    smallest = min(int((labels == one).sum()) for one in classes) - 5
    total = min(most, smallest * n_way)
    rows, y, known = [], [], []
    for number, (one, share) in enumerate(zip(classes, shares, strict=True)):
        own = generator.permutation(np.flatnonzero(labels == one))
        chosen = own[: n_shot + min(round(total * share), len(own) - n_shot)]
        rows.append(chosen)
        y.append(np.full(len(chosen), number))
        known.append(np.where(np.arange(len(chosen)) < n_shot, number, -1))
    x = np.asarray(features.matrix, np.float32)[np.concatenate(rows)]
    return x, np.concatenate(known), np.concatenate(y), classes


def names_part(sets: Sets) -> Iterator[Cell]:
    features = sets.features["CLINC150"]
    for n_way in (30, 5, 20):
        for alpha in (None, 0.5):
            for n_shot in (1, 0, 5):

                def measure(n_way: int = n_way, alpha: float | None = alpha, n_shot: int = n_shot) -> dict[str, list[float]]:
                    found: dict[str, list[float]] = {}
                    for seed in range(10 if n_way == 5 else 3):
                        most = 10_000 if n_way == 30 else PILE
                        x, codes, y, classes = draw(features, n_way, n_shot, alpha, seed, most)
                        assert sets.names is not None
                        assert sets.junk is not None
                        own = sets.names[classes]
                        kinds = {"none": None, "true": own, "permuted": np.roll(own, 1, 0), "junk": sets.junk[:n_way]}
                        for kind, vectors in kinds.items():
                            if n_shot or kind == "true":
                                found.setdefault(kind, []).append(right(solve(x, codes, n_way, vectors=vectors), y))
                    return found

                yield f"names/{n_way}/{'balanced' if alpha is None else f'Dirichlet {alpha}'}/{n_shot}", measure


def first_part(sets: Sets) -> Iterator[Cell]:
    for name, features in sets.features.items():
        for times in (1, 2, 3, 5):

            def measure(features: Features = features, times: int = times) -> dict[str, list[float]]:
                found: dict[str, list[float]] = {}
                n_way = min(30, len(features.class_names))
                for seed in range(4):
                    x, _, y, _ = draw(features, n_way, 0, None, seed)
                    n = times * n_way
                    for kind, choose in CHOICES.items():
                        found.setdefault(kind, []).append(labelled(x, y, choose(x, y, n, seed)))
                return found

            yield f"first/{name}/{times}", measure


def mix_part(sets: Sets) -> Iterator[Cell]:
    for alpha in (1.0, 0.5, None):
        for name, features in sets.features.items():

            def measure(features: Features = features, alpha: float | None = alpha) -> dict[str, list[float]]:
                found: dict[str, list[float]] = {}
                for seed in range(20):
                    x, codes, y, _ = draw(features, 5, 1, alpha, seed, most=150)
                    generator, rest = np.random.default_rng(seed), y[codes < 0]
                    true = np.bincount(rest, minlength=5) / len(rest)
                    off = (true + 0.01) * np.exp(generator.choice([-0.7, 0.7], 5))
                    known: dict[str, Any] = {
                        "nothing": None,
                        "exact": true.astype(np.float32),
                        "60 counted": np.bincount(generator.choice(rest, 60, replace=False), minlength=5),
                        "15 counted": np.bincount(generator.choice(rest, 15, replace=False), minlength=5),
                        "off by two": np.round(20 * off / off.sum()),
                    }
                    for kind, prior in known.items():
                        found.setdefault(kind, []).append(right(solve(x, codes, 5, prior), y))
                return found

            yield f"mix/{name}/{'balanced' if alpha is None else f'Dirichlet {alpha}'}", measure


def tables_part(sets: Sets) -> Iterator[Cell]:
    for name, load in (("iris", load_iris), ("wine", load_wine), ("breast cancer", load_breast_cancer)):
        for n_shot in (1, 5):

            def measure(load: Callable[..., Any] = load, n_shot: int = n_shot) -> dict[str, list[float]]:
                found: dict[str, list[float]] = {}
                x, y = load(return_X_y=True)
                x = StandardScaler().fit_transform(x)
                for seed in range(20):
                    generator = np.random.default_rng([seed, n_shot])
                    known = np.concatenate([generator.permutation(np.flatnonzero(y == one))[:n_shot] for one in np.unique(y)])
                    codes = np.full(len(y), -1)
                    codes[known] = y[known]
                    rest = codes < 0
                    together = (SIBClassifier().fit(x, codes).transduction_[rest] == y[rest]).mean()
                    found.setdefault("universal SIB", []).append(float(together))
                    for kind, rival in RIVALS.items():
                        teaching = np.ones(len(y), bool) if kind.startswith("Label") else ~rest
                        answer = rival().fit(x[teaching], codes[teaching]).predict(x[rest])
                        found.setdefault(kind, []).append(float((answer == y[rest]).mean()))
                return found

            yield f"tables/{name}/{n_shot}", measure


RIVALS: dict[str, Callable[[], Any]] = {
    "LabelSpreading (rbf)": lambda: LabelSpreading(kernel="rbf", gamma=1.0, max_iter=1000),
    "LabelSpreading (knn)": lambda: LabelSpreading(kernel="knn", n_neighbors=10, max_iter=1000),
    "LogisticRegression": lambda: LogisticRegression(max_iter=2000),
    "SVC": SVC,
    "KNeighbors (1)": lambda: KNeighborsClassifier(1),
    "NearestCentroid": NearestCentroid,
    "RandomForest": lambda: RandomForestClassifier(100, random_state=0),
}


def labelled(x: Matrix, y: Codes, chosen: Codes) -> float:
    """Share of the other rows that are right when these are labelled; a class that none of them shows is always wrong."""
    met = np.unique(y[chosen])
    if len(met) < 2:
        return float((np.delete(y, chosen) == met[0]).mean())
    codes = np.full(len(y), -1)
    codes[chosen] = np.searchsorted(met, y[chosen])
    found = solve(x, codes, len(met))
    return float((met[found.solution.predictions[0].numpy()] == y[found.asked]).mean())


def unit(x: Matrix) -> Matrix:
    centred = x - x.mean(0)
    rows: Matrix = centred / np.linalg.norm(centred, axis=1, keepdims=True).clip(1e-12)
    return rows


def random_items(x: Matrix, y: Codes, n: int, seed: int) -> Codes:
    return np.random.default_rng(seed).permutation(len(x))[:n]


def browsed(x: Matrix, y: Codes, n: int, seed: int) -> Codes:
    """As many random items of each class as the budget has room for."""
    generator, n_way = np.random.default_rng(seed), int(y.max()) + 1
    return np.concatenate([generator.permutation(np.flatnonzero(y == one))[: n // n_way] for one in range(n_way)])


def clusters(x: Matrix, n: int, seed: int) -> tuple[Matrix, KMeans]:
    rows = unit(x)
    return rows, KMeans(n, n_init=1, random_state=seed).fit(rows)


def medoids(x: Matrix, y: Codes, n: int, seed: int) -> Codes:
    rows, found = clusters(x, n, seed)
    return np.unique(found.transform(rows).argmin(0))


def typical_items(x: Matrix, y: Codes, n: int, seed: int) -> Codes:
    """TypiClust: of each cluster the item nearest to its 20 neighbours within it."""
    rows, found = clusters(x, n, seed)
    chosen = []
    for one in range(n):
        own = np.flatnonzero(found.labels_ == one)
        apart = np.linalg.norm(rows[own][:, None] - rows[own][None], axis=-1) if len(own) < 800 else np.zeros((len(own), 1))
        chosen.append(own[np.sort(apart, 1)[:, 1:21].mean(1).argmin() if len(own) > 1 else 0])
    return np.array(chosen)


CHOICES: dict[str, Callable[[Matrix, Codes, int, int], Codes]] = {
    "random": random_items,
    "first items": lambda x, y, n, seed: np.asarray(first_items(x, n), np.int64),
    "k-means": medoids,
    "TypiClust": typical_items,
    "one per class": browsed,
}
PARTS: dict[str, Callable[[Sets], Iterator[Cell]]] = {
    "names": names_part,
    "mix": mix_part,
    "tables": tables_part,
    "first": first_part,
}


if __name__ == "__main__":
    main()
