"""FeatureCache: rows of features kept by what they were computed from, so that an item is encoded
once.

A cache is a folder of shards, each a small file that appears whole and is never changed afterwards:
``keys`` (SHA-256 of the item's content) and ``features`` (rows). A killed run has lost at most the
shard that it was filling; two runs at once write different files, at worst the same rows twice; a
damaged shard is passed over. So nothing needs a lock. Rows stay on disk, memory-mapped, until they
are asked for; in memory are 40 bytes a row that say where each lies.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sibyl.errors import CheckpointError
from sibyl.mapped import allocate, map_array, release, save_arrays
from sibyl.storage import atomic_path, load_tensors

Rows = npt.NDArray[np.float32]
Keys = npt.NDArray[Any]  # of `_KEY`
_MERGE_ABOVE = 64  # small shards
_FULL = 1 << 22  # numbers from which a shard is no longer small
_KEY = np.dtype("S32")


@dataclass(frozen=True, eq=False)
class _Index:
    """Where the row of each key lies: keys in order, and the shard and row of each."""

    shards: tuple[Rows, ...]
    keys: Keys
    shard: npt.NDArray[np.int32]
    row: npt.NDArray[np.int32]

    def joined(self, *shards: tuple[Keys, Rows]) -> _Index:
        """Return an index of further shards, too."""
        all_keys = np.concatenate([self.keys, *(keys for keys, _ in shards)])
        numbers = [np.full(len(keys), len(self.shards) + number, np.int32) for number, (keys, _) in enumerate(shards)]
        places = [np.arange(len(keys), dtype=np.int32) for keys, _ in shards]
        order = np.argsort(all_keys, kind="stable")
        shard, row = np.concatenate([self.shard, *numbers]), np.concatenate([self.row, *places])
        return _Index((*self.shards, *(rows for _, rows in shards)), all_keys[order], shard[order], row[order])

    def get(self, key: bytes) -> Rows | None:
        place = int(np.searchsorted(self.keys, np.array(key, _KEY)))
        if place == len(self.keys) or self.keys[place : place + 1].tobytes() != key:
            return None
        row: Rows = self.shards[self.shard[place]][self.row[place]]
        return row


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
        Empty, or why rows could not be stored (a full disk, no permission); the run goes on without
        storing.
    """

    def __init__(self, folder: str | Path, encoder_key: str, dim: int) -> None:
        self.folder = Path(folder) / "features" / encoder_key
        self.dim = dim
        self.problem = ""
        self._new: dict[bytes, Rows] = {}
        paths = sorted(self.folder.glob("*.safetensors")) if self.folder.is_dir() else []
        shards = {path: shard for path in paths if (shard := self._read(path)) is not None}
        nowhere = np.zeros(0, np.int32)
        self._index = _Index((), np.zeros(0, _KEY), nowhere, nowhere).joined(*shards.values())
        small = {path: shard for path, shard in shards.items() if shard[1].size < _FULL}
        if len(small) > _MERGE_ABOVE:
            self._merge(small)

    def __len__(self) -> int:
        return len(self._index.keys) + len(self._new)

    def _read(self, path: Path) -> tuple[Keys, Rows] | None:
        try:
            tensors, _ = load_tensors(path)
            keys, rows = tensors["keys"].numpy(), map_array(path, "features")
        except (CheckpointError, KeyError, ValueError, OSError):
            return None
        if keys.ndim != 2 or keys.shape[1] != _KEY.itemsize or rows.shape != (len(keys), self.dim) or rows.dtype != np.float32:
            return None
        return keys.view(_KEY)[:, 0], rows

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
        written = self._write(np.frombuffer(b"".join(self._new), _KEY), np.stack(list(self._new.values())))
        shard = None if written is None else self._read(written)
        if shard is not None:
            self._index = self._index.joined(shard)
        self._new = {}

    def _write(self, keys: Keys, rows: Rows) -> Path | None:
        path = self.folder / f"{uuid.uuid4().hex}.safetensors"
        arrays: dict[str, npt.NDArray[Any]] = {"keys": keys.view(np.uint8).reshape(len(keys), -1), "features": rows}
        try:
            with atomic_path(path) as partial:
                save_arrays(partial, arrays, {"dim": self.dim})
        except OSError as error:
            self.problem = f"features are not kept for the next run: {self.folder}: {error.strerror or error}"
            return None
        return path

    def _merge(self, small: dict[Path, tuple[Keys, Rows]]) -> None:
        # A merged file exists before its parts go; a run that reads meanwhile misses parts at worst, and encodes those again.
        sizes = np.array([rows.size for _, rows in small.values()])
        numbers = (np.cumsum(sizes) - sizes) // _FULL
        for number in np.unique(numbers):
            group = [path for path, one in zip(small, numbers, strict=True) if one == number]
            keys = np.concatenate([small[path][0] for path in group])
            rows, filled = allocate((len(keys), self.dim)), 0
            for _, part in (small[path] for path in group):
                rows[filled : filled + len(part)] = part
                filled += len(part)
                release(part, rows)
            if self._write(keys, rows) is None:
                return
            for path in group:
                path.unlink(missing_ok=True)
