"""Meta-training of the arena's learned methods: each on the same classes, under one stated budget, once per content."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from sibyl.compare.fingerprints import code_checksum, features_checksum
from sibyl.compare.protocols import Cell
from sibyl.episodes import EpisodeSampler
from sibyl.errors import SibylError
from sibyl.evaluation import evaluate
from sibyl.features import Features, check_disjoint
from sibyl.methods import METHODS, LearnedMethod, Method
from sibyl.methods.named import shipped_methods, untrained
from sibyl.storage import Json, content_key
from sibyl.training.meta_train import MetaRecipe, meta_train

Shape = tuple[str, int, int, str]  # features, way, shot, method
Outcome = Path | SibylError


@dataclass(frozen=True)
class Budget:
    """What every learned method gets; stated in the table.

    Parameters
    ----------
    recipe : MetaRecipe
        Optimiser, length and validation interval; its rate is replaced by each of `rates`.
    rates : tuple of float
        Learning rates tried; the one whose best checkpoint scores highest on the validation classes is kept.
    n_query : int
        Queries per class of the training episodes, which are balanced.
    validation_episodes : int
        Fixed episodes of validation classes of five ways or fewer; wider ones are fewer, so that as many queries are answered.
    views : bool
        Train on augmented views where the features hold some.
    seed : int
        Of weights and episodes.
    """

    recipe: MetaRecipe = field(
        default_factory=lambda: MetaRecipe(2000, 4, optimizer="adamw", schedule="cosine", validate_every=250, clip=10.0)
    )
    rates: tuple[float, ...] = (1e-3,)
    n_query: int = 15
    validation_episodes: int = 200
    views: bool = True
    seed: int = 0

    @classmethod
    def of_length(cls, iterations: int, rates: tuple[float, ...], seed: int = 0) -> Budget:
        """Return the usual budget with another number of iterations, validated at least once."""
        recipe = cls().recipe
        every = min(recipe.validate_every, iterations)
        return cls(replace(recipe, iterations=iterations, validate_every=every), rates, seed=seed)

    def statement(self) -> str:
        """Say it in one sentence."""
        recipe = self.recipe
        rates = " or ".join(f"{rate:g}" for rate in self.rates)
        chosen = ", the better on validation classes" if len(self.rates) > 1 else ""
        return (
            f"{recipe.iterations:,} iterations of {recipe.episodes} balanced episodes of the cell's way and shots with "
            f"{self.n_query} queries per class, {recipe.optimizer} at rate {rates}{chosen} ({recipe.schedule}), weight decay "
            f"{recipe.weight_decay:g}; the checkpoint that is best on {self.validation_episodes} episodes of the validation classes "
            f"({self.episodes_to_validate(20)} at 20-way)"
        )

    def episodes_to_validate(self, way: int) -> int:
        """Return how many episodes of so many classes a checkpoint is judged on."""
        return max(1, self.validation_episodes * 5 // max(way, 5))


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Features of the training classes and of the validation classes; DataError if they share a class."""

    train: Features
    validation: Features

    def __post_init__(self) -> None:
        check_disjoint({"training": self.train.class_names, "validation": self.validation.class_names})

    @property
    def base_mean(self) -> tuple[float, ...]:
        """Mean feature of the training classes, which SimpleShot's paper subtracts."""
        return tuple(np.asarray(self.train.matrix).mean(0, dtype=np.float64).tolist())


def solve_batch(method_class: type[Method], batch_size: int) -> int:
    """Return how many episodes at once a method may see: one where it declares that a batch mixes them."""
    return batch_size if method_class.traits.batched else 1


def _scores(folder: Path) -> list[float]:
    """Return the score of each validation of a training."""
    lines = (folder / "progress.jsonl").read_text(encoding="utf-8").splitlines()
    return [float(json.loads(line)["validation"]) for line in lines]


def still_improving(outcome: Outcome) -> bool:
    """Whether a trained method was at its best at its last validation: longer training may give more."""
    if not isinstance(outcome, Path) or not (outcome.parent / "progress.jsonl").exists():
        return False
    scores = _scores(outcome.parent)
    return len(scores) > 1 and scores[-1] > max(scores[:-1])


def train_one(
    name: str,
    way: int,
    shot: int,
    data: TrainingSet,
    budget: Budget,
    folder: Path,
    on_step: Callable[[int, int, Json], None] = lambda done, total, report: None,
    device: str = "cpu",
) -> Path:
    """Meta-train one method, or return what the same training left in `folder` before.

    Returns
    -------
    path
        The best checkpoint on the validation classes.

    Raises
    ------
    SibylError
        If the features are too small for such episodes, or the method has no parameters.
    """
    views = budget.views and data.train.views is not None
    ingredients = {
        "train": features_checksum(data.train, views=views), "validation": features_checksum(data.validation), "method": name,
        "way": way, "shot": shot, "budget": asdict(budget), "views": views, "code": code_checksum(METHODS[name]),
    }  # fmt: skip
    source = EpisodeSampler(data.train, n_way=way, n_shot=shot, n_query=budget.n_query, seed=budget.seed + 1, views=views)
    fixed = EpisodeSampler(data.validation, n_way=way, n_shot=shot, n_query=budget.n_query, seed=budget.seed)
    batch = solve_batch(METHODS[name], 32)

    def validate(candidate: LearnedMethod) -> float:
        found = evaluate(candidate, fixed, budget.episodes_to_validate(way), batch_size=batch, device=device)
        return float(found.accuracy.mean())

    scored: list[tuple[float, Path]] = []
    for rate in budget.rates:
        out = folder / f"{name}-{content_key([ingredients, rate])}"
        if not (out / "last.safetensors").exists():
            recipe = replace(budget.recipe, rate=rate)
            network = untrained(name, data.train.dim, way, budget.seed)
            meta_train(
                network,
                source,
                out,
                recipe=recipe,
                validate=validate,
                seed=budget.seed,
                card=ingredients,
                on_step=on_step,
                device=device,
            )
        scored.append((max(_scores(out)), out / "best.safetensors"))
    return max(scored, key=lambda pair: pair[0])[1]


def train_all(
    names: Iterable[str],
    cells: Iterable[Cell],
    data: Mapping[str, TrainingSet],
    budget: Budget,
    folder: str | Path,
    on_progress: Callable[[int, int, str], None] = lambda done, total, note: None,
    device: str = "cpu",
) -> dict[Shape, Outcome]:
    """Meta-train every learned method for every way and shot that the cells need, on each cell's own features.

    Parameters
    ----------
    names : iterable of str
        Methods of the comparison; those without parameters, or with weights in the package, are passed over.
    cells : iterable of Cell
        Cells whose features have no entry in `data` are passed over.
    data : mapping of str to TrainingSet
        By name of the features.
    budget, folder
        See `train_one`.
    on_progress : callable
        Called with iterations done, iterations in all and a note.
    device : str
        Where to train.

    Returns
    -------
    dict
        (features, way, shot, method) → checkpoint, or the error that stopped it.
    """
    ready = shipped_methods()
    learned = [name for name in names if name in METHODS and issubclass(METHODS[name], LearnedMethod) and name not in ready]
    shapes = dict.fromkeys((cell.features, cell.way, cell.shot) for cell in cells if cell.features in data)
    length = budget.recipe.iterations * len(budget.rates)
    total = length * len(shapes) * len(learned)
    found: dict[Shape, Outcome] = {}
    before = 0
    for features, way, shot in shapes:
        for name in learned:
            note = f"{name}, {features} {way}-way {shot}-shot"
            steps = 0

            def on_step(done: int, of: int, report: Json, note: str = note, before: int = before, total: int = total) -> None:
                nonlocal steps
                steps += 1
                if done % 20 == 0:
                    on_progress(before + steps, total, note)

            try:
                found[features, way, shot, name] = train_one(name, way, shot, data[features], budget, Path(folder), on_step, device)
            except SibylError as error:
                found[features, way, shot, name] = error
            if steps:
                before += length
            else:
                total -= length  # it was there: no time went by that the time left should be reckoned from
            on_progress(before, total, note)
    return found
