"""Files that are whole or absent: atomic writes, tensors with metadata, checksums.

Nothing here knows what the bytes mean. Formats are safetensors and JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import uuid
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open

from sibyl.errors import CheckpointError, DataError

if TYPE_CHECKING:  # whoever only writes files whole need not wait for torch
    from torch import Tensor

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Json = dict[str, Any]
_BLOCK = 1 << 20
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
        Name of now, name to be, and the kind of a folder (see `sibyl.folders.seal`), empty for a file.
    locks : ExitStack
        Holds them against `clear_debris` of other processes.
    """

    folder: Path
    moves: list[tuple[str, str, str]] = field(default_factory=list)
    locks: ExitStack = field(default_factory=ExitStack)


waiting: ContextVar[Waiting | None] = ContextVar("waiting", default=None)
_locked: ContextVar[frozenset[tuple[int, int]]] = ContextVar("_locked", default=frozenset())


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

    What a living process works on is locked by it, and stays; so does all that a killed one had finished, and that waits for its place.
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


@contextmanager
def held(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Lock a file or folder that exists against other processes that do the same; the lock ends with the block or the process.

    Yields whether the lock is held: not so where `wait` is False and another holds it, or where the system has no such locks.
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

    A reader sees the old file or the new one, never a part; after an error, or a kill, `path` is as it was. Within
    `sibyl.together.together` the file takes its place when that block ends.
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


def checksums(text: str, arrays: Mapping[str, tuple[str, Sequence[int], Iterable[Any]]]) -> str:
    """Return what the metadata entry ``crc32`` of a file of tensors says: a CRC-32 of the other entry, ``sibyl``, and of each tensor.

    Parameters
    ----------
    text : str
        The entry ``sibyl``.
    arrays : mapping
        Name → type as safetensors writes it (``F32``), shape, and the bytes, in parts.
    """
    sums = {"": zlib.crc32(text.encode())}
    for name, (kind, shape, parts) in arrays.items():
        crc = zlib.crc32(f"{name} {kind} {list(shape)}".encode("utf-8", "replace"))
        for part in parts:
            crc = zlib.crc32(part, crc)
        sums[name] = crc
    return json.dumps({name: f"{crc:08x}" for name, crc in sums.items()})


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, object]) -> None:
    """Write named tensors and a JSON-serialisable `metadata` to one safetensors file with checksums, whole or not at all."""
    from safetensors.torch import save as safetensors_bytes

    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    text = json.dumps(metadata)
    content = safetensors_bytes(plain)
    size = int.from_bytes(content[:8], "little")
    entries = json.loads(content[8 : 8 + size])
    rows = memoryview(content)[8 + size :]
    sums = checksums(
        text, {name: (one["dtype"], one["shape"], [rows[slice(*one["data_offsets"])]]) for name, one in entries.items()}
    )
    # The header is written here: safetensors puts its metadata in another order each time, and equal runs have equal files.
    head = json.dumps({"__metadata__": {"sibyl": text, "crc32": sums}, **entries}).encode()
    head += b" " * (-len(head) % 8)
    with atomic_path(path) as partial, partial.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        file.write(rows)


def load_tensors(path: str | Path, leave: Collection[str] = (), *, check: bool = True) -> tuple[dict[str, Tensor], Json]:
    """Read what `save_tensors` wrote; tensors in `leave` are checked, but not returned, and without `check` none is checked.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or was not written by Sibyl.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; expected a safetensors checkpoint written by sibyl")
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            metadata = parse_json(about.get("sibyl", "null"))
            if check:
                _check_sums(path, about)
            tensors = {name: file.get_tensor(name) for name in file.keys() if name not in leave}  # noqa: SIM118 - not a mapping
    except MemoryError:
        raise CheckpointError(f"{path}: does not fit into memory; is this the right file?") from None
    except Exception as error:  # the library raises errors of its own, of its parser and of torch
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: damaged or not a safetensors file ({reason}); fetch or write it again") from None
    if not isinstance(metadata, dict):
        raise CheckpointError(f"{path}: a safetensors file, but not one written by sibyl (it lacks the 'sibyl' metadata)")
    return tensors, metadata


def _check_sums(path: Path, about: Mapping[str, str]) -> None:
    """Raise ValueError where a tensor or the metadata are not what was written; files of before there were checksums pass."""
    if set(about) - {"sibyl", "crc32", "format"}:
        raise ValueError("its metadata hold other entries than sibyl writes")
    if "crc32" not in about:
        return
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        entries = parse_json(file.read(size))
        del entries["__metadata__"]

        def parts(begin: int, end: int) -> Iterator[bytes]:
            file.seek(8 + size + begin)
            while begin < end:
                block = file.read(min(_BLOCK, end - begin))
                begin += len(block) or end
                yield block

        found = checksums(
            about["sibyl"], {name: (one["dtype"], one["shape"], parts(*one["data_offsets"])) for name, one in entries.items()}
        )
    said, found = parse_json(about["crc32"]), parse_json(found)
    if said != found:
        names = sorted(set(said) ^ set(found) | {name for name in found if said.get(name) != found[name]})
        raise ValueError(f"{names[0] or 'its description'!r} is not what was written")


def sha256(path: str | Path) -> str:
    """Return the SHA-256 checksum of a file as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_key(value: object) -> str:
    """Return a short, stable key for any JSON-serialisable value (16 hexadecimal digits)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def cache_folder() -> Path:
    """Return the folder for things that can be computed again: ``$SIBYL_CACHE``, or ``sibyl`` in the platform's cache folder.

    Where the user has no home, as in a container that runs under a number, it lies in the folder for temporary files.
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
