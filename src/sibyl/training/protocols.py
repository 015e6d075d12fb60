"""Protocols by name: how learned methods are validated, which checkpoint counts, and how they are tested.

A protocol settles before any training what a published figure means, so that two tables that name it can be compared, and so that
nothing is left to choose once test classes have been seen. (The arena's grids of cells are in `sibyl.compare.protocols`.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sibyl.episodes import EpisodeSampler
from sibyl.errors import DataError, UnknownName
from sibyl.evaluation import Evaluation, evaluate, interval
from sibyl.features import Features
from sibyl.methods.method import LearnedMethod, Method
from sibyl.storage import Json


@dataclass(frozen=True)
class MetaTestProtocol:
    """What is fixed before meta-training.

    Parameters
    ----------
    name : str
        As tables cite it.
    n_way, shots, n_query : int, tuple of int, int
        Classes per episode; labelled items per class, one column of the table each; unlabelled items per class.
    n_seeds : int
        Meta-trainings, numbered from 0; each draws its own weights and training episodes.
    validation_episodes, validation_seed : int
        The fixed episodes of validation classes that score a network while it is trained.
    n_validations : int
        How often that happens, at even distances up to the last iteration.
    keep : "last" or "best"
        Which of the two checkpoints that meta-training keeps goes to the test.
    test_episodes, test_seed : int
        The fixed episodes of test classes; every method and seed meets the same ones.
    """

    name: str
    n_way: int = 5
    shots: tuple[int, ...] = (1, 5)
    n_query: int = 15
    n_seeds: int = 3
    validation_episodes: int = 200
    validation_seed: int = 0
    n_validations: int = 10
    keep: str = "last"
    test_episodes: int = 2000
    test_seed: int = 2020

    def __post_init__(self) -> None:
        if self.keep not in ("last", "best"):
            raise UnknownName("checkpoint to keep", self.keep, ("last", "best"))

    @property
    def seeds(self) -> range:
        """The meta-training seeds."""
        return range(self.n_seeds)

    def training_sampler(self, features: Features, n_shot: int, seed: int, *, views: bool) -> EpisodeSampler:
        """Return the training episodes of meta-training seed `seed`; DataError where the features are too small for them."""
        return EpisodeSampler(features, n_way=self.n_way, n_shot=n_shot, n_query=self.n_query, seed=seed + 1, views=views)

    def validation(self, features: Features, n_shot: int) -> Callable[[LearnedMethod], float]:
        """Return the score for `meta_train`: accuracy on the fixed episodes of validation classes."""
        fixed = EpisodeSampler(features, n_way=self.n_way, n_shot=n_shot, n_query=self.n_query, seed=self.validation_seed)
        return lambda method: float(evaluate(method, fixed, self.validation_episodes).accuracy.mean())

    def validate_every(self, iterations: int) -> int:
        """Iterations between two validations of a training of that length."""
        return max(1, iterations // self.n_validations)

    def kept(self, folder: str | Path) -> Path:
        """Return the checkpoint that counts, of a folder that `meta_train` wrote.

        Raises
        ------
        DataError
            If the training there has not ended.
        """
        if not (Path(folder) / "last.safetensors").exists():
            raise DataError(f"{folder}: no finished meta-training, last.safetensors is missing; run it to its end first")
        return Path(folder) / f"{self.keep}.safetensors"

    def test_sampler(self, features: Features, n_shot: int) -> EpisodeSampler:
        """Return the fixed episodes of test classes; DataError where the features are too small for them."""
        return EpisodeSampler(features, n_way=self.n_way, n_shot=n_shot, n_query=self.n_query, seed=self.test_seed)

    def test(self, methods: Sequence[Method], sampler: EpisodeSampler) -> Json:
        """Evaluate one method per meta-training seed on the test episodes and pool them (see `pool_seeds`)."""
        return pool_seeds([evaluate(method, sampler, self.test_episodes) for method in methods])

    def trial(self) -> MetaTestProtocol:
        """Return a short form that proves a script and measures nothing: one seed, 20 validation and 100 test episodes."""
        return replace(self, name=f"{self.name}, trial", n_seeds=1, validation_episodes=20, n_validations=2, test_episodes=100)


def pool_seeds(results: Sequence[Evaluation]) -> Json:
    """Pool evaluations of several meta-training seeds on the same episodes.

    Returns
    -------
    mapping
        ``accuracy``, mean over seeds and episodes; ``interval``, half the 95 % interval over episodes of the accuracy that is averaged over
        seeds; ``seeds``, the accuracy of each; ``ece``, mean of their calibration errors.

    Raises
    ------
    DataError
        If there is no evaluation, or they are of different numbers of episodes.
    """
    lengths = {len(result.accuracy) for result in results}
    if len(lengths) != 1:
        raise DataError(
            f"expected evaluations of one number of episodes, got {sorted(lengths) or 'none'}; evaluate on the same ones"
        )
    accuracy = np.stack([result.accuracy for result in results])
    mean, half = interval(accuracy.mean(0))
    ece = float(np.mean([result.ece for result in results]))
    return {"accuracy": mean, "interval": half, "seeds": accuracy.mean(1).tolist(), "ece": ece}


META_TEST_PROTOCOLS = {protocol.name: protocol for protocol in (MetaTestProtocol("sib"),)}
"""``sib``: Hu et al. 2020 count the last iteration and test on 2,000 episodes; three seeds and their spread are ours."""


def meta_test_protocol(name: str) -> MetaTestProtocol:
    """Return a protocol by name, or raise `UnknownName`."""
    if name not in META_TEST_PROTOCOLS:
        raise UnknownName("protocol", name, META_TEST_PROTOCOLS)
    return META_TEST_PROTOCOLS[name]
