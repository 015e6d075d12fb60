"""Files and folders of one output that take their places together: an output is never of two runs, whenever a process is killed.

What is written waits beside its place until all of it is whole and on the disk. Then a list of it
is written (`sibyl.storage.PLACES`), what was there before is taken away, and each takes its place.
A process killed before the list has changed nothing; one killed after it leaves files of the new
run alone, and whoever opens the folder next puts the others in their places.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sibyl.errors import DataError
from sibyl.folders import absolute, check_replaceable, put_in_place
from sibyl.locks import locked
from sibyl.storage import PLACES, Waiting, clear_debris, flush_to_disk, read_json, temporary_name, waiting, waits_with, write_json

_STAGED = re.compile(r"\.sibyl-[0-9a-f]{8}-[0-9a-f]{8}\.partial")
_Move = tuple[str, str, str]


@contextmanager
def together(folder: str | Path, names: Collection[str], gone: Collection[str] = ()) -> Iterator[None]:
    """Let all files and folders that are written to `folder` within the block take their places when it ends without an error.

    Other processes that do the same wait. A block within a block of the same folder is part of the
    outer one.

    Parameters
    ----------
    folder : path
        Made where it does not exist.
    names : collection of str
        What an output of this kind may hold.
    gone : collection of str
        Those of them that are to go then, as no other takes their place.

    Raises
    ------
    OSError
        If the folder cannot be written; then all is as it was.
    DataError
        See `sibyl.folders.check_replaceable`.
    """
    folder = absolute(folder)
    outer = waits_with(folder / PLACES) if folder.exists() else None
    if outer is not None:
        outer.moves += [("", name, "") for name in gone]
        yield
        return
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder):
            settle(folder, names)
            here = Waiting(folder, [("", name, "") for name in gone])
            token = waiting.set(here)
            try:
                with here.locks:
                    try:
                        yield
                    finally:
                        waiting.reset(token)
                    _check(folder, here.moves, names)
                    if here.moves:
                        write_json(folder / PLACES, {"made_by": "sibyl", "moves": here.moves}, as_ascii=True)
                        flush_to_disk(folder)
                        _move(folder, here.moves)
            finally:
                if not (folder / PLACES).exists():
                    _remove_staged(folder, here.moves)
    except BaseException:
        if is_new:
            with suppress(OSError):
                folder.rmdir()  # which removes none that holds anything
        raise


def settle(folder: str | Path, names: Collection[str]) -> None:
    """Finish what a killed process had begun in an output folder, and remove what it left unfinished.

    Parameters
    ----------
    folder : path
        May not exist.
    names : collection of str
        What an output of this kind may hold: nothing else is touched, whatever a list says.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    folder = absolute(folder)
    if not folder.is_dir():
        return
    if (folder / PLACES).is_file():
        with locked(folder):
            moves = _read(folder / PLACES, names)
            if moves is not None:
                _move(folder, moves)
    for name in (*names, PLACES):
        clear_debris(folder, name)


def _check(folder: Path, moves: Sequence[_Move], names: Collection[str]) -> None:
    for _, name, kind in moves:
        if name not in names:
            raise ValueError(f"{name!r} is no part of this output")
        if kind:
            check_replaceable(folder / name, kind)
        elif (folder / name).is_dir() and not (folder / name).is_symlink():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(folder / name))


def _read(path: Path, names: Collection[str]) -> list[_Move] | None:
    """Return what a list says; None if it is gone, or none of ours."""
    try:
        content = read_json(path)
    except DataError:
        return None
    moves: Any = content.get("moves")
    if content.get("made_by") != "sibyl" or not isinstance(moves, list):
        return None
    is_ours = all(
        isinstance(move, list)
        and len(move) == 3
        and all(isinstance(part, str) for part in move)
        and (not move[0] or _STAGED.fullmatch(move[0]))
        and move[1] in names
        for move in moves
    )
    return [(staged, name, kind) for staged, name, kind in moves] if is_ours else None


def _move(folder: Path, moves: Sequence[_Move]) -> None:
    """Take away what was there, and let each take its place; what has its place already stays."""
    left = [move for move in moves if not move[0] or os.path.lexists(folder / move[0])]
    for staged, name, kind in left:
        if not kind:
            (folder / name).unlink(missing_ok=True)
        elif (folder / name).is_dir():
            _take_away(folder / name, folder / staged, kind)
    for staged, name, kind in left:
        if not staged or not os.path.lexists(folder / staged):
            continue
        if kind:
            with suppress(DataError):  # somebody has put a folder there since: it stays
                put_in_place(folder / staged, folder / name, kind)
            shutil.rmtree(folder / staged, ignore_errors=True)
        else:
            (folder / staged).replace(folder / name)
    flush_to_disk(folder)
    (folder / PLACES).unlink(missing_ok=True)
    for _, name, _ in moves:
        clear_debris(folder, name)


def _take_away(old: Path, staged: Path, kind: str) -> None:
    """Remove an earlier folder, unless somebody has changed it since; then it stays, and the new one goes."""
    try:
        check_replaceable(old, kind)
    except DataError:
        shutil.rmtree(staged, ignore_errors=True)
        return
    aside = temporary_name(old)
    old.replace(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _remove_staged(folder: Path, moves: Sequence[_Move]) -> None:
    for staged, _, kind in moves:
        if kind:
            shutil.rmtree(folder / staged, ignore_errors=True)
        elif staged:
            (folder / staged).unlink(missing_ok=True)
