"""Paired statistics: what one method gains over another on the same episodes.

The test is the paired t-test: the table reports a mean difference with a normal interval, and at hundreds of episodes the t-test is
the test of exactly that mean, whatever the distribution of accuracies. Wilcoxon's signed ranks would test another quantity and must
drop the many episodes on which two methods tie. Within a cell the p-values of all comparisons with the baseline are one family,
corrected by Holm (1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from sibyl.errors import DataError
from sibyl.evaluation import interval

Floats = npt.NDArray[np.float64]
LEVEL = 0.05


@dataclass(frozen=True)
class Difference:
    """What a method gains over the baseline.

    Parameters
    ----------
    mean, half : float
        Mean of the paired differences, and half its 95 % interval.
    p_value : float
        Two-sided paired t-test, as it comes.
    holm : float
        Corrected for all comparisons of the cell.
    """

    mean: float
    half: float
    p_value: float
    holm: float

    @property
    def significant(self) -> bool:
        """Whether the corrected p-value lies below 5 %."""
        return self.holm < LEVEL


def paired_p_value(ours: Floats, theirs: Floats) -> float:
    """Two-sided p-value of the paired t-test; 1 where no episode differs, 0 where all differ by the same amount.

    Raises
    ------
    DataError
        If the numbers of episodes differ, or there are fewer than two.
    """
    if len(ours) != len(theirs) or len(ours) < 2:
        raise DataError(f"pairing needs the same episodes, two at least; got {len(ours)} and {len(theirs)}")
    gap = ours - theirs
    spread = float(gap.std(ddof=1))
    # A spread of rounding errors alone is none.
    if spread <= 1e-12 * max(float(np.abs(gap).max()), 1e-300):
        return 1.0 if not gap.any() else 0.0
    return float(2 * student.sf(abs(gap.mean()) / (spread / len(gap) ** 0.5), len(gap) - 1))


def holm(p_values: Sequence[float]) -> Floats:
    """Correct a family of p-values (Holm, 1979): in ascending order the i-th of m is multiplied by m − i + 1, made monotone, cut at 1."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(raised, 1)
    return corrected


def differences(accuracies: Mapping[str, Floats], baseline: str) -> dict[str, Difference]:
    """Compare every method of a cell with the baseline.

    Parameters
    ----------
    accuracies : mapping of str to float array [episode]
        Per-episode accuracies on the same episodes; of a slow method perhaps the first ones alone.
    baseline : str
        One of the names; it has no entry in the answer.

    Returns
    -------
    dict
        Empty where the baseline itself has no result.
    """
    if baseline not in accuracies:
        return {}
    others = [name for name in accuracies if name != baseline]
    theirs = {name: accuracies[baseline][: len(accuracies[name])] for name in others}
    p_values = [paired_p_value(accuracies[name], theirs[name]) for name in others]
    corrected = holm(p_values)
    found = {}
    for name, p_value, family_wise in zip(others, p_values, corrected, strict=True):
        mean, half = interval(accuracies[name] - theirs[name])
        found[name] = Difference(mean, half, p_value, float(family_wise))
    return found


def relative_gain(ours: Floats, theirs: Floats) -> tuple[float, float]:
    """Return ``mean(ours) / mean(theirs) − 1`` and half its 95 % interval, paired by episode.

    The interval is that of a ratio of means to first order (delta method): the variance of ``ours − ratio · theirs`` over
    ``n · mean(theirs)²``. Both are NaN where the other method is never right.
    """
    if len(ours) != len(theirs):
        raise DataError(f"pairing needs the same episodes; got {len(ours)} and {len(theirs)}")
    base = float(theirs.mean())
    if base == 0:
        return float("nan"), float("nan")
    ratio = float(ours.mean()) / base
    half = interval(ours - ratio * theirs)[1] / base
    return ratio - 1, half
