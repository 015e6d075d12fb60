"""Units of the numbers in a column: what some of them do to a number, and whether numbers of two can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

CURRENCIES = "$€£¥₹₽₩₪₺₫฿₴₦¢"
_SCALES = {
    "%": 0.01, "‰": 0.001, "k": 1e3, "K": 1e3, "tsd": 1e3, "Tsd.": 1e3, "M": 1e6, "mn": 1e6, "Mn": 1e6, "mio": 1e6, "Mio": 1e6, "Mio.": 1e6,
    "million": 1e6, "B": 1e9, "bn": 1e9, "Bn": 1e9, "Mrd": 1e9, "Mrd.": 1e9, "billion": 1e9,
}  # fmt: skip
"""What some units do to a number, where those of a column are mixed."""
_CLOSER = 0.1  # orders of magnitude by which values must come together, for such units to count
NO_UNIT = "no unit"
_FEW_BARE, _SHARE_BARE, _OTHER_SCALE = 3, 0.1, 10.0  # cells with and without a unit, and how far their medians lie apart


def scaled(values: Numbers, units: Mapping[int, str]) -> tuple[Numbers, str, str] | None:
    """Multiply values by what their units mean (1.2k beside 1200, 64 % beside 0.64), where that brings the values of a column together.

    Parameters
    ----------
    values : float64 array [row]
        NaN where a cell is no number.
    units : mapping of int to str
        Row → unit of its cell, for the cells that may be numbers; empty where there is none.

    Returns
    -------
    values, unit, said : float64 array [row], str, str
        The unit that is left, and what a person should know; None where units are as they are.
    """
    scales = {unit: _scale_of(unit) for unit in set(units.values())}
    rests = {rest for _, rest in scales.values()} - {""}
    factors = np.ones(len(values))
    for row, unit in units.items():
        factors[row] = _SCALES.get(scales[unit][0], 1.0)
    there = np.isfinite(values) & (values != 0)
    kinds = set(factors[there].tolist())
    if len(kinds) < 2 or len(rests) > 1:
        return None
    logs = np.log10(np.abs(values[there]))
    is_sure = sum(kind > 1 for kind in kinds) > 1  # k beside M can mean nothing else
    if not is_sure and np.std(logs + np.log10(factors[there])) > np.std(logs) - _CLOSER:
        return None
    words = sorted({word for word, _ in scales.values() if word}, key=lambda word: _SCALES[word])
    said = ", ".join(f"{word!r} is read as {_times(_SCALES[word])}" for word in words)
    return values * factors, next(iter(rests), ""), said


def _times(factor: float) -> str:
    return f"× {factor:,.0f}" if factor >= 1 else f"× {factor:g}"


def unit_ratio(unit: str, was: str) -> float:
    """Return what brings numbers of one unit to another of the same kind (% and none, k and M): 1 where they are no such units."""
    (word, rest), (word_was, rest_was) = _scale_of(unit), _scale_of(was)
    return 1.0 if rest and rest_was and rest != rest_was else _SCALES.get(word, 1.0) / _SCALES.get(word_was, 1.0)


def _scale_of(unit: str) -> tuple[str, str]:
    """Return the word of a unit that scales a number, and what is left of the unit: ``$ k`` and ``k€`` are thousands of money."""
    for word in unit.split():
        bare = word.strip(CURRENCIES)
        if bare in _SCALES:
            return bare, " ".join(unit.replace(bare, " ", 1).split())
    return "", unit


def is_other_scale(values: Numbers, with_unit: Sequence[int]) -> bool:
    """Tell whether cells without the unit are of another scale than those with it, as 0.64 beside 64%; a zero needs no unit."""
    has_unit = np.zeros(len(values), bool)
    has_unit[with_unit] = True
    sizes = np.abs(values)
    there = sizes > 0
    groups = [sizes[there & has_unit], sizes[there & ~has_unit]]
    if min(map(len, groups)) < max(_FEW_BARE, _SHARE_BARE * there.sum()):
        return False
    low, high = sorted(float(np.median(group)) for group in groups)
    return high > _OTHER_SCALE * low
