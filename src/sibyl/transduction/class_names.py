"""Names of classes as evidence: rows of the space that the items lie in, believed only where they agree with the examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sibyl.errors import InputError
from sibyl.transduction.feature_rows import LARGEST, Matrix

Rows = npt.NDArray[np.float32]

ALL_AGREE = 0.2
"""Mean likeness of names and examples from which on the names are believed. On CLINC150's training and validation domains, with
one example a class: right names 0.24 to 0.7, names of other intents at most 0.18, numbers for names at most 0.17, mixed-up ones of
five and more classes at most 0.26, of 20 classes at most 0.07."""
ONE_AGREES = 0.1
"""Likeness from which on the name of one class is believed, where the names as a whole are: with five examples a class, 1 % of right names
and 85 % of wrong ones are below."""
OPPOSED, TAKEN = -0.1, 0.4
"""With one example a class, 4 % of right names are below `ONE_AGREES`, and it is the example that is odd: to leave these names out costs a
class more than a wrong name does. So a single example speaks against a name only if their likeness is below `OPPOSED`, or that of the name
to the examples of another class at least `TAKEN`, as where two names are exchanged (1 % of right names)."""

ROUNDS = 3
"""Of assigning rows to names and moving the names."""


@dataclass(frozen=True, eq=False)
class NameEvidence:
    """Which names of classes are believed.

    Parameters
    ----------
    likeness : float array [class]
        Cosine of the name with the mean of the class's examples, both seen from the middle of all classes; NaN where there is nothing to
        compare.
    named, believed : bool array [class]
        Classes that have a name, and those whose name teaches.
    compared : bool
        Whether any name could be compared with examples.
    """

    likeness: npt.NDArray[np.float64]
    named: npt.NDArray[np.bool_]
    believed: npt.NDArray[np.bool_]
    compared: bool

    def words(self, classes: Sequence[Any]) -> dict[Any, str]:
        """Say for each class whether its name was used."""
        said = {}
        for one, named, believed, likeness in zip(classes, self.named, self.believed, self.likeness, strict=True):
            if not named:
                said[one] = "no name"
            elif np.isnan(likeness):
                said[one] = "name used, nothing to compare it with" if believed else "name not used"
            else:
                said[one] = f"name {'used' if believed else 'not used'}, likeness to its examples {likeness:.2f}"
        return said

    def note(self, classes: Sequence[Any]) -> str:
        """Say in a sentence how many names were used, and which were not."""
        n_named, n_used = int(self.named.sum()), int(self.believed.sum())
        left_out = [str(one) for one, named, used in zip(classes, self.named, self.believed, strict=True) if named and not used]
        if not left_out:
            checked = "they agree with the examples" if self.compared else "too few classes have an example to check them"
            return f"the names of {n_used} of {len(classes)} classes were used; {checked}"
        listed = ", ".join(map(repr, left_out[:5])) + (f", … ({len(left_out)} in all)" if len(left_out) > 5 else "")
        return f"the names of {n_used} of {n_named} classes were used; they disagree with the examples for {listed}"


def weigh_names(vectors: Rows, rows: Matrix, codes: npt.NDArray[np.int64]) -> NameEvidence:
    """Decide which names to believe.

    Names and class means are each seen from their own middle, so that a space in which all names lie to one side, as texts beside images
    do, is no hindrance. Names are believed if the mean cosine of a name and its class mean is at least `ALL_AGREE`; then those of
    at least `ONE_AGREES`, those that a single example does not plainly contradict, and those that cannot be compared. A class without an
    example keeps its name: it is all that is known of it.

    Parameters
    ----------
    vectors : float32 array [class, dim]
        A row for the name of each class; all zeros where there is none.
    rows, codes : float array [labelled, dim], int64 array [labelled]
        Labelled rows and their classes.
    """
    named = (vectors != 0).any(1)
    n_examples = np.bincount(codes, minlength=len(vectors))
    has_example = n_examples > 0
    both = np.flatnonzero(named & has_example)
    likeness = np.full(len(vectors), np.nan)
    if len(both) < 2:
        return NameEvidence(likeness, named, named.copy(), compared=False)
    units = _unit(rows.astype(np.float64))
    means = np.stack([units[codes == one].mean(0) for one in both])
    names = _unit(vectors[both].astype(np.float64))
    cosines = _unit(names - names.mean(0)) @ _unit(means - means.mean(0)).T
    likeness[both] = own = cosines.diagonal().copy()
    np.fill_diagonal(cosines, -1)
    contradicted = (n_examples[both] > 1) | (own < OPPOSED) | (cosines.max(1) >= TAKEN)
    believed = named.copy()
    believed[both] = (own.mean() >= ALL_AGREE) & ((own >= ONE_AGREES) | ~contradicted)
    return NameEvidence(likeness, named, believed, compared=True)


def among_rows(vectors: Rows, evidence: NameEvidence, rows: Matrix, codes: npt.NDArray[np.int64], all_rows: Matrix) -> Rows:
    """Move names to where the items lie, float32 [class, dim]: names of a text half lie to one side of images.

    Where every class has a name that is believed, their middle is moved to the middle of all rows, each name counting as much as there are
    rows that are nearest to it: common classes draw the middle of the rows to themselves. Else, where two or more classes have a name that
    is believed and examples, the middle of those names is moved to that of those examples. Of unit length before and as long as the rows
    after. A gap between names and rows costs right names nothing.

    Parameters
    ----------
    vectors, rows, codes
        As for `weigh_names`.
    evidence : NameEvidence
        Which names are believed.
    all_rows : float array [row, dim]
        Rows that stand for the pile.
    """
    names, shift = _unit(vectors.astype(np.float64)), np.zeros(vectors.shape[1])
    both = np.flatnonzero(evidence.believed & (np.bincount(codes, minlength=len(vectors)) > 0))
    if evidence.believed.all():
        shift = _to_rows(names, _unit(all_rows.astype(np.float64)))
    elif len(both) > 1:
        units = _unit(rows.astype(np.float64))
        shift = np.stack([units[codes == one].mean(0) for one in both]).mean(0) - names[both].mean(0)
    length = float(np.linalg.norm(all_rows, axis=-1).mean()) if len(all_rows) else 1.0
    moved: Rows = ((names + shift) * (length or 1.0)).astype(np.float32)
    return moved


def _to_rows(names: npt.NDArray[np.float64], rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return what moves the middle of the names, weighted by how many rows are nearest to each, to the middle of the rows."""
    middle, shares = rows.mean(0), np.full(len(names), 1 / len(names))
    seen = _unit(rows - middle)
    for _ in range(ROUNDS):
        nearest = (seen @ _unit(names - shares @ names).T).argmax(1)
        shares = np.bincount(nearest, minlength=len(names)) / len(rows)
    shift: npt.NDArray[np.float64] = middle - shares @ names
    return shift


def read_class_vectors(class_vectors: Mapping[Any, Any], classes: Sequence[Any], dim: int) -> Rows:
    """Bring class → vector into the order of the classes, float32 [class, dim]; zeros where a class has none.

    Raises
    ------
    InputError
        If a vector has another length than the rows, or holds no finite numbers, or none but zeros.
    """
    table = np.zeros((len(classes), dim), np.float32)
    known = {one.item() if isinstance(one, np.generic) else one: index for index, one in enumerate(classes)}
    for name, given in class_vectors.items():
        try:
            vector = np.asarray(given, np.float64)
        except (TypeError, ValueError):
            vector = np.zeros(0)
        if vector.shape != (dim,):
            raise InputError(
                f"class_vectors[{name!r}] must be {dim} numbers, as the rows of X have, got shape {list(vector.shape)}"
            )
        if not (np.abs(vector) < LARGEST).all() or not vector.any():
            raise InputError(f"class_vectors[{name!r}] must hold finite numbers that are not all 0")
        table[known[name.item() if isinstance(name, np.generic) else name]] = vector
    return table


def _unit(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    unit: npt.NDArray[np.float64] = rows / np.linalg.norm(rows, axis=-1, keepdims=True).clip(1e-12)
    return unit
