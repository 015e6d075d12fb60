"""What is measured: a cell of the arena, grids of cells, and the named protocols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import product

from sibyl.episodes import EpisodeSampler
from sibyl.features import Features
from sibyl.storage import Json
from sibyl.tasks import ClassPrior

MIXES = ("balanced", "dirichlet:2", "dirichlet:0.5", "one-class")


@dataclass(frozen=True)
class Cell:
    """One setting of the arena; every method meets the same episodes in it.

    Parameters
    ----------
    features : str
        Name of the features that episodes are drawn from.
    way, shot, n_query : int
        Classes, labelled items per class, unlabelled items per class on average.
    mix : str
        Class mix of the queries (see `sibyl.class_mix.ClassMix`).
    outlier_share : float
        Share of the queries that belong to none of the classes.
    episodes, seed : int
        Number of episodes, and which sequence.
    told_balanced : bool
        Methods are told that the queries are balanced.
    """

    features: str
    way: int = 5
    shot: int = 1
    n_query: int = 15
    mix: str = "balanced"
    outlier_share: float = 0.0
    episodes: int = 1000
    seed: int = 0
    told_balanced: bool = False

    def sampler(self, features: Features) -> EpisodeSampler:
        """Return the cell's episodes; DataError where the features are too small for it."""
        return EpisodeSampler(
            features,
            n_way=self.way,
            n_shot=self.shot,
            n_query=self.n_query,
            class_mix=self.mix,
            outlier_share=self.outlier_share,
            seed=self.seed,
        )

    @property
    def class_prior(self) -> ClassPrior:
        """What methods are told of the mix."""
        return "balanced" if self.told_balanced else None

    @property
    def settings(self) -> Json:
        """Everything but the name of the features."""
        return {name: value for name, value in asdict(self).items() if name != "features"}

    def describe(self, without: str = "") -> str:
        """Say way, shots, mix and what else differs from the usual; `without` names one field to pass over."""
        words = {
            "way": f"{self.way}-way",
            "shot": f"{self.shot}-shot",
            "mix": self.mix,
            "n_query": f"{self.n_query} queries per class" if self.n_query != 15 else "",
            "outlier_share": f"{100 * self.outlier_share:g} % outliers" if self.outlier_share else "",
            "told_balanced": "told balanced" if self.told_balanced else "",
        }
        return ", ".join(word for name, word in words.items() if word and name != without)

    @property
    def title(self) -> str:
        """Features and setting."""
        return f"{self.features}: {self.describe()}"


def grid(
    features: Sequence[str],
    ways: Sequence[int] = (5,),
    shots: Sequence[int] = (1,),
    n_queries: Sequence[int] = (15,),
    mixes: Sequence[str] = ("balanced",),
    outlier_shares: Sequence[float] = (0.0,),
    *,
    episodes: int = 1000,
    seed: int = 0,
    told_balanced: bool = False,
) -> tuple[Cell, ...]:
    """Return every combination: features outermost, then ways, outliers, shots, numbers of queries, mixes."""
    axes = product(features, ways, outlier_shares, shots, n_queries, mixes)
    return tuple(
        Cell(name, way, shot, n_query, mix, outlier_share, episodes, seed, told_balanced)
        for name, way, outlier_share, shot, n_query, mix in axes
    )


def standing(features: Sequence[str]) -> tuple[Cell, ...]:
    """Return the standing table: 5-way, 1 and 5 shots, four class mixes; Omniglot 20-way too; then the cells with 25 % outliers.

    Features are taken in the order given. Outliers come with the first two mixes everywhere, and with all four on the first two
    features. 1,000 episodes at 5-way, 200 at 20-way.
    """
    cells = list(grid(features, shots=(1, 5), mixes=MIXES))
    characters = [name for name in features if name.startswith("omniglot")]
    cells += grid(characters, ways=(20,), shots=(1, 5), mixes=MIXES, episodes=200)
    cells += grid(features, shots=(1, 5), mixes=MIXES[:2], outlier_shares=(0.25,))
    cells += grid(features[:2], shots=(1, 5), mixes=MIXES[2:], outlier_shares=(0.25,))
    return tuple(cells)


def mixes(features: Sequence[str]) -> tuple[Cell, ...]:
    """Return the heart of the standing table: 5-way, 1 and 5 shots, four class mixes, no outliers."""
    return grid(features, shots=(1, 5), mixes=MIXES)


def unlabelled(features: Sequence[str]) -> tuple[Cell, ...]:
    """Return 5-way 1-shot cells with 1 to 50 unlabelled items per class."""
    return grid(features, n_queries=(1, 2, 5, 15, 30, 50))


def shots(features: Sequence[str]) -> tuple[Cell, ...]:
    """Return 5-way cells with 1 to 20 labelled items per class."""
    return grid(features, shots=(1, 2, 5, 10, 20))


def skew(features: Sequence[str]) -> tuple[Cell, ...]:
    """Return 5-way 1-shot cells from balanced queries to queries of one class."""
    return grid(features, mixes=("balanced", "dirichlet:5", "dirichlet:2", "dirichlet:1", "dirichlet:0.5", "one-class"))


PROTOCOLS: dict[str, Callable[[Sequence[str]], tuple[Cell, ...]]] = {
    "standing": standing,
    "mixes": mixes,
    "shots": shots,
    "skew": skew,
    "unlabelled": unlabelled,
}
