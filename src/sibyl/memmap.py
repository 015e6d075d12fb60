"""Arrays in anonymous memory-mapped files: the features of very many items, and what a solver keeps of each of them.

The operating system reads parts of a mapped file into memory as they are touched, and `release`
gives them back. So who iterates such an array in slices and releases each holds one slice in
memory, however many there are. The file is unlinked as soon as it is open: it is gone with the
array, and after a kill.
"""

from __future__ import annotations

import ctypes
import json
import math
import mmap
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar
from weakref import WeakSet, ref

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sibyl.storage import cache_folder
from sibyl.tensors import checksums

Array = npt.NDArray[Any]

SMALLEST = 1 << 22  # bytes from which an array goes to disk
SLICE = 1 << 17  # numbers of a slice, where nothing else bounds it
_GATHERED = 8  # rows that are gathered before they are released: each brings its neighbours along, up to a MiB
_FIRST_FILE, _LARGEST_FILE = 1 << 24, 1 << 30  # bytes of the files of a `Room`
_ALIGNED = mmap.PAGESIZE  # where its arrays begin
_ROOM = 4  # times the array must be free on the disk, which others write to as well
_NUMPY_OF = {
    dtype: torch.empty(0, dtype=dtype).numpy().dtype for dtype in (torch.float16, torch.float32, torch.float64, torch.bool)
}


class _Mapping(mmap.mmap):
    """A mapped file that is found by the addresses of its bytes."""

    live: ClassVar[WeakSet[_Mapping]] = WeakSet()
    start: int
    room: Room | None = None

    def array(self, dtype: npt.DTypeLike, shape: tuple[int, ...], offset: int = 0) -> Array:
        """Return an array over the file, and make the file known."""
        values = np.frombuffer(self, dtype, math.prod(shape), offset).reshape(shape)
        self.start = values.ctypes.data - offset
        self.live.add(self)
        return values


def _mapping_of(x: Array | Tensor) -> _Mapping | None:
    address = x.data_ptr() if isinstance(x, Tensor) else x.ctypes.data
    return next((one for one in list(_Mapping.live) if one.start <= address < one.start + len(one)), None)


def _numpy_mapping(x: Array | Tensor) -> mmap.mmap | None:
    """Return numpy's own mapping of a file that is read, or written in place."""
    while isinstance(x, np.ndarray):
        if isinstance(x, np.memmap):
            return None if x.mode == "c" or not isinstance(x.base, mmap.mmap) else x.base
        x = x.base  # type: ignore[assignment]
    return None


def is_mapped(x: Array | Tensor) -> bool:
    """Whether an array lies in a file mapped here."""
    return x.nbytes > 0 and _mapping_of(x) is not None


def release(*arrays: Array | Tensor) -> None:
    """Give the memory back that arrays in files take, those of `numpy.load` included; others are left alone."""
    for x in arrays:
        mapping = _mapping_of(x) or _numpy_mapping(x) if x.nbytes else None
        if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapping.madvise(mmap.MADV_DONTNEED)


def trim() -> None:
    """Give the memory back to the system that was freed and that the C library keeps for itself; where that is glibc."""
    if sys.platform == "linux":
        give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if give_back is not None:
            give_back(0)


def has_room(n_bytes: int) -> bool:
    """Whether a file of that size may lie in the cache folder."""
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        return hasattr(os, "posix_fallocate") and shutil.disk_usage(cache_folder()).free >= _ROOM * n_bytes
    except OSError:
        return False


def allocate(shape: tuple[int, ...], dtype: npt.DTypeLike = np.float32) -> Array:
    """Return an array of zeros: in a file in the cache folder, or in memory if it is small, or the file has no room."""
    dtype = np.dtype(dtype)
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes < SMALLEST or not has_room(n_bytes):
        return np.zeros(shape, dtype)
    try:
        with tempfile.TemporaryFile(dir=cache_folder()) as file:
            # Without its room reserved, a disk that fills up later would end the process.
            os.posix_fallocate(file.fileno(), 0, n_bytes)
            return _Mapping(file.fileno(), n_bytes).array(dtype, shape)
    except OSError:
        return np.zeros(shape, dtype)


class Room:
    """Many arrays in few files: a file for each small one would use up those that a process may hold open.

    Each file is twice as large as the one before. The memory and the disk are given back once no
    array of a file is left.
    """

    def __init__(self) -> None:
        self._next, self._used = _FIRST_FILE, 0
        self._file: Callable[[], _Mapping | None] = lambda: None
        self._lock = Lock()

    def allocate(self, shape: tuple[int, ...], dtype: npt.DTypeLike = np.float32) -> Array:
        """Return an array of zeros as `allocate` does, however small."""
        dtype = np.dtype(dtype)
        n_bytes = math.prod(shape) * dtype.itemsize
        with self._lock:
            file = self._file()
            if file is None or self._used + n_bytes > len(file):
                size = max(self._next, n_bytes)
                file = _mapping_of(allocate((max(size, SMALLEST),), np.uint8))
                if file is None:
                    return np.zeros(shape, dtype)
                file.room = self
                self._file, self._used, self._next = ref(file), 0, min(2 * size, _LARGEST_FILE)
            values = np.frombuffer(file, dtype, math.prod(shape), self._used).reshape(shape)
            self._used += -(-n_bytes // _ALIGNED) * _ALIGNED
        return values


def for_many(n_bytes: int) -> Callable[[tuple[int, ...]], Array]:
    """Return what allocates arrays of so many bytes together: in a `Room`, or in memory if all of them are small."""
    return Room().allocate if n_bytes >= SMALLEST else lambda shape: np.zeros(shape, np.float32)


def allocate_beside(x: Tensor, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> Tensor:
    """Return an unfilled tensor that lies in a file if `x` does, in the same room, and otherwise where `x` does."""
    dtype = dtype or x.dtype
    mapping = _mapping_of(x) if x.nbytes and dtype in _NUMPY_OF else None
    if mapping is None:
        return x.new_empty(shape, dtype=dtype)
    make = allocate if mapping.room is None else mapping.room.allocate
    return torch.from_numpy(make(shape, _NUMPY_OF[dtype]))


def allocate_tensor(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return a tensor as `allocate` does; in memory where numpy has no such type."""
    return torch.from_numpy(allocate(shape, _NUMPY_OF[dtype])) if dtype in _NUMPY_OF else torch.empty(shape, dtype=dtype)


def save_arrays(path: Path, arrays: Mapping[str, Array], metadata: Mapping[str, object]) -> None:
    """Write what `sibyl.tensors.load_tensors` reads, slice by slice; meant for a path that is made whole elsewhere."""
    text = json.dumps(metadata)
    header: dict[str, Any] = {}
    end = 0
    in_order = sorted(arrays.items(), key=lambda one: -one[1].itemsize)  # each then begins at a multiple of its own
    for name, array in in_order:
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": _code(array.dtype), "shape": list(array.shape), "data_offsets": [begin, end]}
    # Read twice: the checksums stand before the rows. A checksum is as long whatever it is, but the file need not be one that seeks.
    sums = checksums(text, {name: (header[name]["dtype"], header[name]["shape"], _bytes_of(array)) for name, array in in_order})
    head = json.dumps({"__metadata__": {"sibyl": text, "crc32": sums}, **header}).encode()
    head += b" " * (-len(head) % 8)
    with path.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for _, array in in_order:
            for part in _bytes_of(array):
                file.write(part)


def _bytes_of(array: Array) -> Iterator[memoryview]:
    rows = np.atleast_1d(array)
    for part in slices(rows) if rows.size else ():  # a view of no numbers has no bytes to cast
        yield np.ascontiguousarray(rows[part]).data.cast("B")


def _code(dtype: np.dtype[Any]) -> str:
    return "BOOL" if dtype.kind == "b" else f"{dtype.kind.upper()}{8 * dtype.itemsize}"


def map_array(path: Path, name: str) -> Array:
    """Map one float32 array of a safetensors file that is known to be sound.

    Raises
    ------
    OSError
        If the file is missing.
    KeyError, ValueError
        If it holds no such array.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(size))[name]
        if entry["dtype"] != "F32":
            raise ValueError(f"{path}: {name} is {entry['dtype']}, expected F32")
        shape = tuple(entry["shape"])
        if not math.prod(shape):
            return np.zeros(shape, np.float32)
        # Private and writable, because torch asks for that; nobody writes.
        return _Mapping(file.fileno(), 0, access=mmap.ACCESS_COPY).array(np.float32, shape, 8 + size + entry["data_offsets"][0])


def slices(x: Array | Tensor, rows: int | None = None) -> Iterator[slice]:
    """Yield slices of some rows each, by default as many as hold `SLICE` numbers, and release `x` after each."""
    step = rows or max(1, SLICE // max(1, math.prod(x.shape[1:])))
    for start in range(0, len(x), step):
        yield slice(start, min(start + step, len(x)))
        release(x)


def take_rows(x: Array, rows: Array) -> Array:
    """Return chosen rows of a matrix."""
    taken = np.empty((len(rows), *x.shape[1:]), x.dtype)
    for part in slices(rows, _GATHERED):
        taken[part] = x[rows[part]]
        release(x)
    return taken


def gather_rows(x: Float[Tensor, "task row dim"], place: Int[Tensor, "task chosen"]) -> Float[Tensor, "task chosen dim"]:
    """Return chosen rows of every task."""
    if not is_mapped(x):
        return x.gather(1, place[..., None].expand(-1, -1, x.shape[2]))
    chosen = x.new_empty(*place.shape, x.shape[2])
    for start in range(0, place.shape[1], _GATHERED):
        part = place[:, start : start + _GATHERED, None]
        chosen[:, start : start + _GATHERED] = x.gather(1, part.expand(-1, -1, x.shape[2]))
        release(x)
    return chosen
