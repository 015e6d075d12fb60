"""What people know of the class mix of the unlabelled rows, as they know it: evenness, shares, counts of a random sample, words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.errors import InputError

WORDS = {"rare": 0.1, "uncommon": 0.3, "usual": 1.0, "common": 3.0, "very common": 10.0}
"""How many times as frequent as a usual class."""
BY_WORDS = 10.0  # words are believed as a random sample of so many items would be
OWN_ERROR = 0.6  # distance of the untold estimate from the truth, as a part of the mean doubt: chosen on validation classes
LEAST_DOUBT = 0.05  # surer rows are not taken at their word
NOTHING_NEW = 0.1  # below this firmness the rows know better: to be told anything costs about a third of a point


@dataclass(frozen=True, eq=False)
class RoughMix:
    """A class mix that is known roughly.

    Enforced softly, with ``ρ = f / (1 − f)`` in the potentials of the balancing (a linear term m·v becomes ``−ρ Σ m e^(−v/ρ)``), the
    rows meet ``log s = f log m + (1 − f) log q``: m is what was told, q what the rows say untold. So that blend is told firmly, which
    serves every method that takes shares.

    How firmly depends on both: what a sample of N items says of m has the variance ``(1 − Σ m²) / N``, and q is off by about
    `OWN_ERROR` times the mean doubt of the rows. Fifteen counted items say much where the encoder is weak, and nothing where the
    rows already tell the mix better.

    Parameters
    ----------
    shares : float [class]
        The best guess, m.
    counted : float
        Size N of the random sample that would say as much.
    """

    shares: Float[Tensor, " way"]
    counted: float

    def firmness(self, doubt: float) -> float:
        """Return f, 0 … 1, where the rows untold have a mean doubt, 1 less their confidence."""
        own = (OWN_ERROR * max(doubt, LEAST_DOUBT)) ** 2
        told = float(1 - self.shares.double().square().sum()) / self.counted
        return own / max(own + told, 1e-12)

    def blended(self, untold: Float[Tensor, " way"], firmness: float) -> Float[Tensor, " way"]:
        """Return the shares to tell, where the rows untold say `untold`."""
        log_shares = (one.double().cpu().clamp_min(1e-9).log() for one in (self.shares, untold))
        told, own = log_shares
        return (firmness * told + (1 - firmness) * own).softmax(0).float()


def read_class_prior(class_prior: Any, classes: Sequence[Any]) -> str | Tensor | RoughMix | None:
    """Turn the caller's `class_prior` into what is solved with.

    Parameters
    ----------
    class_prior : None, "balanced", array [class] or mapping of class to share, count or word
        Shares sum to 1 and are taken as exact. Whole numbers above that are counts of a random sample: a Dirichlet posterior whose
        strength grows with their number. Words are those of `WORDS`. An array follows the order of `classes`; a class that a mapping
        leaves out has share or count 0, or is usual beside words.
    classes : sequence
        The classes.

    Raises
    ------
    InputError
        If it names a class without a labelled row, a word that is not known, numbers other than the classes, or numbers that are
        neither shares nor counts.
    """
    if class_prior is None or (isinstance(class_prior, str) and class_prior == "balanced"):
        return class_prior
    if isinstance(class_prior, str):
        raise InputError(f"class_prior must be None, 'balanced', one share per class, or class → share, got {class_prior!r}")
    known = [one.item() if isinstance(one, np.generic) else one for one in classes]
    if isinstance(class_prior, Mapping):
        strange = [name for name in class_prior if name not in known]
        if strange:
            raise InputError(f"class_prior names {strange[0]!r}, which has no labelled row; the classes are {_listed(known)}")
        if any(isinstance(one, str) for one in class_prior.values()):
            return _of_words(class_prior, known)
        class_prior = [class_prior.get(name, 0.0) for name in known]
    numbers = torch.as_tensor(np.asarray(class_prior, np.float32))
    if numbers.shape != (len(known),):
        raise InputError(
            f"class_prior must hold one share for each of the {len(known)} classes that have a labelled row, {_listed(known)}, got "
            f"shape {list(numbers.shape)}"
        )
    total = float(numbers.sum())
    if bool((numbers >= 0).all()) and total > 1.5 and bool((numbers == numbers.round()).all()):
        n_way = len(known)
        return RoughMix((numbers + 1) / (total + n_way), total)
    if not bool((numbers >= 0).all()) or abs(total - 1) > 1e-3:
        raise InputError(
            f"class_prior must be shares ≥ 0 that sum to 1, or counts of a random sample, got {numbers.tolist()[:5]} with sum {total:.4g}"
        )
    return numbers


def _of_words(words: Mapping[Any, Any], known: Sequence[Any]) -> RoughMix:
    odd = [word for word in words.values() if not isinstance(word, str) or word.strip().lower() not in WORDS]
    if odd:
        raise InputError(
            f"class_prior says {odd[0]!r} of a class; expected one of {', '.join(WORDS)} for each, or a number for each"
        )
    weight = torch.tensor([WORDS[words.get(name, "usual").strip().lower()] for name in known])
    return RoughMix(weight / weight.sum(), BY_WORDS)


def _listed(classes: Sequence[Any]) -> str:
    shown = ", ".join(repr(one) for one in classes[:5])
    return shown if len(classes) <= 5 else f"{shown}, … ({len(classes)} in all)"


def read_mix(written: str) -> dict[str, float | str]:
    """Read ``cat=60,dog=30`` or ``fraud=rare``, as the command line takes it; ``60%`` is a share.

    Raises
    ------
    InputError
        If a part is not CLASS=NUMBER or CLASS=WORD.
    """
    mix: dict[str, float | str] = {}
    for part in written.split(","):
        name, equals, value = (one.strip() for one in part.rpartition("="))
        number, percent = value.removesuffix("%").strip(), value.endswith("%")
        is_number = number.replace(".", "", 1).isdigit()
        if not (equals and name and value) or not (is_number or value.lower() in WORDS) or name in mix:
            raise InputError(
                f"--mix {written!r}: expected CLASS=NUMBER for each class once, as in cat=60,dog=30, or words ({', '.join(WORDS)})"
            )
        mix[name] = float(number) / (100 if percent else 1) if is_number else value
    return mix
