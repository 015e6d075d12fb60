"""Features: what goes to disk comes back mapped; inconsistencies are named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sibyl.errors import DataError
from sibyl.features import Features, check_disjoint
from tests.synthetic import clusters


def test_save_and_load_are_inverse_and_mapped(tmp_path: Path) -> None:
    features = clusters(3, 5)
    views = np.zeros((15, 2, 16), np.float16)
    features = replace(features, views=views, ids=tuple(f"a/{row} 'ü\n.png" for row in range(15)), provenance={"encoder": "none"})
    features.save(tmp_path / "f")
    again = Features.load(tmp_path / "f")
    assert isinstance(again.matrix, np.memmap)
    assert np.array_equal(again.matrix, features.matrix)
    assert again.ids == features.ids
    assert again.class_names == features.class_names
    assert again.provenance == {"encoder": "none"}
    assert again.views is not None
    assert again.views.shape == (15, 2, 16)


def test_of_classes_renumbers() -> None:
    part = clusters(4, 3).of_classes(("class 2", "class 0"))
    assert part.labels.tolist() == [1, 1, 1, 0, 0, 0]
    with pytest.raises(DataError, match="no class 'class 9'"):
        part.of_classes(("class 9",))


def test_nan_rows_are_named() -> None:
    features = clusters(2, 3)
    features.matrix[4, 1] = np.nan
    with pytest.raises(DataError, match=r"row 4 \(4\)"):
        features.check_finite()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"labels": np.zeros(3, np.int64)}, "6 rows of features, but 3 labels"),
        ({"labels": np.full(6, 2)}, r"-1 … 1"),
        ({"ids": ("a",) * 6}, "a different id for each row"),
        ({"class_names": ("a", "a")}, "given twice: a"),
        ({"views": np.zeros((6, 2, 3), np.float16)}, "views must be"),
    ],
)
def test_inconsistencies_are_named(change: dict[str, object], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        replace(clusters(2, 3), **change)  # type: ignore[arg-type]


def test_damaged_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a features folder"):
        Features.load(tmp_path)
    clusters(2, 3).save(tmp_path / "f")
    (tmp_path / "f" / "matrix.npy").write_bytes(b"broken")
    with pytest.raises(DataError, match="damaged features"):
        Features.load(tmp_path / "f")


def test_a_pickled_matrix_is_refused(tmp_path: Path) -> None:
    clusters(2, 3).save(tmp_path / "f")
    np.save(tmp_path / "f" / "matrix.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="damaged features"):
        Features.load(tmp_path / "f")


def test_shared_classes_are_named() -> None:
    check_disjoint({"train": ("a", "b"), "test": ("c",)})
    with pytest.raises(DataError, match=r"'train' and 'test' share 1 class \(b\)"):
        check_disjoint({"train": ("a", "b"), "test": ("b", "c")})
