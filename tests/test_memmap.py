"""Arrays in files: the same numbers as in memory, and memory that is given back."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.numpy import load_file

from sibyl import memmap
from sibyl.labeling.examples import Examples
from sibyl.labeling.solve import solve_items
from sibyl.labeling.suggest import suggest
from sibyl.memmap import (
    allocate,
    allocate_beside,
    for_many,
    gather_rows,
    is_mapped,
    map_array,
    release,
    save_arrays,
    slices,
    take_rows,
)
from sibyl.methods.universal import universal
from sibyl.methods.universal.universal import UniversalSIB
from sibyl.tasks import Task
from sibyl.tensors import save_tensors

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux reserves a file's room and tells what is in memory")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIBYL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(memmap, "SMALLEST", 1)
    return tmp_path / "cache"


def file_mib() -> float:
    """Memory of this process that mapped files take."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssFile")) / 1024


@on_linux
def test_many_arrays_share_few_files(folder: Path) -> None:
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    make = for_many(1)
    arrays = [make((100 + number, 7)) for number in range(300)]
    assert len(list(Path("/proc/self/fd").iterdir())) - open_files <= 1
    beside = [allocate_beside(torch.from_numpy(one), (len(one), 3)) for one in arrays]
    assert len(list(Path("/proc/self/fd").iterdir())) - open_files <= 1
    for number, (one, other) in enumerate(zip(arrays, beside, strict=True)):
        assert is_mapped(one)
        one[:] = number
        other[:] = -number
        release(one)
    assert all(
        (one == number).all() and (other == -number).all() for number, (one, other) in enumerate(zip(arrays, beside, strict=True))
    )
    del make, arrays, one, beside, other
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == open_files


@on_linux
def test_memory_is_given_back_and_the_numbers_stay(folder: Path) -> None:
    rows = allocate((64, 1 << 18))
    assert is_mapped(rows)
    assert not any(folder.iterdir())  # the file has no name: nothing is left after a kill
    before = file_mib()
    rows[:] = np.arange(64, dtype=np.float32)[:, None]
    assert file_mib() > before + 60
    release(rows)
    assert file_mib() < before + 4
    assert rows[:, 7].tolist() == list(range(64))


@on_linux
def test_a_pass_in_slices_holds_one_slice() -> None:
    rows = allocate((256, 1 << 16))
    before, most, total = file_mib(), 0.0, 0.0
    for part in slices(rows):
        rows[part] = 1
        most, total = max(most, file_mib()), total + float(rows[part].sum())
    assert total == rows.size
    assert most < before + 8


@on_linux
def test_files_that_numpy_maps_are_given_back_too(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((16, 1 << 18), np.float32))
    x = np.asarray(np.load(tmp_path / "x.npy", mmap_mode="r"))
    before = file_mib()
    assert float(x.sum()) == x.size
    assert file_mib() > before + 14
    release(x[3:])
    assert file_mib() < before + 4


def test_what_somebody_changed_in_memory_alone_is_not_lost(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones(5000, np.float32))
    x = np.load(tmp_path / "x.npy", mmap_mode="c")
    x[:] = 7
    release(x)
    assert set(x.tolist()) == {7.0}


def test_arrays_in_memory_are_left_alone() -> None:
    x = np.ones(10, np.float32)
    release(x, torch.ones(10), np.zeros(0), torch.zeros(0))
    assert not is_mapped(x)
    assert not is_mapped(np.zeros(0))
    assert x.sum() == 10


def test_small_arrays_stay_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memmap, "SMALLEST", 1000)
    assert not is_mapped(allocate((10, 10)))
    assert allocate((10, 10), np.float64).dtype == np.float64


def test_a_disk_without_room_or_permission_means_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda path: usage(100, 0, 4 * 400 - 1))
        assert not is_mapped(allocate((10, 10)))

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full, raising=False)
        rows = allocate((10, 10))
        assert not is_mapped(rows)
        assert not rows.any()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIBYL_CACHE", str(tmp_path / "file"))
    assert not is_mapped(allocate((10, 10)))


@on_linux
def test_what_belongs_to_a_mapped_array_is_mapped() -> None:
    x = torch.from_numpy(allocate((3, 5, 2)))
    assert is_mapped(allocate_beside(x[:, 1:], (7, 2), torch.bool))
    assert allocate_beside(x, (7, 2), torch.bool).dtype == torch.bool
    assert allocate_beside(x, (7, 2), torch.bfloat16).dtype == torch.bfloat16  # numpy has none
    assert not is_mapped(allocate_beside(torch.zeros(3), (7, 2)))


def test_chosen_rows() -> None:
    draw = np.random.default_rng(0)
    values = draw.normal(size=(2, 300, 4)).astype(np.float32)
    on_disk = allocate(values.shape)
    on_disk[:] = values
    place = torch.from_numpy(draw.integers(0, 300, (2, 150)))
    expected = gather_rows(torch.from_numpy(values), place)
    assert torch.equal(gather_rows(torch.from_numpy(on_disk), place), expected)
    assert torch.equal(expected[1, 5], torch.from_numpy(values[1, place[1, 5]]))
    rows = draw.integers(0, 300, 150)
    assert np.array_equal(take_rows(on_disk[1], rows), values[1][rows])


def test_safetensors_files_are_those_of_the_library(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    arrays: dict[str, npt.NDArray[Any]] = {
        "odd": np.arange(3, dtype=np.uint8),
        "wide": np.random.default_rng(0).normal(size=(700, 300)).astype(np.float32)[:, ::2],
        "number": np.array(5, np.int64),
        "half": np.ones((2, 3), np.float16),
        "yes": np.array([True, False]),
        "none": np.zeros((0, 4), np.float32),
        "one of none": np.zeros((1, 0, 4), np.float32),  # a task without unlabelled rows
    }
    save_arrays(path, arrays, {"x": 1})
    read = load_file(path)
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        assert np.array_equal(read[name], array)
    assert np.array_equal(map_array(path, "wide"), arrays["wide"])
    assert map_array(path, "none").shape == (0, 4)
    with pytest.raises(ValueError, match="expected F32"):
        map_array(path, "odd")
    with pytest.raises(KeyError):
        map_array(path, "absent")


def test_files_of_the_library_are_mapped(tmp_path: Path) -> None:
    values = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    save_tensors(tmp_path / "x.safetensors", {"a": torch.zeros(3, dtype=torch.uint8), "b": values}, {"x": 1})
    assert np.array_equal(map_array(tmp_path / "x.safetensors", "b"), values.numpy())


@pytest.mark.parametrize("class_prior", [None, "balanced"])
@pytest.mark.parametrize("n_query", [300, 1500])
def test_universal_sib_says_the_same_of_rows_in_a_file(
    monkeypatch: pytest.MonkeyPatch, class_prior: str | None, n_query: int
) -> None:
    draw = torch.Generator().manual_seed(0)
    means = torch.randn(5, 16, generator=draw)
    y = torch.arange(n_query) % 5
    x = (means[y] + torch.randn(n_query, 16, generator=draw))[None]
    task = Task(means[None] + 0.3, torch.arange(5)[None], x, 5)
    network = UniversalSIB().eval()
    expected = network.solve(task, class_prior)
    on_disk = allocate(tuple(x.shape))
    on_disk[:] = x.numpy()
    monkeypatch.setattr(universal, "ENTRIES", 2000)  # many slices
    solution = network.solve(replace(task, query_x=torch.from_numpy(on_disk)), class_prior)
    assert torch.allclose(solution.logits, expected.logits, atol=1e-3)
    assert solution.inductive_logits is not None
    assert expected.inductive_logits is not None
    assert torch.allclose(solution.inductive_logits, expected.inductive_logits, atol=1e-3)
    assert solution.outlier_score is not None
    assert expected.outlier_score is not None
    assert torch.allclose(solution.outlier_score, expected.outlier_score, atol=1e-3)
    assert is_mapped(solution.logits) or sys.platform != "linux"


@pytest.mark.parametrize("given", [(0, 1, 2), (5, 70, 9)])
def test_the_label_job_says_the_same_of_rows_in_a_file(tmp_path: Path, given: tuple[int, ...]) -> None:
    draw = np.random.default_rng(0)
    means = draw.normal(size=(3, 8))
    values = (means[np.arange(90) % 3] + 0.4 * draw.normal(size=(90, 8))).astype(np.float32)
    names = tuple(f"{number:02d}" for number in range(90))
    examples = Examples({names[row]: str(row % 3) for row in given}, ("0", "1", "2"))
    on_disk = allocate(values.shape)
    on_disk[:] = values
    np.save(tmp_path / "x.npy", values)
    network = UniversalSIB().eval()
    expected = solve_items(names, values, examples, network)
    for matrix in (on_disk, np.load(tmp_path / "x.npy", mmap_mode="r")):
        solved = solve_items(names, matrix, examples, network)
        assert solved.table["label"].tolist() == expected.table["label"].tolist()
        assert np.allclose(solved.table["confidence"].to_numpy(), expected.table["confidence"].to_numpy(), atol=1e-4)
        assert [one.row for one in suggest(solved.task, solved.solution, 5)] == [
            one.row for one in suggest(expected.task, expected.solution, 5)
        ]
