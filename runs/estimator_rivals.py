"""scikit-learn's classifiers beside which runs/estimator.py sets SIBClassifier, with the settings that each may choose from in hindsight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

Build = Callable[[], BaseEstimator]
PREPARATIONS: dict[str, Build] = {"columns standardised": StandardScaler, "rows of unit length": Normalizer}
WIDTHS, NEIGHBOURS, ALPHAS = (1, 4, 16, 64), (7, 15, 30), (0.2, 0.8, 0.99)


@dataclass(frozen=True)
class RelativeKernel:
    """``exp(−γ d²)``, γ a multiple of one over the median squared distance; a matrix is kept until another is asked for."""

    factor: float
    kept: ClassVar[dict[tuple[str, float], npt.NDArray[np.floating]]] = {}

    def __call__(self, rows: npt.NDArray[np.floating], _: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        key = (sha256(np.ascontiguousarray(rows).tobytes()).hexdigest(), self.factor)
        if key not in self.kept:
            self.kept.clear()
            squared = euclidean_distances(rows, squared=True)
            self.kept[key] = np.exp(-self.factor / np.median(squared) * squared)
        return self.kept[key]


def logistic() -> LogisticRegression:
    return LogisticRegression(max_iter=1000)


def pipeline(prepare: Build, build: Build) -> BaseEstimator:
    return make_pipeline(prepare(), build())


def spreading() -> dict[str, Build]:
    """LabelSpreading as it comes (γ = 20, 7 neighbours, α = 0.2), and over a grid."""
    found: dict[str, Build] = {"rbf": LabelSpreading, "knn": partial(LabelSpreading, kernel="knn")}
    for alpha in ALPHAS:
        for width in WIDTHS:
            found[f"rbf of {width} over the median, α {alpha}"] = partial(LabelSpreading, kernel=RelativeKernel(width), alpha=alpha)
        for count in NEIGHBOURS:
            if (count, alpha) != (7, 0.2):  # as it comes
                found[f"knn of {count}, α {alpha}"] = partial(LabelSpreading, kernel="knn", n_neighbors=count, alpha=alpha)
    return found


def rivals() -> dict[str, dict[str, Build]]:
    """Each rival with the settings it may choose from."""
    plain: dict[str, dict[str, Build]] = {
        "LabelSpreading": spreading(),
        "SelfTrainingClassifier": {"logistic regression": lambda: SelfTrainingClassifier(logistic())},
        "LogisticRegression": {"": logistic},
    }
    return {
        rival: {
            ", ".join(filter(None, (setting, preparation))): partial(pipeline, prepare, build)
            for preparation, prepare in PREPARATIONS.items()
            for setting, build in settings.items()
        }
        for rival, settings in plain.items()
    }
