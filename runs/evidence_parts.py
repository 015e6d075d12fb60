"""The cells of runs/evidence.py: what is measured, one draw at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from evidence_choices import CHOICES

from sibyl import first_items
from sibyl.features import Features
from sibyl.labeling.suggest import suggest
from sibyl.methods.named import DEFAULT_METHOD, method_by_name
from sibyl.transduction.class_names import weigh_names
from sibyl.transduction.class_prior import read_class_prior
from sibyl.transduction.transduce import Transduction, transduce

Matrix = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]
PILE = 1500  # items of a pile
WHOLE = 10_000  # all that there are
KNOWN = "nothing", "exact", "60 counted", "15 counted", "off by two", "off by two, told as exact"  # of a class mix


@dataclass(frozen=True)
class Sets:
    """The features by name, and the names of CLINC150's classes as rows."""

    features: dict[str, Features]
    names: Matrix | None
    junk: Matrix | None


@dataclass(frozen=True)
class Cell:
    """What a line of a table holds: its name, draws at least, and seed → what was found by name.

    Where `kinds` are named, ``measure(seed, kinds)`` finds some of them alone, so that a kind that comes later is added to what is kept.
    """

    key: str
    draws: int
    measure: Callable[..., dict[str, float]]
    kinds: tuple[str, ...] = ()

    def found(self, seed: int, kept: dict[str, list[float]]) -> dict[str, float]:
        """Measure what is missing of a draw."""
        if not self.kinds:
            return self.measure(seed) if all(len(values) == seed for values in kept.values()) else {}
        missing = tuple(kind for kind in self.kinds if len(kept.get(kind, ())) == seed)
        return self.measure(seed, missing) if missing else {}


def names_part(sets: Sets) -> Iterator[Cell]:
    if "CLINC150" not in sets.features:
        return
    for n_way in (30, 20, 5):
        for mix, alpha in MIXES.items():
            for n_shot in (1, 0, 5):
                draws = 10 if n_way == 5 or (n_way == 30 and alpha is None and n_shot < 5) else 0
                yield Cell(f"names/{n_way}/{mix}/{n_shot}", draws, partial(names, sets, n_way, alpha, n_shot))


def names(sets: Sets, n_way: int, alpha: float | None, n_shot: int, seed: int) -> dict[str, float]:
    """Right names, those of the next class, numbers; where none is believed the task is that without names, and not solved again."""
    assert sets.names is not None
    assert sets.junk is not None
    x, codes, y, classes = draw(sets.features["CLINC150"], n_way, n_shot, alpha, seed, WHOLE if n_way == 30 else PILE)
    own, found = sets.names[classes], {}
    if not n_shot:
        return {"true": right(solve(x, codes, n_way, vectors=own), y)}
    found["none"] = right(solve(x, codes, n_way), y)
    for kind, vectors in {"true": own, "permuted": np.roll(own, 1, 0), "junk": sets.junk[:n_way]}.items():
        believed = weigh_names(vectors, x[codes >= 0], codes[codes >= 0]).believed.any()
        found[kind] = right(solve(x, codes, n_way, vectors=vectors), y) if believed else found["none"]
    return found


def first_part(sets: Sets) -> Iterator[Cell]:
    for name, features in sets.features.items():
        for times in (1, 2, 3, 5, 6) if name == "photographs" else (1, 2, 3, 5):
            yield Cell(f"first/{name}/{times}", 0, partial(first, features, times))


def first(features: Features, times: int, seed: int) -> dict[str, float]:
    n_way = min(30, len(features.class_names))
    x, _, y, _ = draw(features, n_way, 0, None, seed)
    return {kind: labelled(x, y, choose(x, y, times * n_way, seed)) for kind, choose in CHOICES.items()}


def rounds_part(sets: Sets) -> Iterator[Cell]:
    for name, features in sets.features.items():
        yield Cell(f"rounds/{name}", 0, partial(rounds, features))


def rounds(features: Features, seed: int) -> dict[str, float]:
    """As many first items as there are classes, then as many at a time as `sibyl suggest` names."""
    n_way, found = min(30, len(features.class_names)), {}
    x, _, y, _ = draw(features, n_way, 0, None, seed)
    chosen = np.asarray(first_items(x, n_way), np.int64)
    for times in range(1, 7):
        answer, found[f"{times} × classes"] = taught(x, y, chosen)
        chosen = np.concatenate([chosen, answer.asked[[one.row for one in suggest(answer.task, answer.solution, n_way)]]])
    return found


def biased_part(sets: Sets) -> Iterator[Cell]:
    for name, features in sets.features.items():
        for percent in (30, 65):
            yield Cell(f"biased/{name}/{percent}", 20, partial(biased, features, percent / 100))


def biased(features: Features, share: float, seed: int) -> dict[str, float]:
    """Confirm what is right among the surest items, and ask again; beside it as many random labels. Measured on the items that are left."""
    n_way = min(30, len(features.class_names))
    x, codes, y, _ = draw(features, n_way, 1, None, seed)
    before = solve(x, codes, n_way)
    surest = before.solution.logits[0].softmax(-1).amax(-1).argsort(descending=True).numpy()[: round(share * len(before.asked))]
    said, asked = before.solution.predictions[0].numpy(), before.asked
    confirmed = asked[surest[said[surest] == y[asked[surest]]]]
    left = np.setdiff1d(asked, confirmed)
    by_person, by_chance = codes.copy(), codes.copy()
    by_person[confirmed] = y[confirmed]
    drawn = np.random.default_rng([seed, 7]).choice(asked, len(confirmed), replace=False)
    by_chance[drawn] = y[drawn]
    answers = {"before": before, "confirmed": solve(x, by_person, n_way), "random": solve(x, by_chance, n_way)}
    return {"labels": len(confirmed) / len(asked)} | {kind: right(found, y, left) for kind, found in answers.items()}


def mix_part(sets: Sets) -> Iterator[Cell]:
    for mix, alpha in {"Dirichlet 1.0": 1.0, **MIXES}.items():
        for name in ("CLINC150", "photographs", "digits"):
            if name in sets.features:
                yield Cell(f"mix/{name}/{mix}", 20, partial(known_mix, sets.features[name], alpha), KNOWN)


def known_mix(features: Features, alpha: float | None, seed: int, kinds: tuple[str, ...] = KNOWN) -> dict[str, float]:
    """What is known of the class mix, from nothing to wrong shares told as counts and, firmly, as shares."""
    x, codes, y, _ = draw(features, 5, 1, alpha, seed, most=150)
    generator, rest = np.random.default_rng(seed), y[codes < 0]
    true = np.bincount(rest, minlength=5) / len(rest)
    off = off_by_two(rest, generator)
    counts = (np.bincount(generator.choice(rest, n, replace=False), minlength=5) for n in (60, 15))
    known = (None, true.astype(np.float32), *counts, np.round(20 * off / off.sum()), (off / off.sum()).astype(np.float32))
    return {kind: right(solve(x, codes, 5, prior), y) for kind, prior in zip(KNOWN, known, strict=True) if kind in kinds}


def off_by_two(rest: Codes, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return the shares of five classes, each wrong by a factor of two, up or down; they do not sum to one."""
    true = np.bincount(rest, minlength=5) / len(rest)
    return np.asarray((true + 0.01) * np.exp(generator.choice([-0.7, 0.7], 5)))


def solve(x: Matrix, codes: Codes, n_way: int, prior: Any = None, vectors: Matrix | None = None) -> Transduction:
    method = method_by_name(DEFAULT_METHOD, x.shape[1], n_way)
    return transduce(x, codes, n_way, method, read_class_prior(prior, list(range(n_way))), class_vectors=vectors)


def right(found: Transduction, y: Codes, among: Codes | None = None) -> float:
    """Share of the unlabelled rows that are right, of all or among some."""
    taken = np.ones(len(found.asked), bool) if among is None else np.isin(found.asked, among)
    return float((found.solution.predictions[0].numpy() == y[found.asked])[taken].mean())


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


def labelled(x: Matrix, y: Codes, chosen: Codes) -> float:
    """Share of the other rows that are right when these are labelled; a class that none of them shows is always wrong."""
    met = np.unique(y[chosen])
    if len(met) < 2:
        return float((np.delete(y, chosen) == met[0]).mean())
    return taught(x, y, chosen)[1]


def taught(x: Matrix, y: Codes, chosen: Codes) -> tuple[Transduction, float]:
    """The answer when these rows are labelled, and the share of the others that is right."""
    met, codes = np.unique(y[chosen]), np.full(len(y), -1)
    codes[chosen] = np.searchsorted(met, y[chosen])
    found = solve(x, codes, len(met))
    return found, float((met[found.solution.predictions[0].numpy()] == y[found.asked]).mean())


MIXES: dict[str, float | None] = {"balanced": None, "Dirichlet 0.5": 0.5}
PARTS: dict[str, Callable[[Sets], Iterator[Cell]]] = {
    "first": first_part,
    "rounds": rounds_part,
    "names": names_part,
    "biased": biased_part,
    "mix": mix_part,
}
