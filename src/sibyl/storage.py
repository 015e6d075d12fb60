"""Files that are whole or absent: atomic writes, JSON, what a kill has left behind, and where the cache is."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sibyl.errors import DataError
from sibyl.locks import held

Json = dict[str, Any]
_DEPTH = 64  # of JSON; nothing here is nested deeper than a dozen
PLACES = ".sibyl-places.json"
"""In a folder: what takes its place there, all together, where a kill has stopped that; see `sibyl.together`."""


@dataclass(eq=False)
class Waiting:
    """Files and folders that are whole, and wait until they take their places together.

    Parameters
    ----------
    folder : Path
        Where their places are.
    moves : list of (str, str, str)
        Name of now, name to be, and the kind of a folder (see `sibyl.folders.seal`), empty for a
        file.
    locks : ExitStack
        Holds them against `clear_debris` of other processes.
    """

    folder: Path
    moves: list[tuple[str, str, str]] = field(default_factory=list)
    locks: ExitStack = field(default_factory=ExitStack)


waiting: ContextVar[Waiting | None] = ContextVar("waiting", default=None)


def waits_with(path: Path) -> Waiting | None:
    """Return what a new `path` waits with for its place; None where it takes it at once, as do parts of what waits itself."""
    here = waiting.get()
    if here is None or path.name.endswith(".partial"):
        return None
    return here if here.folder.samefile(path.parent) else None


def temporary_name(path: Path) -> Path:
    """Return a new name beside `path` for what will be `path`; however long that name is, this one fits."""
    letters = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]
    return path.with_name(f".sibyl-{letters}-{uuid.uuid4().hex[:8]}.partial")


def clear_debris(folder: Path, name: str | None = None) -> None:
    """Remove what a killed process has left of files and folders that were to become ``folder/name``, or any in `folder`.

    What a living process works on is locked by it, and stays; so does all that a killed one had
    finished, and that waits for its place.
    """
    if (folder / PLACES).exists():
        return
    kind = "*" if name is None else hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
    for left in folder.glob(f".sibyl-{kind}-????????.partial"):
        with suppress(OSError), held(left, wait=False) as is_free:
            if is_free and left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
            elif is_free:
                left.unlink(missing_ok=True)


def flush_to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def write_errors(place: str | Path) -> Iterator[None]:
    """Turn what the system says of writing to `place` into a DataError: a full disk, no permission."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{place}: cannot be written ({error.strerror or error}); free space or choose another folder") from None


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary file path beside `path` that replaces it when the block ends without an error.

    A reader sees the old file or the new one, never a part; after an error, or a kill, `path` is as
    it was. Within `sibyl.together.together` the file takes its place when that block ends.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_debris(path.parent, path.name)
    partial = temporary_name(path)
    partial.touch(exist_ok=False)
    with ExitStack() as lock:
        lock.enter_context(held(partial))
        try:
            yield partial
            flush_to_disk(partial)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        others = waits_with(path)
        if others is not None:
            others.moves.append((partial.name, path.name, ""))
            others.locks.push(lock.pop_all())
            return
        try:
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all, with newlines as given."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def write_json(path: str | Path, value: object, *, as_ascii: bool = False) -> None:
    """Write `value` as indented JSON, whole or not at all; as ASCII, it may hold names that are no Unicode."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=as_ascii) + "\n")


def parse_json(text: str | bytes) -> Any:
    """Parse JSON that somebody else may have written.

    Raises
    ------
    ValueError
        If it is no JSON, or nested more than 64 deep.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    level, depth = [value], 0
    while level := [one for one in level if isinstance(one, list | dict)]:
        depth += 1
        if depth > _DEPTH:
            raise ValueError("nested too deeply")
        level = [part for one in level for part in (one.values() if isinstance(one, dict) else one)]
    return value


def read_json(path: str | Path) -> Json:
    """Read a JSON object.

    Raises
    ------
    DataError
        If the file is missing, is not JSON, or holds something other than an object.
    """
    try:
        value = parse_json(Path(path).read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; expected a JSON file there") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected JSON, but it cannot be read ({error}); restore or delete the file") from None
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value


def sha256(path: str | Path) -> str:
    """Return the SHA-256 checksum of a file as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_key(value: object) -> str:
    """Return a short, stable key for any JSON-serialisable value (16 hexadecimal digits)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def cache_folder() -> Path:
    """Return the folder for things that can be computed again: ``$SIBYL_CACHE``, or ``sibyl`` in the platform's cache folder.

    Where the user has no home, as in a container that runs under a number, it lies in the folder
    for temporary files.
    """
    chosen = os.environ.get("SIBYL_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    try:
        home = Path.home()
    except RuntimeError:  # neither $HOME nor an entry in the list of users
        home = Path(tempfile.gettempdir()) / f"sibyl-of-user-{os.getuid()}"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "sibyl" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "sibyl"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "sibyl"
