"""The files below a folder, each once: links are followed but never in a circle, and what cannot be used is named with the reason."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from sibyl.errors import DataError
from sibyl.folders import MARK
from sibyl.sources.folder_items import FolderItems
from sibyl.sources.item import Skipped

MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class Folder:
    """What was found below a folder, both in order of their names.

    Parameters
    ----------
    root : Path
        The folder.
    items : FolderItems
        Files that may be read.
    skipped : tuple of Skipped
        Files and folders that are not.
    """

    root: Path
    items: FolderItems
    skipped: tuple[Skipped, ...]


def walk_folder(root: str | Path, leave_out: Iterable[str | Path] = (), refuse: Callable[[str], str] = lambda path: "") -> Folder:
    """Find the files below a folder.

    Links to folders are followed, each folder is searched once, and folders that really lie below `root` go first. Hidden folders
    and those that Sibyl itself wrote (exports, features) are named, but not searched. Empty files, files above 1 GiB and names that are not UTF-8 are skipped.

    Parameters
    ----------
    root : path
        Folder to search.
    leave_out : iterable of path
        Files and folders that are no data, such as the list of examples or the output; they are not named at all.
    refuse : callable
        Path of a file → why it is no item, or an empty text.

    Raises
    ------
    DataError
        If `root` is not a folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: {'is a file' if root.exists() else 'no such folder'}; expected a folder")
    search = _Search({_identity(path) for path in leave_out if Path(path).exists()}, refuse)
    search.folder(str(root), "")
    while search.links:
        search.link(*search.links.pop(0))
    return Folder(
        root,
        FolderItems(root, tuple(sorted(search.names))),
        tuple(sorted(search.skipped, key=lambda skipped: skipped.name)),
    )


def ending(path: str | Path) -> str:
    """Return the ending of a file's name in small letters, its dot included."""
    stem, dot, last = os.fspath(path).replace(os.sep, "/").rsplit("/", 1)[-1].rpartition(".")
    return f"{dot}{last}".lower() if stem else ""


def is_file(place: Path) -> bool:
    """Tell whether a file lies there, whatever its path holds."""
    try:
        return os.path.isfile(place)  # noqa: PTH113 - a path may hold what no file's name can
    except (OSError, ValueError):
        return False


def _identity(path: str | Path) -> tuple[int, int]:
    status = Path(path).stat()
    return status.st_dev, status.st_ino


class _Search:
    """One walk over a folder; links to folders wait in `links` until all real folders are done.

    Paths of files are plain texts: for each part of a `Path`, Python keeps room for good.
    """

    def __init__(self, leave_out: set[tuple[int, int]], refuse: Callable[[str], str]) -> None:
        self.leave_out, self.refuse = leave_out, refuse
        self.names: list[str] = []
        self.skipped: list[Skipped] = []
        self.links: list[tuple[str, str]] = []
        self._seen: set[tuple[int, int]] = set()

    def folder(self, path: str, name: str) -> None:
        waiting = [(path, name)]  # no recursion: folders may lie deeper than Python's stack
        while waiting:
            here, below = waiting.pop()
            try:
                self._seen.add(_identity(here))
                entries = sorted(os.scandir(here), key=lambda entry: entry.name)
            except OSError as error:
                self._skip(below or ".", f"folder cannot be opened ({error.strerror})")
                continue
            if below and any(entry.name == MARK for entry in entries):
                self._skip(below.rstrip("/"), "folder that sibyl wrote: name it itself to label what it holds")
                continue
            for entry in entries:
                self._entry(entry, f"{below}{entry.name}", waiting)

    def link(self, path: str, name: str) -> None:
        if _identity(path) in self._seen:
            self._skip(name, "link to a folder that is already searched")
        else:
            self.folder(path, f"{name}/")

    def _skip(self, name: str, reason: str) -> None:
        self.skipped.append(Skipped(_printable(name), reason))

    def _entry(self, entry: os.DirEntry[str], name: str, waiting: list[tuple[str, str]]) -> None:
        try:
            status = os.stat(entry.path)  # noqa: PTH116
        except OSError as error:
            loop = error.errno == errno.ELOOP
            self._skip(name, "link that leads back to itself" if loop else f"cannot be opened ({error.strerror})")
            return
        if (status.st_dev, status.st_ino) in self.leave_out:
            return
        hidden = entry.name.startswith(".")
        if stat.S_ISDIR(status.st_mode):
            if hidden:
                self._skip(name, "hidden folder")
            elif entry.is_symlink():
                self.links.append((entry.path, name))
            else:
                waiting.append((entry.path, f"{name}/"))
        elif not stat.S_ISREG(status.st_mode):
            self._skip(name, "not a regular file")
        elif _printable(name) != name:
            self._skip(name, "file name is not valid UTF-8: rename it")
        elif hidden:
            self._skip(name, "hidden file")
        elif status.st_size == 0:
            self._skip(name, "empty file")
        elif status.st_size > MAX_BYTES:
            self._skip(name, f"file of {status.st_size / 2**30:.1f} GiB, the limit is {MAX_BYTES >> 30}")
        elif reason := self.refuse(entry.path):
            self._skip(name, reason)
        else:
            self.names.append(name)


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")
