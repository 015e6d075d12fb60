"""Archives from elsewhere, read with distrust: no path leaves the destination, no links, no devices, sizes counted while reading.

What an archive says about itself is not believed: bytes are counted as they come out, so that a small file that unfolds into a huge
one is stopped at the limit.
"""

from __future__ import annotations

import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path, PurePosixPath

from sibyl.errors import DataError, reason_of
from sibyl.folders import atomic_folder

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_BLOCK = 1 << 20
_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError, RuntimeError, ValueError,
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What an archive may unfold into.

    Parameters
    ----------
    n_files : int
        Most files.
    n_bytes : int
        Most bytes of all files together.
    """

    n_files: int = 500_000
    n_bytes: int = 20 << 30


@dataclass(frozen=True)
class _Member:
    name: str
    is_folder: bool
    is_file: bool
    read: Callable[[int], bytes] | None


def unpack(archive: str | Path, destination: str | Path, limits: Limits | None = None) -> Path:
    """Unpack a zip or tar archive into a new folder, whole or not at all.

    Parameters
    ----------
    archive : path
        The archive; its kind is told from its content.
    destination : path
        Folder that is created; nothing is ever written outside it.
    limits : Limits, optional
        What it may unfold into.

    Raises
    ------
    DataError
        If the archive is missing or damaged, or holds a path outside the destination, a link, a device, a name twice, or too much.
    """
    archive, destination, limits = Path(archive), Path(destination), limits or Limits()
    n_files, n_left = 0, limits.n_bytes
    seen: set[str] = set()
    with _members(archive) as members, atomic_folder(destination, "unpacked archive", checksums=False) as partial:
        for member in members:
            path = _checked(archive, member)
            if member.is_folder:
                (partial / path).mkdir(parents=True, exist_ok=True)
                continue
            n_files += 1
            if n_files > limits.n_files:
                raise DataError(f"{archive}: holds more than {limits.n_files} files; is this the right archive?")
            if path.as_posix().casefold() in seen:  # some file systems hold A and a for one
                raise DataError(f"{archive}: holds {member.name!r} twice; fetch the archive again")
            seen.add(path.as_posix().casefold())
            target = partial / path
            target.parent.mkdir(parents=True, exist_ok=True)
            assert member.read is not None
            with target.open("xb") as file:
                for block in _blocks(archive, member.read, n_left):
                    _write(file, block, destination)
                    n_left -= len(block)
    return destination


def read_members(archive: str | Path, names: dict[str, int]) -> dict[str, bytes]:
    """Read some files of an archive into memory.

    Parameters
    ----------
    archive : path
        A zip or tar archive.
    names : dict of str to int
        Last part of each wanted file's path, with the most bytes that it may have.

    Raises
    ------
    DataError
        If the archive is missing or damaged, or lacks one of the files.
    """
    archive = Path(archive)
    found: dict[str, bytes] = {}
    with _members(archive) as members:
        for member in members:
            name = PurePosixPath(member.name).name
            if member.is_file and name in names and name not in found:
                assert member.read is not None
                found[name] = b"".join(_blocks(archive, member.read, names[name]))
                if len(found) == len(names):
                    break
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(f"{archive}: holds no file {missing[0]!r}; is this the right archive?")
    return found


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[_Member]]:
    if not archive.is_file():
        raise DataError(f"{archive}: no such file; expected an archive ({', '.join(ENDINGS)})")
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                yield _zip_members(file)
        else:
            with tarfile.open(archive, "r:*") as tar:
                yield _tar_members(tar)
    except _DAMAGE as error:
        reason = reason_of(error, 120)
        raise DataError(f"{archive}: damaged or not an archive ({reason}); fetch it again") from None


def _zip_members(file: zipfile.ZipFile) -> Iterator[_Member]:
    for info in file.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        plain = kind in (0, stat.S_IFREG)
        if info.is_dir() or not plain:
            yield _Member(info.filename, info.is_dir(), False, None)
        else:
            with file.open(info) as content:
                yield _Member(info.filename, False, True, content.read)


def _tar_members(tar: tarfile.TarFile) -> Iterator[_Member]:
    for info in tar:
        # A sparse file is refused with the links: its holes would be counted as data.
        if info.isreg() and not info.issparse():
            content = tar.extractfile(info)
            assert content is not None
            yield _Member(info.name, False, True, content.read)
        else:
            yield _Member(info.name, info.isdir(), False, None)


def _checked(archive: Path, member: _Member) -> PurePosixPath:
    name = member.name
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name
    if outside or not (path.parts or member.is_folder):
        raise DataError(f"{archive}: holds the unsafe path {name[:80]!r}; do not use this archive")
    if not (member.is_folder or member.is_file):
        raise DataError(
            f"{archive}: holds a link or device ({name[:80]!r}), only plain files are accepted; do not use this archive"
        )
    return path


def _write(file: BufferedWriter, block: bytes, destination: Path) -> None:
    try:
        file.write(block)
    except OSError as error:  # not to be taken for a damaged archive
        raise DataError(f"{destination}: cannot be written ({error.strerror}); make room or choose another folder") from None


def _blocks(archive: Path, read: Callable[[int], bytes], n_left: int) -> Iterator[bytes]:
    while block := read(_BLOCK):
        n_left -= len(block)
        if n_left < 0:
            raise DataError(f"{archive}: unfolds into more bytes than this data set has; is this the right archive?")
        yield block
