"""Files that are whole or absent: atomic writes, tensors with metadata, checksums, and a matrix that is filled row by row.

Nothing here knows what the bytes mean. Formats are safetensors, npy (never with pickled objects) and JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from sibyl.errors import CheckpointError, DataError

Json = dict[str, Any]


def _temporary_beside(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    os.close(handle)
    return Path(name)


def _flush_to_disk(path: Path) -> None:
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

    A reader sees the old file or the new one, never a part; after an error, or a kill, `path` is as it was.
    """
    path = Path(path)
    partial = _temporary_beside(path)
    try:
        yield partial
        _flush_to_disk(partial)
        # mkstemp makes files private to the user; a finished file gets the permissions any new file would have.
        mask = os.umask(0)
        os.umask(mask)
        partial.chmod(0o666 & ~mask)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all, with newlines as given."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def write_json(path: str | Path, value: object) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Json:
    """Read a JSON object.

    Raises
    ------
    DataError
        If the file is missing, is not JSON, or holds something other than an object.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; expected a JSON file there") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path}: expected JSON, but it cannot be read ({error}); restore or delete the file") from None
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, object]) -> None:
    """Write named tensors and a JSON-serialisable `metadata` to one safetensors file, whole or not at all."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with atomic_path(path) as partial:
        partial.write_bytes(safetensors_bytes(plain, metadata={"sibyl": json.dumps(metadata)}))


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], Json]:
    """Read what `save_tensors` wrote.

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
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            metadata = json.loads((file.metadata() or {}).get("sibyl", "null"))
    except (SafetensorError, json.JSONDecodeError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged or not a safetensors file ({error}); fetch or write it again") from None
    if not isinstance(metadata, dict):
        raise CheckpointError(f"{path}: a safetensors file, but not one written by sibyl (it lacks the 'sibyl' metadata)")
    return tensors, metadata


def sha256(path: str | Path) -> str:
    """Return the SHA-256 checksum of a file as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_key(value: object) -> str:
    """Return a short, stable key for any JSON-serialisable value (16 hexadecimal digits)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def cache_folder() -> Path:
    """Return the folder for things that can be computed again: ``$SIBYL_CACHE``, or ``sibyl`` in the platform's cache folder."""
    chosen = os.environ.get("SIBYL_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "sibyl" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "sibyl"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sibyl"


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path` that takes its place when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
    try:
        yield partial
        mask = os.umask(0)
        os.umask(mask)
        partial.chmod(0o777 & ~mask)
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
            os.replace(path, old / "was")
            os.replace(partial, path)
            shutil.rmtree(old)
        else:
            os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


class GrowingMatrix:
    """A matrix on disk that is filled from the first row to the last and survives being killed in between.

    Rows go to ``<path>.partial`` and, once flushed, their number to ``<path>.progress``; when all rows are there the file
    becomes ``<path>`` (npy). Opened again with the same `key`, filling goes on after the last flushed row; with another key
    it starts afresh.

    Parameters
    ----------
    path : path
        Where the finished ``.npy`` file will be.
    shape : tuple of int
        Shape of the whole array; the first axis counts rows.
    dtype : numpy dtype
        Element type.
    key : str
        Identifies what is being computed.
    """

    def __init__(self, path: str | Path, shape: tuple[int, ...], dtype: npt.DTypeLike, key: str) -> None:
        self.path = Path(path)
        self.shape = shape
        self._partial = self.path.with_name(self.path.name + ".partial")
        self._progress = self.path.with_name(self.path.name + ".progress")
        self._key = key
        self.n_done = 0
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self._partial.exists() and self._progress.exists():
            try:
                progress = read_json(self._progress)
            except DataError:
                progress = {}
            if progress.get("key") == key and progress.get("shape") == list(shape):
                self.n_done = int(progress["n_done"])
        mode: Any = "r+" if self.n_done else "w+"
        self._rows: npt.NDArray[Any] = np.lib.format.open_memmap(
            self._partial, mode=mode, dtype=np.dtype(dtype), shape=None if self.n_done else shape
        )

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Write the next rows and record them as done."""
        self._rows[self.n_done : self.n_done + len(rows)] = rows
        self._rows.flush()  # type: ignore[attr-defined]
        self.n_done += len(rows)
        write_json(self._progress, {"key": self._key, "shape": list(self.shape), "n_done": self.n_done})

    def finish(self) -> None:
        """Turn the filled matrix into the finished file.

        Raises
        ------
        ValueError
            If rows are missing.
        """
        if self.n_done != self.shape[0]:
            raise ValueError(f"{self.path}: {self.n_done} of {self.shape[0]} rows are written")
        self._rows.flush()  # type: ignore[attr-defined]
        os.replace(self._partial, self.path)
        self._progress.unlink(missing_ok=True)
