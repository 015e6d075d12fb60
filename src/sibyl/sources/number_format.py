"""How a column writes its numbers: marks of thousands and decimals; decided over the whole column, never per cell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sibyl.sources.number_units import CURRENCIES, NO_UNIT, Numbers, is_other_scale, scaled

_CODES = "USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RUB|BRL|MXN|ZAR|KRW|SGD|HKD|Rs\\.?|kr\\.?|Fr\\.?|R\\$|US\\$|A\\$|C\\$"
_SPACES = " \u00a0\u202f\u2009"
_APOSTROPHES = "'’ʼ´`"
_CORE = rf"(?P<core>[\d.,{_APOSTROPHES}{_SPACES}_]*\d[.,]?(?:[eE][+-]?\d{{1,3}})?|\.\d+)"
_CELL = re.compile(
    rf"(?P<open>\()?(?P<sign>[+\-−–])?\s*(?P<bound>[<>≤≥~≈]=?)?\s*(?P<prefix>[{CURRENCIES}]|(?:{_CODES})(?![A-Za-z]))?\s*(?P<sign2>[+\-−–])?\s*"
    rf"{_CORE}\s*(?P<suffix>[^\d\s()\[\]{{}}<>,;:'\"=|\-−–][^\d()\[\]{{}}<>,;:'\"=|]{{0,14}}[23]?)?(?P<close>\))?(?P<after>[-−–]{{1,2}})?"
)
_READINGS = (
    (".", ""), (".", ","), (",", ""), (",", "."), (".", "'"), (",", "'"), (".", " "), (",", " "), (".", "_"),
)  # fmt: skip
_LONGEST = 60  # letters of a cell that may be a number
_SIMPLE = re.compile(rf"(?P<sign>[+-])?(?P<core>[\d.,{_APOSTROPHES}{_SPACES}_]*\d)")
_SHAPE = str.maketrans("123456789", "9" * 9)
_GROUPED = re.compile(r"[+\-−]?[1-9]\d{0,2}(\.\d{3})+")


@dataclass(frozen=True)
class NumberFormat:
    """How numbers are written.

    Parameters
    ----------
    decimal, group : str
        The mark before decimals and the one between groups of three digits, ``""`` if there is none.
    unit : str
        What stands before or behind every number.
    """

    decimal: str = "."
    group: str = ""
    unit: str = ""

    @property
    def name(self) -> str:
        """As a saved run keeps it: ``numbers``, or ``numbers`` and the marks."""
        return "numbers" if self == PLAIN else "|".join(("numbers", self.decimal, self.group, self.unit))

    def example(self) -> str:
        """Say how numbers are read, for a note."""
        parts = []
        if self.group:
            parts.append(f"{_mark(self.group)} between thousands")
        if self.decimal != ".":
            parts.append(f"{_mark(self.decimal)} before decimals")
        if self.unit:
            parts.append(f"in {self.unit}")
        return ", ".join(parts)

    @classmethod
    def named(cls, name: str) -> NumberFormat | None:
        """Undo `name`; None for what is no format of numbers."""
        if name in ("numbers", "decimal commas"):  # the second is what runs of earlier versions say
            return PLAIN if name == "numbers" else cls(",")
        kind, *marks = name.split("|")
        is_sound = kind == "numbers" and len(marks) == 3 and marks[0] in (".", ",") and (marks[0], marks[1]) in _READINGS
        return cls(*marks) if is_sound else None


PLAIN = NumberFormat()


@dataclass(frozen=True, eq=False)
class ReadNumbers:
    """The cells of a column as numbers.

    Parameters
    ----------
    values : float64 array [row]
        NaN where a cell is none.
    written : NumberFormat
    doubt : str
        Why another reading was possible, empty if none was.
    bounds : int
        Cells such as ``<5`` that are read as their bound.
    units : tuple of str
        The units, where there are several: the values cannot be compared then.
    """

    values: Numbers
    written: NumberFormat
    doubt: str = ""
    bounds: int = 0
    units: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Cell:
    core: str
    is_negative: bool
    is_bound: bool
    unit: str


def read_numbers(
    texts: Sequence[str], hints: Collection[str] = (), delimiter: str = "", like: NumberFormat | None = None
) -> ReadNumbers:
    """Read a column of texts as numbers.

    Parameters
    ----------
    texts : sequence of str
        Cells; missing ones may be blank.
    hints : collection of str
        Decimal marks that other columns of the table use beyond doubt.
    delimiter : str
        What stands between the table's cells: where it is a semicolon, commas are more likely decimal.
    like : NumberFormat, optional
        How an earlier table wrote this column; it decides where two readings are possible.
    """
    plain = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    plain = np.array(plain)
    plain[~np.isfinite(plain)] = np.nan
    if not np.isnan(plain[[bool(text) for text in texts]]).any() and not _may_be_grouped(texts):
        return ReadNumbers(plain, PLAIN)
    cells: dict[int, _Cell] = {}
    known: dict[str, _Cell | None] = {}
    for row, text in enumerate(texts):
        if text not in known:
            known[text] = _taken_apart(text)
        if (cell := known[text]) is not None:
            cells[row] = cell
    decimal, group, doubt = _marks([one.core for one in cells.values()], hints, delimiter, like)
    units = Counter(one.unit for one in cells.values() if one.unit)
    pattern = _pattern(decimal, group)
    shapes = {one.core.translate(_SHAPE) for one in cells.values()}
    readable = {shape for shape in shapes if pattern.fullmatch(shape)}
    values = np.full(len(texts), np.nan)
    bounds = 0
    for row, one in cells.items():
        if one.core.translate(_SHAPE) in readable:
            number = float(_without(one.core, group).replace(decimal, "."))
            values[row] = -number if one.is_negative else number
            bounds += one.is_bound
    values[~np.isfinite(values)] = np.nan
    by_unit = scaled(values, {row: one.unit for row, one in cells.items()})
    if by_unit is not None:
        values, unit, said = by_unit
        return ReadNumbers(values, NumberFormat(decimal, group, unit), "; ".join(filter(None, (doubt, said))), bounds)
    unit = next(iter(units), "") if len(units) == 1 else ""
    if unit and is_other_scale(values, [row for row, one in cells.items() if one.unit]):
        unit, units = "", Counter((unit, NO_UNIT))
    return ReadNumbers(values, NumberFormat(decimal, group, unit), doubt, bounds, tuple(units) if len(units) > 1 else ())


def _taken_apart(text: str) -> _Cell | None:
    text = text.strip()
    if not text or len(text) > _LONGEST or not any(map(str.isdigit, text)):
        return None
    simple = _SIMPLE.fullmatch(text)
    if simple:
        return _Cell(simple["core"], simple["sign"] == "-", False, "")
    found = _CELL.fullmatch(text)
    if found is None or bool(found["open"]) != bool(found["close"]):
        return None
    unit = " ".join(filter(None, (found["prefix"], (found["suffix"] or "").strip())))
    after = "" if found["core"][-1] in ".," else found["after"]  # "12.-" is a price without cents
    signs = [found["sign"], found["sign2"], after]
    is_negative = bool(found["open"]) or any(sign and sign[0] in "-−–" for sign in signs)
    return _Cell(found["core"].strip(_SPACES), is_negative, bool(found["bound"] and found["bound"][0] in "<>≤≥"), unit)


def _pattern(decimal: str, group: str) -> re.Pattern[str]:
    whole = r"\d+"
    if group == ",":
        whole = r"(?:\d{1,3}(?:,\d{3})+|[1-9]\d?(?:,\d{2})+,\d{3}|\d+)"  # the second is India's
    elif group:
        mark = f"[{_SPACES}]" if group in _SPACES else f"[{_APOSTROPHES}]" if group in _APOSTROPHES else re.escape(group)
        whole = rf"(?:\d{{1,3}}(?:{mark}\d{{3}})+|\d+)"
    return re.compile(rf"(?:{whole}(?:{re.escape(decimal)}\d*)?|{re.escape(decimal)}\d+)(?:[eE][+-]?\d+)?")


def _without(core: str, group: str) -> str:
    marks = _SPACES if group in _SPACES else _APOSTROPHES if group in _APOSTROPHES else group
    return core.translate(dict.fromkeys(map(ord, marks))) if group else core


def _marks(cores: Sequence[str], hints: Collection[str], delimiter: str, like: NumberFormat | None) -> tuple[str, str, str]:
    """Choose the reading that explains most cells; among equal ones, the one that other columns, or the values themselves, speak for."""
    shapes = Counter(core.translate(_SHAPE) for core in cores)
    fits = {one: sum(number for shape, number in shapes.items() if _pattern(*one).fullmatch(shape)) for one in _READINGS}
    best = max(fits.values(), default=0)
    among = [one for one in _READINGS if fits[one] == best and (not one[1] or any(_uses(shape, one[1]) for shape in shapes))]
    mark = "," if any("," in shape for shape in shapes) else "."
    grouping = next((one for one in among if one[1] == mark), None)
    fraction = next((one for one in among if one[0] == mark and one[1] != mark), None)
    if grouping is None or fraction is None:
        return (*(among[0] if among else (".", "")), "")
    if any(shape.startswith("0") and mark in shape for shape in shapes) or mark in hints:  # no number of thousands begins with 0
        return (*fraction, "")
    if ("." if mark == "," else ",") in hints:
        return (*grouping, "")
    if like is not None and like != PLAIN and mark in (like.group, like.decimal):
        return (*(grouping if like.group == mark else fraction), "")
    if all(mark in shape for shape in shapes):  # a factor of a thousand for all: only later tables could tell
        is_group = mark == "," and delimiter != ";"
    else:
        is_group = _spread(cores, *grouping) < _spread(cores, *fraction)
    first = next(core for core in cores if mark in core)
    large, small = first.replace(mark, ""), first.replace(mark, ".")
    return (
        *(grouping if is_group else fraction),
        f"{first!r} can mean {large} or {small}; it is read as {large if is_group else small}",
    )


def _spread(cores: Sequence[str], decimal: str, group: str) -> float:
    """How far apart the values lie in orders of magnitude: the right reading of thousands brings them together."""
    pattern = _pattern(decimal, group)
    values = [abs(float(_without(core, group).replace(decimal, "."))) for core in cores if pattern.fullmatch(core)]
    logs = np.log10([value for value in values if 0 < value < np.inf] or [1.0])
    return float(np.std(logs))


def _uses(core: str, group: str) -> bool:
    return any(mark in core for mark in (_SPACES if group in _SPACES else _APOSTROPHES if group in _APOSTROPHES else group))


def _may_be_grouped(texts: Sequence[str]) -> bool:
    """Tell whether plain numbers could be German ones: all points have three digits behind them, but not all cells a point."""
    marked = n_there = 0
    for text in texts:
        if "." in text:
            if not _GROUPED.fullmatch(text.strip()):
                return False
            marked += 1
        n_there += bool(text)
    return 0 < marked < n_there


def decimal_hint(read: ReadNumbers, texts: Sequence[str]) -> str:
    """Return the decimal mark that a column uses beyond doubt, empty if it tells none."""
    if read.doubt:
        return ""
    mark = read.written.decimal
    behind = {len(text.rpartition(mark)[2].rstrip()) for text in texts if mark in text and any(map(str.isdigit, text))}
    return mark if behind - {3} or (behind and read.written.group) else ""


def _mark(mark: str) -> str:
    words = {",": "a comma", ".": "a point", "'": "an apostrophe", " ": "a space", "_": "a low line"}
    return words.get(mark, repr(mark))
