"""Colours of classes in the report: as many as there are classes, on light ground and on dark."""

from __future__ import annotations

import itertools
import math
import re
from importlib.resources import files

import pytest

from sibyl.labeling.report_parts import colour

STYLE = files("sibyl.labeling").joinpath("page/report.css").read_text(encoding="utf-8")
GROUNDS = tuple(map(float, dict.fromkeys(re.findall(r"--L:([\d.]+)", STYLE))))
CHROMA = float(re.findall(r"--C:([\d.]+)", STYLE)[0])
TO_LMS = ((0.3963377774, 0.2158037573), (-0.1055613458, -0.0638541728), (-0.0894841775, -1.291485548))
TO_RGB = ((4.0767416621, -3.3077115913, 0.2309699292), (-1.2684380046, 2.6097574011, -0.3413193965), (-0.0041960863, -0.7034186147, 1.707614701))  # fmt: skip


def on_screen(declared: str, ground: float) -> tuple[int, ...]:
    """Red, green and blue of a colour in OKLCH (B. Ottosson's conversion), cut off where a screen cannot show it."""
    said = {name: float(value) for name, value in (one.split(":") for one in declared.split(";"))}
    light, hue = ground + said.get("--l", 0), math.radians(said["--h"])
    a, b = CHROMA * math.cos(hue), CHROMA * math.sin(hue)
    lms = [(light + of_a * a + of_b * b) ** 3 for of_a, of_b in TO_LMS]
    linear = [min(1, max(0, sum(x * y for x, y in zip(row, lms, strict=True)))) for row in TO_RGB]
    return tuple(round(255 * (12.92 * x if x <= 0.0031308 else 1.055 * x ** (1 / 2.4) - 0.055)) for x in linear)


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("n_classes", [2, 10, 12, 13, 24, 40])
def test_no_two_classes_have_one_colour(ground: float, n_classes: int) -> None:
    colours = [on_screen(colour(index, n_classes), ground) for index in range(n_classes)]
    assert min(math.dist(one, other) for one, other in itertools.combinations(colours, 2)) > (20 if n_classes <= 24 else 10)


def test_both_grounds_are_looked_at() -> None:
    assert len(GROUNDS) == 2
    assert STYLE.count("oklch(calc(var(--L) + var(--l,0)) var(--C) var(--h))") == 4
