"""A matrix that grows goes on where it stopped, if what is there is what was written."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from sibyl.growing import GrowingMatrix


def test_a_growing_matrix_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path, rows = tmp_path / "m.npy", np.arange(20, dtype=np.float32).reshape(10, 2)
    first = GrowingMatrix(path, (10, 2), np.float32, "a")
    first.append(rows[:4])
    with pytest.raises(ValueError, match="4 of 10"):
        first.finish()
    del first
    second = GrowingMatrix(path, (10, 2), np.float32, "a")
    assert second.n_done == 4
    second.append(rows[4:])
    second.finish()
    assert np.array_equal(np.load(path), rows)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["m.npy"]


def test_a_growing_matrix_with_another_key_starts_afresh(tmp_path: Path) -> None:
    GrowingMatrix(tmp_path / "m.npy", (10, 2), np.float32, "a").append(np.ones((4, 2), np.float32))
    assert GrowingMatrix(tmp_path / "m.npy", (10, 2), np.float32, "b").n_done == 0


@pytest.mark.parametrize("kind", ["row", "header", "short", "empty", "progress", "count", "absent"])
def test_a_damaged_part_is_made_anew(tmp_path: Path, kind: str) -> None:
    path, rows = tmp_path / "m.npy", np.arange(20, dtype=np.float32).reshape(10, 2)
    GrowingMatrix(path, (10, 2), np.float32, "a").append(rows[:4])
    partial, progress = tmp_path / "m.npy.partial", tmp_path / "m.npy.progress"
    content = bytearray(partial.read_bytes())
    if kind in ("row", "header"):
        content[140 if kind == "row" else 20] ^= 1
        partial.write_bytes(content)
    elif kind in ("short", "empty"):
        partial.write_bytes(content[: 150 if kind == "short" else 0])
    elif kind == "absent":
        partial.unlink()
    else:
        said = progress.read_text()
        progress.write_text("{" if kind == "progress" else said.replace('"n_done": 4', '"n_done": -4'))
    again = GrowingMatrix(path, (10, 2), np.float32, "a")
    assert again.n_done == 0
    again.append(rows)
    again.finish()
    assert np.array_equal(np.load(path), rows)


def test_a_full_disk_is_an_error_and_not_the_end(tmp_path: Path) -> None:
    matrix = GrowingMatrix(tmp_path / "m.npy", (10, 2), np.float32, "a")
    matrix.append(np.ones((4, 2), np.float32))
    (tmp_path / "m.npy.partial").unlink()
    (tmp_path / "m.npy.partial").symlink_to("/dev/full")
    with pytest.raises(OSError) as failed:  # noqa: PT011
        matrix.append(np.ones((4, 2), np.float32))
    assert failed.value.errno == errno.ENOSPC
