"""ClassMix: how the queries of an episode are spread over its classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv

from sibyl.errors import DataError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClassMix:
    """How queries are spread over the classes of an episode.

    ``balanced`` (equal counts), ``dirichlet:A`` (shares drawn from a symmetric Dirichlet
    distribution with parameter A; small is skewed) or ``one-class`` (all queries of one random
    class).
    """

    kind: str
    alpha: float = 0.0

    @classmethod
    def parse(cls, text: str) -> ClassMix:
        """Read ``balanced``, ``dirichlet:A`` or ``one-class``; anything else raises DataError."""
        kind, _, number = text.partition(":")
        if text in ("balanced", "one-class"):
            return cls(text)
        try:
            alpha = float(number)
        except ValueError:
            alpha = 0.0
        if kind != "dirichlet" or not 0 < alpha < float("inf"):
            raise DataError(f"class mix {text!r} is unknown; expected balanced, one-class or dirichlet:A with A > 0 (dirichlet:2)")
        return cls(kind, alpha)

    def shares(self, keys: Floats, present: npt.NDArray[np.bool_]) -> Floats:
        """Turn one uniform number per class [task, way] into shares; absent classes get 0."""
        if self.kind == "balanced":
            weight = present.astype(float)
        elif self.kind == "one-class":
            weight = (np.where(present, keys, -1) == np.where(present, keys, -1).max(1, keepdims=True)).astype(float)
        else:
            # Inverse transform: a fixed count of random numbers per episode. The floor keeps one class alive when all underflow.
            weight = np.maximum(gammaincinv(self.alpha, keys), 1e-300) * present
        shares: Floats = weight / weight.sum(1, keepdims=True)
        return shares
