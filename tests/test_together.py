"""An output is of one run, wherever the process that writes it is killed."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sibyl.errors import DataError
from sibyl.folders import atomic_folder
from sibyl.locks import locked
from sibyl.storage import PLACES, write_json, write_text
from sibyl.together import settle, together

NAMES = frozenset(("labels.csv", "summary.json", "run.bin", "export"))
_EVENTS = frozenset(("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate"))


def write(out: Path, run: str) -> None:
    """Write an output of two files and a folder; the second run has no ``run.bin``."""
    with together(out, NAMES, () if run == "first" else ("run.bin",)):
        write_text(out / "labels.csv", run)
        if run == "first":
            write_text(out / "run.bin", run)
        with atomic_folder(out / "export", "export") as folder:
            (folder / "key.txt").write_text(run)
        write_text(out / "summary.json", run)


def runs_in(out: Path) -> dict[str, str]:
    """Which run each part is of."""
    return {
        str(path.relative_to(out)): path.read_text()
        for path in out.rglob("*")
        if path.is_file() and not any(part.startswith(".sibyl") for part in path.relative_to(out).parts)
    }


def left_behind(out: Path) -> list[str]:
    return [path.name for path in out.iterdir() if path.name.startswith(".sibyl")]


def killed_at_every_step(out: Path, said: Any) -> None:
    """In a process of its own: fork, and let the child end at its first, second, third … touch of the disk."""
    step = 0
    while True:
        write(out, "first")
        child = os.fork()
        if child == 0:
            left = iter(range(step))

            def end(event: str, _: tuple[object, ...], left: Iterator[int] = left) -> None:
                if event in _EVENTS and next(left, None) is None:
                    os._exit(9)

            sys.addaudithook(end)
            write(out, "second")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        before = runs_in(out)
        settle(out, NAMES)
        said.append((before, runs_in(out), left_behind(out)))
        if status == 0:
            return
        step += 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_anywhere_an_output_is_of_one_run(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "corrections.csv").write_text("mine")
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        said = manager.list()
        process = context.Process(target=killed_at_every_step, args=(tmp_path / "out", said))
        process.start()
        process.join()
        assert process.exitcode == 0
        found = list(said)
    assert len(found) > 20
    ends = set()
    for before, after, left in found:
        assert len({run for name, run in before.items() if name != "corrections.csv"}) <= 1
        assert after.pop("corrections.csv") == "mine"
        ends |= set(after.values())
        names = {"labels.csv", "summary.json", "export/key.txt"} | ({"run.bin"} if "first" in after.values() else set())
        assert set(after) == names
        assert len(set(after.values())) == 1
        assert left == []
    assert ends == {"first", "second"}


def test_an_error_leaves_all_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "out", "first")
    with pytest.raises(RuntimeError), together(tmp_path / "out", NAMES):
        write_text(tmp_path / "out" / "labels.csv", "second")
        raise RuntimeError
    assert set(runs_in(tmp_path / "out").values()) == {"first"}
    with pytest.raises(RuntimeError), together(tmp_path / "new", NAMES):
        write_text(tmp_path / "new" / "labels.csv", "second")
        raise RuntimeError
    assert not (tmp_path / "new").exists()


def test_what_a_person_changed_stays_and_nothing_takes_its_place(tmp_path: Path) -> None:
    write(tmp_path / "out", "first")
    with pytest.raises(DataError, match="stays as it is"), together(tmp_path / "out", NAMES):
        write_text(tmp_path / "out" / "labels.csv", "second")
        with atomic_folder(tmp_path / "out" / "export", "export") as folder:
            (folder / "key.txt").write_text("second")
        (tmp_path / "out" / "export" / "mine.txt").write_text("mine")
    assert runs_in(tmp_path / "out").pop("export/mine.txt") == "mine"
    assert (tmp_path / "out" / "labels.csv").read_text() == "first"
    assert left_behind(tmp_path / "out") == []


@pytest.mark.parametrize(
    "moves",
    [
        [["", "mine.txt", ""]],
        [["../x", "labels.csv", ""]],
        [["", "../mine.txt", ""]],
        [[]],
        [["", 3, ""]],
        "moves",
        [["", "labels.csv"]],
    ],
)
def test_a_list_from_elsewhere_moves_nothing(tmp_path: Path, moves: object) -> None:
    for name in ("mine.txt", "labels.csv"):
        (tmp_path / name).write_text("mine")
    write_json(tmp_path / PLACES, {"made_by": "sibyl", "moves": moves})
    settle(tmp_path, NAMES)
    assert runs_in(tmp_path) == {"mine.txt": "mine", "labels.csv": "mine"}


def test_a_lock_is_no_obstacle_to_its_holder(tmp_path: Path) -> None:
    with locked(tmp_path), locked(tmp_path), suppress(OSError):
        write(tmp_path, "first")
    assert set(runs_in(tmp_path).values()) == {"first"}
