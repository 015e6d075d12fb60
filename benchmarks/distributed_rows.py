"""Rows for `benchmarks.distributed`: made in shards on the spot, by seeds alone; a run that was killed finds what it had made."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

DIM, N_WAY, N_SHOT, SHARD = 64, 20, 5, 50_000


def classes_of(number: int, n_rows: int, seed: int = 0) -> tuple[npt.NDArray[np.int64], np.random.Generator]:
    """Draw the classes of the rows of a shard; return the generator, too, from which the rows come next."""
    of_all, draw = np.random.default_rng(seed), np.random.default_rng([seed, number])
    of_all.standard_normal((N_WAY, DIM))
    return draw.choice(N_WAY, n_rows, p=of_all.dirichlet(np.full(N_WAY, 2.0))), draw


def rows_of(number: int, n_rows: int, seed: int = 0) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Make the rows of a shard, and their classes."""
    truth, draw = classes_of(number, n_rows, seed)
    centre = np.random.default_rng(seed).standard_normal((N_WAY, DIM))
    return (centre[truth] + 1.6 * draw.standard_normal((n_rows, DIM))).astype(np.float32), truth


def sizes_of(n_rows: int) -> list[int]:
    """Return the rows of each shard."""
    return [min(SHARD, n_rows - first) for first in range(0, n_rows, SHARD)]


def examples_of(n_rows: int) -> dict[str, str]:
    """Return the examples: the first rows of each class."""
    truth, _ = classes_of(0, min(SHARD, n_rows))
    return {f"row {row:09}": f"class {one:02}" for one in range(N_WAY) for row in np.flatnonzero(truth == one)[:N_SHOT].tolist()}


def make(folder: Path, n_rows: int) -> None:
    """Write the shards that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, size in enumerate(sizes_of(n_rows)):
        path = folder / f"part-{number:05}.parquet"
        if not path.exists():
            matrix, _ = rows_of(number, size)
            cells = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), DIM)
            table = pa.table({"id": [f"row {number * SHARD + row:09}" for row in range(size)], "embedding": cells})
            pq.write_table(table, folder / "partial", row_group_size=10_000)
            (folder / "partial").rename(path)


def join(folder: Path) -> Path:
    """Write one file of all shards beside them, unless it is there."""
    whole, partial = folder.with_suffix(".parquet"), folder.with_suffix(".partial")
    if not whole.exists():
        shards = [pq.ParquetFile(path) for path in sorted(folder.glob("*.parquet"))]
        with pq.ParquetWriter(partial, shards[0].schema_arrow) as writer:
            for shard in shards:
                for batch in shard.iter_batches(10_000):
                    writer.write_batch(batch)
        partial.rename(whole)
    return whole


@contextmanager
def made(work: Path, n_rows: int, ways: Sequence[str]) -> Iterator[None]:
    """Make what some ways need, and take it away once all are measured; what a kill leaves there is taken up."""
    folder = work / f"rows-{n_rows}"
    if ways:
        make(folder, n_rows)
    if "file" in ways:
        join(folder)
    yield
    for one in (folder, *work.glob(f"labels-{n_rows}-*")):
        shutil.rmtree(one, ignore_errors=True)
    folder.with_suffix(".parquet").unlink(missing_ok=True)


def truth_of(n_rows: int) -> npt.NDArray[np.int64]:
    """Return the classes of all rows."""
    return np.concatenate([classes_of(number, size)[0] for number, size in enumerate(sizes_of(n_rows))])
