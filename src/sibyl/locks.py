"""Locks on files and folders against other processes; they end with the block, or with the process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_locked: ContextVar[frozenset[tuple[int, int]]] = ContextVar("_locked", default=frozenset())


@contextmanager
def held(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Lock a file or folder that exists against other processes that do the same; the lock ends with the block or the process.

    Yields whether the lock is held: not so where `wait` is False and another holds it, or where the
    system has no such locks.
    """
    handle = os.open(path, os.O_RDONLY) if fcntl is not None else -1
    try:
        yield handle >= 0 and _lock(handle, wait)
    finally:
        if handle >= 0:
            os.close(handle)


def _lock(handle: int, wait: bool) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # another holds it, or the file system has no locks
        return False
    return True


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time write to a folder; whoever has locked it need not wait for itself."""
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in _locked.get():
        yield
        return
    with held(folder):
        token = _locked.set(_locked.get() | {here})
        try:
            yield
        finally:
            _locked.reset(token)
