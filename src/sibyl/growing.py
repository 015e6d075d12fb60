"""A matrix on disk that is filled row by row and goes on where a killed process stopped."""

from __future__ import annotations

import io
import math
import os
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from sibyl.errors import DataError
from sibyl.storage import read_json, write_json

_BLOCK = 1 << 20


class GrowingMatrix:
    """A matrix that is filled from the first row to the last and survives being killed in between.

    Rows go to ``<path>.partial``; once they are on disk, their number and checksum go to
    ``<path>.progress``. When all rows are there, the file becomes ``<path>`` (npy). Opened again
    with the same `key`, filling goes on after the last row that is as it was written; with another
    key, or where the file is damaged, it starts afresh.

    Rows are written, and not mapped: a full disk is an error then, where a mapped file would end
    the process.

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

    Raises
    ------
    OSError
        If the file cannot be written, here as in `append` and `finish`.
    """

    def __init__(self, path: str | Path, shape: tuple[int, ...], dtype: npt.DTypeLike, key: str) -> None:
        self.path = Path(path)
        self.shape = shape
        self.n_done = 0
        self._dtype = np.dtype(dtype)
        self._key = key
        self._crc = 0
        self._partial = self.path.with_name(self.path.name + ".partial")
        self._progress = self.path.with_name(self.path.name + ".progress")
        self._header = _npy_header(self._dtype, shape)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._restore()
        if not self.n_done:
            self._partial.write_bytes(self._header)
        with self._partial.open("r+b") as file:
            file.truncate(len(self._header) + self.n_done * self._row_bytes)

    @property
    def _row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self._dtype.itemsize

    def _restore(self) -> None:
        """Take up the rows of an earlier process, if they are as it wrote them."""
        try:
            progress = read_json(self._progress)
            n_done, crc = progress.get("n_done"), progress.get("crc")
            if [progress.get("key"), progress.get("shape"), progress.get("dtype")] != [
                self._key,
                list(self.shape),
                self._dtype.str,
            ]:
                return
            if not isinstance(n_done, int) or not 0 <= n_done <= self.shape[0]:
                return
            with self._partial.open("rb") as file:
                if file.read(len(self._header)) == self._header and _crc_of(file, n_done * self._row_bytes) == crc:
                    self.n_done, self._crc = n_done, int(crc or 0)
        except (DataError, OSError):
            return

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Write the next rows and record them as done."""
        content = np.ascontiguousarray(rows, self._dtype).data
        with self._partial.open("r+b") as file:
            file.seek(len(self._header) + self.n_done * self._row_bytes)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self.n_done += len(rows)
        self._crc = zlib.crc32(content, self._crc)
        progress = {"key": self._key, "shape": list(self.shape), "dtype": self._dtype.str, "n_done": self.n_done, "crc": self._crc}
        write_json(self._progress, progress)

    def finish(self) -> None:
        """Turn the filled matrix into the finished file.

        Raises
        ------
        ValueError
            If rows are missing.
        """
        if self.n_done != self.shape[0]:
            raise ValueError(f"{self.path}: {self.n_done} of {self.shape[0]} rows are written")
        os.replace(self._partial, self.path)
        self._progress.unlink(missing_ok=True)


def reserve_array(path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> None:
    """Write an npy file of unspecified values that has its room on the disk, so that it can be mapped and filled in any order.

    Raises
    ------
    OSError
        If the disk has no room: later, a full disk would end the process that fills it.
    """
    header = _npy_header(np.dtype(dtype), shape)
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    with path.open("wb") as file:
        file.write(header)
        file.flush()
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, len(header) + n_bytes)
        else:
            for start in range(0, n_bytes, _BLOCK):
                file.write(bytes(min(_BLOCK, n_bytes - start)))


def _npy_header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": dtype.str, "fortran_order": False, "shape": shape})
    return header.getvalue()


def _crc_of(file: BinaryIO, n_bytes: int) -> int | None:
    """Return the checksum of the next bytes of a file; None if there are fewer."""
    crc = 0
    while n_bytes:
        block = file.read(min(n_bytes, _BLOCK))
        if not block:
            return None
        crc, n_bytes = zlib.crc32(block, crc), n_bytes - len(block)
    return crc
