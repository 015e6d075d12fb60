"""FeatureCache: rows of features kept by what they were computed from, so that an item is encoded once.

A cache is a folder of shards, each a small file that appears whole and is never changed afterwards: ``keys`` (SHA-256 of the item's
content), ``features`` (rows), and ``sums``, a CRC-32 of each key with its row, which is checked whenever a row is asked for: a damaged
row is none, and is computed again. A killed run has lost at most the shard that it was filling; two runs at once write different files,
at worst the same rows twice; a damaged shard is passed over. So nothing needs a lock. Rows stay on disk, memory-mapped, until they are
asked for; in memory are 40 bytes a row that say where each lies.
"""

from __future__ import annotations

import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sibyl.errors import CheckpointError
from sibyl.memmap import allocate, map_array, release, save_arrays
from sibyl.storage import atomic_path, clear_debris
from sibyl.tensors import load_tensors

Rows = npt.NDArray[np.float32]
Keys = npt.NDArray[Any]  # of `_KEY`
_MERGE_ABOVE = 64  # small shards
_FULL = 1 << 22  # numbers from which a shard is no longer small
_KEY = np.dtype("S32")


@dataclass(frozen=True, eq=False)
class _Shard:
    keys: Keys
    rows: Rows
    sums: npt.NDArray[np.uint32]

    def sound(self) -> npt.NDArray[np.int64]:
        """Return the rows that are as they were written."""
        whole = [_sum(self.keys[row : row + 1].tobytes(), self.rows[row]) == self.sums[row] for row in range(len(self.keys))]
        return np.flatnonzero(whole)


def _sum(key: bytes, row: Rows) -> int:
    return zlib.crc32(np.ascontiguousarray(row).data, zlib.crc32(key))


@dataclass(frozen=True, eq=False)
class _Index:
    """Where the row of each key lies: keys in order, and the shard and row of each."""

    shards: tuple[Rows, ...]
    keys: Keys
    shard: npt.NDArray[np.int32]
    row: npt.NDArray[np.int32]
    sums: npt.NDArray[np.uint32]

    def joined(self, *shards: _Shard) -> _Index:
        """Return an index of further shards, too."""
        all_keys = np.concatenate([self.keys, *(one.keys for one in shards)])
        numbers = [np.full(len(one.keys), len(self.shards) + number, np.int32) for number, one in enumerate(shards)]
        places = [np.arange(len(one.keys), dtype=np.int32) for one in shards]
        order = np.argsort(all_keys, kind="stable")
        shard, row = np.concatenate([self.shard, *numbers]), np.concatenate([self.row, *places])
        sums = np.concatenate([self.sums, *(one.sums for one in shards)])
        return _Index((*self.shards, *(one.rows for one in shards)), all_keys[order], shard[order], row[order], sums[order])

    def get(self, key: bytes) -> Rows | None:
        """Return the first row of this key that is as it was written."""
        place = int(np.searchsorted(self.keys, np.array(key, _KEY)))
        while place < len(self.keys) and self.keys[place : place + 1].tobytes() == key:
            row: Rows = self.shards[self.shard[place]][self.row[place]]
            if _sum(key, row) == self.sums[place] and np.isfinite(row).all():
                return row
            place += 1
        return None


class FeatureCache:
    """Features of one encoder.

    Parameters
    ----------
    folder : path
        Holds the caches of all encoders.
    encoder_key : str
        `Encoder.key`; another encoder or preprocessing has its own cache.
    dim : int
        Columns of the features.

    Attributes
    ----------
    problem : str
        Empty, or why rows could not be stored (a full disk, no permission); the run goes on without storing.
    """

    def __init__(self, folder: str | Path, encoder_key: str, dim: int) -> None:
        self.folder = Path(folder) / "features" / encoder_key
        self.dim = dim
        self.problem = ""
        self._new: dict[bytes, Rows] = {}
        paths: list[Path] = []
        if self.folder.is_dir():
            clear_debris(self.folder)
            paths = sorted(self.folder.glob("*.safetensors"))
        shards = {path: shard for path in paths if (shard := self._read(path)) is not None}
        nowhere = np.zeros(0, np.int32)
        self._index = _Index((), np.zeros(0, _KEY), nowhere, nowhere, np.zeros(0, np.uint32)).joined(*shards.values())
        small = {path: shard for path, shard in shards.items() if shard.rows.size < _FULL}
        if len(small) > _MERGE_ABOVE:
            self._merge(small)

    def __len__(self) -> int:
        return len(self._index.keys) + len(self._new)

    def _read(self, path: Path) -> _Shard | None:
        try:
            tensors, header = load_tensors(path, leave=("features",), check=False)  # each row has its own checksum
            keys, rows, sums = tensors["keys"].numpy(), map_array(path, "features"), tensors["sums"].numpy().view(np.uint32)
        except (CheckpointError, KeyError, ValueError, TypeError, OSError):
            return None
        shapes = (
            keys.ndim == 2 and keys.shape[1] == _KEY.itemsize and rows.shape == (len(keys), self.dim) and sums.shape == (len(keys),)
        )
        if not shapes or keys.dtype != np.uint8 or rows.dtype != np.float32 or header.get("encoder") != self.folder.name:
            return None
        return _Shard(keys.view(_KEY)[:, 0], rows, sums)

    @property
    def mapped(self) -> tuple[Rows, ...]:
        """The rows on disk; those that were read take memory until they are released."""
        return self._index.shards

    @property
    def is_full(self) -> bool:
        """Whether it is time to flush, lest the rows added since take much memory."""
        return len(self._new) * self.dim >= _FULL // 4

    def get(self, key: bytes) -> Rows | None:
        """Return the row of an item [dim], or None. The key is 32 bytes long."""
        row = self._new.get(key)
        return self._index.get(key) if row is None else row

    def add(self, key: bytes, row: Rows) -> None:
        """Keep a row; it is on disk after the next `flush`."""
        if not self.problem:
            self._new[key] = row

    def flush(self) -> None:
        """Write the rows added since the last flush as one shard."""
        if not self._new:
            return
        keys, rows = list(self._new), list(self._new.values())
        sums = np.array([_sum(key, row) for key, row in self._new.items()], np.uint32)
        written = self._write(_Shard(np.frombuffer(b"".join(keys), _KEY), np.stack(rows), sums))
        shard = None if written is None else self._read(written)
        if shard is not None:
            self._index = self._index.joined(shard)
        self._new = {}

    def _write(self, shard: _Shard) -> Path | None:
        path = self.folder / f"{uuid.uuid4().hex}.safetensors"
        arrays: dict[str, npt.NDArray[Any]] = {
            "keys": shard.keys.view(np.uint8).reshape(len(shard.keys), -1),
            "features": shard.rows,
            "sums": shard.sums.view(np.int32),
        }
        try:
            with atomic_path(path) as partial:
                save_arrays(partial, arrays, {"dim": self.dim, "encoder": self.folder.name})
        except OSError as error:
            self.problem = f"features are not kept for the next run: {self.folder}: {error.strerror or error}"
            return None
        return path

    def _merge(self, small: dict[Path, _Shard]) -> None:
        # A merged file exists before its parts go; a run that reads meanwhile misses parts at worst, and encodes those again.
        sizes = np.array([one.rows.size for one in small.values()])
        numbers = (np.cumsum(sizes) - sizes) // _FULL
        for number in np.unique(numbers):
            group = [path for path, one in zip(small, numbers, strict=True) if one == number]
            sound = {path: small[path].sound() for path in group}  # what is damaged ends here
            keys, sums = (np.concatenate([getattr(small[path], name)[sound[path]] for path in group]) for name in ("keys", "sums"))
            rows, filled = allocate((len(keys), self.dim)), 0
            for path in group:
                part = small[path].rows[sound[path]]
                rows[filled : filled + len(part)] = part
                filled += len(part)
                release(small[path].rows, rows)
            if self._write(_Shard(keys, rows, sums)) is None:
                return
            for path in group:
                path.unlink(missing_ok=True)
