"""Folders that appear whole, and that take the place of nothing but a folder that Sibyl wrote and nobody has changed since.

Each such folder carries a mark, the file ``.sibyl.json``: what kind of folder it is, and name,
size, time and checksum of every file in it. So a folder with anything else in it, a changed file,
or a file more, is told from an earlier output, and damage is noticed.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import uuid
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from sibyl.errors import DataError
from sibyl.locks import held, locked
from sibyl.storage import Json, clear_debris, read_json, temporary_name, waits_with, write_json

MARK = ".sibyl.json"
_FORMAT = 1
_BLOCK = 1 << 20
_EXCHANGE = 2  # of Linux's renameat2
_HERE = -100


def checksum(path: Path) -> int:
    """Return the CRC-32 of a file: it finds damage, and is no proof against intent."""
    value = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            value = zlib.crc32(block, value)
    return value


def file_state(path: Path, checksums: bool = True) -> list[int | None]:
    """Return size, time of the last change (ns) and checksum of a file."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, checksum(path) if checksums else None]


def is_as_written(path: Path, state: Any) -> bool:
    """Whether a file is what `file_state` saw; one that is as long and as old is not read again."""
    try:
        size, changed, crc = state
        status = path.lstat()
        if path.is_symlink() or not path.is_file() or status.st_size != size:
            return False
        return status.st_mtime_ns == changed or (crc is not None and checksum(path) == crc)
    except (OSError, TypeError, ValueError):
        return False


def seal(folder: Path, kind: str, about: Mapping[str, object] | None = None, *, checksums: bool = True) -> None:
    """Write the mark of a folder that is complete.

    Parameters
    ----------
    folder : path
        Holds nothing but what was written for it.
    kind : str
        What it is; it may be replaced by a folder of the same kind.
    about : mapping, optional
        What else the mark is to say.
    checksums : bool
        Read the files again for their checksums.
    """
    files, links, folders = _walk(folder)
    mark: Json = {
        "made_by": "sibyl",
        "format": _FORMAT,
        "kind": kind,
        "about": dict(about or {}),
        "files": {name: file_state(folder / name, checksums) for name in files},
        "links": links,
        "folders": folders,
    }
    write_json(folder / MARK, mark, as_ascii=True)


def read_mark(folder: Path) -> Json | None:
    """Return what the mark of a folder says; None if there is none, or it is not one of ours."""
    try:
        mark = read_json(folder / MARK)
    except (DataError, OSError):
        return None
    parts = {"files": dict, "links": dict, "folders": list, "kind": str, "about": dict}
    is_ours = mark.get("made_by") == "sibyl" and mark.get("format") == _FORMAT
    return mark if is_ours and all(isinstance(mark.get(name), kind) for name, kind in parts.items()) else None


def first_damage(folder: Path) -> str | None:
    """Return the name of a file that is not what the mark of its folder says of it; None if all are, or there is no mark."""
    mark = read_mark(folder)
    if mark is None and (folder / MARK).exists():
        return MARK
    for name, state in mark["files"].items() if mark else ():
        try:
            size, _, crc = state
            if (folder / name).stat().st_size != size or (crc is not None and checksum(folder / name) != crc):
                return str(name)
        except (OSError, TypeError, ValueError):
            return str(name)
    return None


def check_replaceable(path: str | Path, kind: str, ours: Collection[str] = ()) -> None:
    """Check that a new folder may take this place: there is nothing, an empty folder, or one of this kind that is as Sibyl wrote it.

    In a cache, `ours` are names of files that may go whatever they hold.

    Raises
    ------
    DataError
        If there is anything else; the message names a file that would be lost.
    """
    path = Path(path)
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_dir():
        what = "a link" if path.is_symlink() else "a file"
        raise DataError(f"{path}: is {what}, and stays as it is; choose another place for the new folder")
    foreign = _foreign(path, kind, ours)
    if foreign:
        raise DataError(f"{path}: {foreign}, and stays as it is; choose another place, or empty that folder yourself")


def check_apart(path: str | Path, source: str | Path) -> None:
    """Check that a new folder would not take the place of what it is made from.

    Raises
    ------
    DataError
        If `path` is the source, or contains it.
    """
    place, origin = absolute(path).resolve(), Path(source).resolve()
    if place == origin or place in origin.parents:
        raise DataError(f"{path}: would take the place of what is read ({source}); choose another place for the output")


def _foreign(path: Path, kind: str, ours: Collection[str]) -> str:
    """Say what of a folder is not an unchanged output of that kind; nothing if all of it is."""
    try:
        with os.scandir(path) as found:
            names = sorted(entry.name for entry in found)
        if set(names) <= ({MARK, *ours} if ours else set()):
            return ""
        mark = read_mark(path)
        if mark is None:
            return f"holds what this version of sibyl did not write ({names[0]!r})"
        if mark["kind"] != kind:
            return f"holds another output of sibyl ({mark['kind']})"
        files, links, folders = _walk(path)
    except OSError as error:
        return f"cannot be looked through ({error.strerror or error})"
    for name in files:
        if name not in mark["files"]:
            return f"holds a file that sibyl did not write ({name!r})"
        if not is_as_written(path / name, mark["files"][name]):
            return f"holds a file that was changed since sibyl wrote it ({name!r})"
    others = [name for name, target in links.items() if mark["links"].get(name) != target]
    others += sorted(set(folders) - {name for name in mark["folders"] if isinstance(name, str)})
    return f"holds what sibyl did not write ({others[0]!r})" if others else ""


def _walk(folder: Path) -> tuple[list[str], dict[str, str], list[str]]:
    """Return the files below a folder, its links with their targets, and its folders; the mark is not among them."""
    files: list[str] = []
    links: dict[str, str] = {}
    folders: list[str] = []
    waiting = [""]
    while waiting:
        below = waiting.pop()
        with os.scandir(folder / below) as found:
            for entry in found:
                name = f"{below}{entry.name}"
                if entry.is_symlink():
                    links[name] = os.readlink(folder / name)  # noqa: PTH115 - as written
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(name)
                    waiting.append(f"{name}/")
                elif name != MARK:
                    files.append(name)
    return sorted(files), dict(sorted(links.items())), sorted(folders)


@contextmanager
def atomic_folder(
    path: str | Path,
    kind: str,
    about: Mapping[str, object] | None = None,
    *,
    checksums: bool = True,
    ours: Collection[str] = (),
) -> Iterator[Path]:
    """Yield a new folder that takes its place at `path`, marked, when the block ends without an error.

    A reader sees the old folder or the new one; after an error, or a kill, `path` is as it was, and
    what a kill has left behind goes the next time. Within `sibyl.together.together` the folder
    takes its place when that block ends.

    Parameters
    ----------
    path : path
        Where the folder will be.
    kind, about, checksums
        See `seal`.
    ours
        See `check_replaceable`.

    Raises
    ------
    DataError
        See `check_replaceable`.
    """
    path = absolute(path)
    check_replaceable(path, kind, ours)
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_debris(path.parent, path.name)
    partial = temporary_name(path)
    partial.mkdir()
    with ExitStack() as lock:
        lock.enter_context(held(partial))
        try:
            yield partial
            seal(partial, kind, about, checksums=checksums)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        others = waits_with(path)
        if others is not None:
            others.moves.append((partial.name, path.name, kind))
            others.locks.push(lock.pop_all())
            return
        try:
            put_in_place(partial, path, kind, ours)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def put_in_place(partial: Path, path: Path, kind: str, ours: Collection[str] = ()) -> None:
    """Move a finished folder to `path`; what stands there must be replaceable, and is gone then.

    Raises
    ------
    DataError
        See `check_replaceable`; then both are as they were.
    """
    with locked(path.parent):
        check_replaceable(path, kind, ours)
        if not path.exists() or not any(path.iterdir()):
            partial.replace(path)
            return
        if not _exchange(partial, path):
            old = temporary_name(path)
            path.replace(old)
            partial.replace(path)
            old.replace(partial)
    foreign = _foreign(partial, kind, ours)  # somebody may have written there in that very moment
    if foreign:
        kept = path.with_name(f"{path.name} before {uuid.uuid4().hex[:8]}")
        partial.replace(kept)
        raise DataError(f"{path}: was written to while it was replaced; the folder before is kept as {kept}")
    shutil.rmtree(partial, ignore_errors=True)


def absolute(path: str | Path) -> Path:
    """Return an absolute path whose last part is a name, links in that part not followed."""
    path = Path(path)
    return path.resolve() if path.name in ("", "..") else path.parent.resolve() / path.name


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change places in one step, where the system can."""
    if not sys.platform.startswith("linux"):
        return False
    with suppress(AttributeError, OSError):
        return not ctypes.CDLL(None).renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE)
    return False
