from __future__ import annotations

import unicodedata

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter, label

from sibyl.datasets.glyph_masters import FIELD_SIZE, FONTS, draw_solid, fonts_with, stroke_fields, thin
from sibyl.datasets.glyph_rendering import Chances, render, render_as_digits
from sibyl.datasets.glyph_scripts import SCRIPTS
from sibyl.datasets.glyph_styles import draw_styles
from sibyl.datasets.glyphs import glyph_features, glyph_images
from sibyl.errors import DataError, UnknownName
from sibyl.features import check_disjoint

SPLITS = ("train", "validation", "test")
ALL = "".join("".join(scripts.values()) for scripts in SCRIPTS.values())


def fitted(pairs: list[tuple[str, str]]) -> npt.NDArray[np.float64]:
    """Centre lines stretched to a common box, blurred, as rows of unit length without mean."""
    rows = []
    for field in stroke_fields(pairs):
        ink = field < 2
        rows_in, columns_in = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
        box = Image.fromarray(255 * ink[rows_in[0] : rows_in[-1] + 1, columns_in[0] : columns_in[-1] + 1].astype(np.uint8))
        aspect = box.width / box.height
        width = max(3, round(16 * aspect)) if aspect < 0.5 else 12
        image = np.zeros((16, 12))
        left = (12 - width) // 2
        image[:, left : left + width] = np.asarray(box.resize((width, 16), Image.Resampling.BOX)) / 255
        rows.append(gaussian_filter(image, 0.8).ravel())
    matrix: npt.NDArray[np.float64] = np.stack(rows)
    matrix -= matrix.mean(1, keepdims=True)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix


def test_no_character_is_a_number_or_a_mark_or_twice() -> None:
    assert len(set(ALL)) == len(ALL)
    for character in ALL:
        assert unicodedata.category(character) in {"Lu", "Ll", "Lo", "Sm", "So"}
        assert not unicodedata.decomposition(character)
        assert fonts_with(character)


def test_no_character_looks_like_a_digit_or_like_a_character_of_another_split() -> None:
    digits = fitted([(digit, font) for digit in "0123456789" for font in FONTS])
    shapes = {}
    for split in SPLITS:
        pairs = [(character, font) for characters in SCRIPTS[split].values() for character in characters for font in FONTS]
        shapes[split] = fitted([(character, font) for character, font in pairs if font in fonts_with(character)])
        assert (shapes[split] @ digits.T).max() < 0.751
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert (shapes[first] @ shapes[second].T).max() < 0.861


def test_the_digit_measure_can_fail() -> None:
    digits = fitted([("0", "DejaVuSans"), ("3", "DejaVuSans")])
    assert (fitted([("O", "DejaVuSans")]) @ digits.T).max() > 0.9
    assert (fitted([("З", "DejaVuSans")]) @ digits.T).max() > 0.9


def average_images(characters: str) -> npt.NDArray[np.float64]:
    """Average of 60 images of each character at the digits' raster, as rows of unit length without mean."""
    index = np.repeat(np.arange(len(characters)), 60)
    styles = draw_styles(np.arange(len(index)) % 300, 1)
    counts = render_as_digits(characters, index, styles, Chances.draw(len(index), np.random.default_rng(1)))
    average = counts.reshape(len(characters), 60, 64).mean(1)
    average -= average.mean(1, keepdims=True)
    average /= np.linalg.norm(average, axis=1, keepdims=True)
    return np.asarray(average, np.float64)


def test_at_the_digits_raster_no_character_is_like_a_digit() -> None:
    average = average_images("0123456789" + ALL)
    digits, glyphs = average[:10], average[10:]
    assert (glyphs @ digits.T).max() < 0.87  # 0.84 in the lists, and a margin for the draw
    assert (average_images("OЗ") @ digits.T).max(1).min() > 0.87


def test_splits_are_disjoint() -> None:
    check_disjoint({split: glyph_features(split, n_per_class=1).class_names for split in SPLITS})


def test_thinning_keeps_connection_and_holes() -> None:
    solid = np.stack([draw_solid(character, "DejaVuSans") for character in "ABÞ≠"])
    lines = thin(solid)
    eight = np.ones((3, 3))
    for shape, line in zip(solid, lines, strict=True):
        assert not (line & ~shape).any()
        assert label(shape, eight)[1] == label(line, eight)[1]
        assert label(~shape)[1] == label(~line)[1]
        assert line.sum() < 0.35 * shape.sum()


def test_features_have_the_range_and_ink_of_the_digits() -> None:
    features = glyph_features("train", n_per_class=2)
    assert features.matrix.shape == (2 * len(features.class_names), 64)
    assert features.matrix.min() == 0
    assert features.matrix.max() == 1
    assert np.array_equal(features.matrix * 16, np.round(features.matrix * 16))
    ink = features.matrix.sum(1) * 16
    assert 290 < ink.mean() < 335
    assert ink.min() > 80
    # The outer columns are all but empty, all rows are in use: the box of NIST's preprocessing.
    image = features.matrix.reshape(-1, 8, 8)
    assert (image.max(2) > 0).mean() > 0.97
    assert image[:, :, [0, 7]].mean() < 0.05


def test_same_seed_same_images_and_other_seed_others() -> None:
    first, again, other = (glyph_images("validation", n_per_class=2, size=28, seed=seed).pixels for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert (first != other).mean() > 0.5


def test_a_hand_stays_the_same_when_there_are_more_hands() -> None:
    few = draw_styles(np.array([0, 1], np.int64), 5)
    many = draw_styles(np.array([0, 1, 2, 3], np.int64), 5)
    assert np.array_equal(few.light, many.light[:2])
    assert np.array_equal(few.ground, many.ground[:2])


def test_images_of_one_hand_are_more_alike_than_those_of_several() -> None:
    hands = np.repeat(np.arange(40), 25)
    styles = draw_styles(hands, 0)
    for name in ("slant", "weight", "light", "ground"):
        values = getattr(styles, name).reshape(40, 25)
        assert values.std(1).mean() < 0.7 * values.mean(1).std()


def test_style_does_what_it_says() -> None:
    index = np.zeros(1, np.int64)
    plain = draw_styles(index, 0)
    chances = Chances.draw(1, np.random.default_rng(0))
    settings = {"slant": 0.0, "turn": 0.0, "bend": 0.0, "right": 0.0, "down": 0.0, "shade": 0.0, "light": 1.0, "ground": 0.0}
    for name, value in settings.items():
        object.__setattr__(plain, name, np.full(1, value, np.float32))

    def drawn(**changes: float) -> npt.NDArray[np.float64]:
        styles = plain.take(slice(None))
        for name, value in changes.items():
            object.__setattr__(styles, name, np.full(1, value, np.float32))
        return render("F", index, styles, chances, 32)[0, ..., 0] / 255

    def centre(image: npt.NDArray[np.float64], axis: int) -> float:
        return float((image.sum(1 - axis) * np.arange(32)).sum() / image.sum())

    assert drawn(weight=0.12).sum() > 1.4 * drawn(weight=0.05).sum()
    assert centre(drawn(right=0.1), 1) - centre(drawn(), 1) == pytest.approx(3.2, abs=0.4)
    assert centre(drawn(down=0.1), 0) - centre(drawn(), 0) == pytest.approx(3.2, abs=0.4)
    leaning = drawn(slant=0.4)
    assert centre(leaning[:12], 1) > centre(drawn()[:12], 1) + 1
    assert centre(leaning[20:], 1) < centre(drawn()[20:], 1) - 1
    assert np.allclose(drawn(light=0.0, ground=1.0), 1 - drawn(), atol=0.01)
    assert drawn(scale=0.85).astype(bool).sum() > drawn(scale=0.55).astype(bool).sum()


@pytest.mark.parametrize("size", [4, 16, 32])
def test_other_rasters(size: int) -> None:
    features = glyph_features("validation", size=size, n_per_class=1)
    assert features.dim == size * size


def test_bad_arguments() -> None:
    with pytest.raises(UnknownName, match="validation"):
        glyph_features("valid")
    with pytest.raises(DataError, match="size 4, 8, 16 or 32, got 28"):
        glyph_features("test", size=28)
    with pytest.raises(DataError, match="at least 1"):
        glyph_images("test", n_per_class=0)


def test_fields_are_distances() -> None:
    field = stroke_fields([("T", "DejaVuSans")])[0]
    assert field.shape == (FIELD_SIZE, FIELD_SIZE)
    assert field.min() == 0
    assert np.abs(np.diff(field, axis=0)).max() <= 1.0001
