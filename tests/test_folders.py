"""A folder takes the place of nothing but an unchanged folder of its own kind; killed writers leave nothing behind for long."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sibyl import folders
from sibyl.errors import DataError
from sibyl.folders import MARK, atomic_folder, check_apart, first_damage
from sibyl.storage import atomic_path


def write(path: Path, text: str, kind: str = "export") -> None:
    with atomic_folder(path, kind) as partial:
        (partial / "deep").mkdir()
        (partial / "empty").mkdir()
        (partial / "a.txt").write_text(text)
        (partial / "deep" / "b.txt").write_text(text)
        (partial / "link").symlink_to("a.txt")


def snapshot(root: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        found[name] = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else "folder"
    return found


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool) -> None:
    if not can_exchange:
        monkeypatch.setattr(folders, "_exchange", lambda one, other: False)
    for text in ("first", "second"):
        write(tmp_path / "out", text)
    assert (tmp_path / "out" / "a.txt").read_text() == "second"
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "out", "export") as partial:
        (partial / "a.txt").write_text("third")
        raise RuntimeError
    assert (tmp_path / "out" / "a.txt").read_text() == "second"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def add_a_file(out: Path) -> None:
    (out / "deep" / "mine.txt").write_text("mine")


def add_a_folder(out: Path) -> None:
    (out / "mine").mkdir()


def add_a_link(out: Path) -> None:
    (out / "mine").symlink_to("/etc/hostname")


def change_a_file(out: Path) -> None:
    (out / "a.txt").write_text("firsT")
    os.utime(out / "a.txt", ns=(1, 1))


def change_a_link(out: Path) -> None:
    (out / "link").unlink()
    (out / "link").symlink_to("deep")


def replace_a_file_by_a_folder(out: Path) -> None:
    (out / "a.txt").unlink()
    (out / "a.txt").mkdir()


def replace_a_file_by_a_link(out: Path) -> None:
    (out / "a.txt").rename(out.parent / "elsewhere.txt")
    (out / "a.txt").symlink_to(out.parent / "elsewhere.txt")


def lose_the_mark(out: Path) -> None:
    (out / MARK).unlink()


def garble_the_mark(out: Path) -> None:
    (out / MARK).write_text('{"made_by": "sibyl", "format": 1, "kind": "export", "files": 3}')


def nest_the_mark(out: Path) -> None:
    (out / MARK).write_text("[" * 100_000)


def move_it_away(out: Path) -> None:
    out.rename(out.parent / "photos")
    out.symlink_to(out.parent / "photos")


def be_a_file(out: Path) -> None:
    shutil.rmtree(out)
    out.write_text("mine")


def point_nowhere(out: Path) -> None:
    shutil.rmtree(out)
    out.symlink_to(out.parent / "nowhere")


@pytest.mark.parametrize(
    "change",
    [
        add_a_file,
        add_a_folder,
        add_a_link,
        change_a_file,
        change_a_link,
        replace_a_file_by_a_folder,
        replace_a_file_by_a_link,
        lose_the_mark,
        garble_the_mark,
        nest_the_mark,
        move_it_away,
        be_a_file,
        point_nowhere,
    ],
)
def test_whatever_sibyl_did_not_write_stays(tmp_path: Path, change: Callable[[Path], None]) -> None:
    write(tmp_path / "out", "first")
    change(tmp_path / "out")
    before = snapshot(tmp_path)
    with pytest.raises(DataError, match="stays as it is"):
        write(tmp_path / "out", "second")
    assert snapshot(tmp_path) == before


def test_another_kind_stays_and_an_empty_folder_does_not(tmp_path: Path) -> None:
    write(tmp_path / "out", "first", "features")
    with pytest.raises(DataError, match=r"another output of sibyl \(features\)"):
        write(tmp_path / "out", "second")
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", "first")
    assert (tmp_path / "empty" / "a.txt").read_text() == "first"


def test_what_comes_while_the_new_folder_is_written_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "out", "first")
    with pytest.raises(DataError, match="stays as it is"), atomic_folder(tmp_path / "out", "export") as partial:
        (partial / "a.txt").write_text("second")
        (tmp_path / "out" / "mine.txt").write_text("mine")
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"
    assert (tmp_path / "out" / "a.txt").read_text() == "first"


def test_a_copy_is_as_good_as_the_folder_itself(tmp_path: Path) -> None:
    write(tmp_path / "first", "first")
    shutil.copytree(tmp_path / "first", tmp_path / "out", symlinks=True, copy_function=shutil.copyfile)
    write(tmp_path / "out", "second")
    assert (tmp_path / "out" / "a.txt").read_text() == "second"


def test_damage_is_named(tmp_path: Path) -> None:
    write(tmp_path / "out", "first")
    assert first_damage(tmp_path / "out") is None
    status = (tmp_path / "out" / "a.txt").stat()
    (tmp_path / "out" / "a.txt").write_text("fIrst")
    os.utime(tmp_path / "out" / "a.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert first_damage(tmp_path / "out") == "a.txt"


def test_the_output_is_not_what_it_is_made_from(tmp_path: Path) -> None:
    (tmp_path / "data" / "photos").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    for out in ("data/photos", "data", "link", "data/photos/..", "."):
        with pytest.raises(DataError, match="take the place of what is read"):
            check_apart(tmp_path / out, tmp_path / "data" / "photos")
    check_apart(tmp_path / "data" / "photos" / "out", tmp_path / "data" / "photos")


def killed(out: Path, in_a_file: bool) -> None:
    if in_a_file:
        with atomic_path(out) as partial:
            partial.write_text("half")
            os._exit(1)
    with atomic_folder(out, "export") as partial:
        (partial / "a.txt").write_text("half")
        os._exit(1)


@pytest.mark.parametrize("in_a_file", [True, False])
def test_what_a_kill_leaves_goes_the_next_time(tmp_path: Path, in_a_file: bool) -> None:
    out = tmp_path / "out"
    run = multiprocessing.get_context("fork").Process(target=killed, args=(out, in_a_file))
    run.start()
    run.join()
    assert [entry.name.startswith(".sibyl-") for entry in tmp_path.iterdir()] == [True]
    if in_a_file:
        with atomic_path(out) as partial, atomic_path(out) as other:  # another writer's file stays
            other.write_text("whole")
            partial.write_text("whole")
    else:
        with atomic_folder(out, "export") as partial:
            with atomic_folder(out, "export") as other:
                (other / "a.txt").write_text("whole")
            assert partial.is_dir()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
