"""Downloads that resume, are checked, and appear whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from sibyl.errors import DataError, reason_of
from sibyl.stages import TimeLeft
from sibyl.storage import read_json, write_json

_BLOCK = 1 << 18
_TIMEOUT = 30


@dataclass(frozen=True)
class Remote:
    """A file somewhere else.

    Parameters
    ----------
    address : str
        http or https address.
    file_name : str
        Name that it gets here.
    checksum : str
        ``"md5:…"`` or ``"sha256:…"`` as its publisher, or those who have used it for years, give it.
    max_bytes : int
        More than this is not taken.
    """

    address: str
    file_name: str
    checksum: str
    max_bytes: int = 8 << 30


def download(remote: Remote, folder: str | Path, *, show_progress: bool = True) -> Path:
    """Fetch a file into a folder, unless it is there.

    A download that was cut off goes on where it stopped, provided that the server still has the same file. The file takes its name only
    when its checksum is right.

    Parameters
    ----------
    remote : Remote
        What to fetch.
    folder : path
        Where to put it.
    show_progress : bool
        Draw a progress bar on the terminal's error stream.

    Raises
    ------
    DataError
        If it cannot be fetched (the message names the address and the place to put it by hand) or its checksum is wrong.
    """
    target = Path(folder) / remote.file_name
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    with FileLock(target.with_name(f".{target.name}.lock")):
        if target.is_file():  # another process was faster
            return target
        try:
            _fetch(remote, target, partial, show_progress)
        except urllib.error.HTTPError as error:
            raise _unreachable(remote, target, f"HTTP {error.code} {error.reason}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise _unreachable(remote, target, reason_of(reason)) from None
        found = checksum(partial, remote.checksum.partition(":")[0])
        if found != remote.checksum:
            _forget(partial)
            raise DataError(
                f"{remote.address}: its checksum is {found}, expected {remote.checksum}; try again, or the file there has changed"
            )
        os.replace(partial, target)
        _forget(partial)
    return target


def missing(remote: Remote, folder: Path, what: str) -> DataError:
    """Return the error for a file that is not in `folder`: where it comes from, and where it goes; `what` is not there."""
    return DataError(
        f"{folder}: {what} there; fetch {remote.address} and put it at {folder / remote.file_name}, or download it (--fetch on the command "
        "line, fetch=True in Python)"
    )


def checksum(path: Path, kind: str) -> str:
    """Return ``"<kind>:<hexadecimal digits>"`` of a file; kind is md5 or sha256."""
    with path.open("rb") as file:
        return f"{kind}:{hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()}"


def _unreachable(remote: Remote, target: Path, reason: str) -> DataError:
    return DataError(f"cannot fetch {remote.address} ({reason}); fetch it elsewhere and put it at {target}")


def _tag_path(partial: Path) -> Path:
    return partial.with_name(partial.name + ".json")


def _forget(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    _tag_path(partial).unlink(missing_ok=True)


def _resume(remote: Remote, partial: Path) -> tuple[int, str]:
    """Bytes that are here already, and the mark by which the server knows the same file; without a mark nothing is resumed."""
    if not (partial.is_file() and _tag_path(partial).is_file()):
        return 0, ""
    try:
        state = read_json(_tag_path(partial))
    except DataError:
        return 0, ""
    if state.get("address") != remote.address:
        return 0, ""
    return partial.stat().st_size, str(state.get("tag", ""))


def _fetch(remote: Remote, target: Path, partial: Path, show_progress: bool) -> None:
    if not remote.address.startswith(("http://", "https://")):
        raise ValueError("only http and https addresses are fetched")
    n_here, tag = _resume(remote, partial)
    headers = {"User-Agent": "sibyl-learn"}
    if n_here and tag:
        headers |= {"Range": f"bytes={n_here}-", "If-Range": tag}
    request = urllib.request.Request(remote.address, headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        # All bytes are here already, or too many: the checksum decides, and a wrong one starts afresh.
        return
    with answer:
        resumed = answer.status == http.client.PARTIAL_CONTENT
        if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {n_here}-"):
            raise ValueError("the server sent another part than the one asked for")
        n_here = n_here if resumed else 0
        length = answer.headers.get("Content-Length")
        n_all = n_here + int(length) if length else None
        _check_room(remote, partial, n_here, n_all)
        if not resumed:
            # A weak tag does not promise the same bytes, so it cannot be used to resume.
            tag = answer.headers.get("ETag") or ""
            tag = answer.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag
            write_json(_tag_path(partial), {"address": remote.address, "tag": tag})
        with partial.open("ab" if resumed else "wb") as file, _bar(show_progress) as bar:
            task = bar.add_task(target.name, total=n_all, completed=n_here)
            while block := answer.read(_BLOCK):
                file.write(block)
                n_here += len(block)
                bar.update(task, completed=n_here)
                if n_here > remote.max_bytes:
                    raise ValueError(f"it is larger than the {remote.max_bytes} bytes expected at most")
    if n_all is not None and n_here < n_all:
        raise ValueError(f"the connection ended after {n_here} of {n_all} bytes; run it again to go on from there")


def _check_room(remote: Remote, partial: Path, n_here: int, n_all: int | None) -> None:
    if n_all is None:
        return
    if n_all > remote.max_bytes:
        raise ValueError(f"it has {n_all} bytes, expected at most {remote.max_bytes}")
    free = shutil.disk_usage(partial.parent).free
    if n_all - n_here > free:
        raise ValueError(f"it needs {n_all - n_here} bytes more, but only {free} are free there")


def _bar(show_progress: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeLeft())
    return Progress(*columns, console=Console(file=sys.stderr), disable=not show_progress)
