"""Folders of parquet shards: what is read, in what order, and what is said of bad ones."""

from __future__ import annotations

import re
import socket
import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sibyl.errors import DataError
from sibyl.sources.open import open_source
from sibyl.sources.shards import holds_shards, open_shards
from tests.sources.shards import KEYS, MOTO, make_bucket, put, refusing_store, s3_server, write_shards

ROWS = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
NAMES = [f"row {number}" for number in range(30)]


def read_all(path: Path | str) -> tuple[list[str], npt.NDArray[np.float32]]:
    shards = open_shards(path)
    batches = [batch for number in range(len(shards.shards)) for batch in shards.batches(number, 4)]
    assert all(len(batch.matrix) <= 4 for batch in batches)
    return [name for batch in batches for name in batch.names], np.concatenate([batch.matrix for batch in batches])


@pytest.mark.parametrize("kind", ["fixed", "list", "wide"])
def test_rows_and_names_come_in_the_order_of_shards(tmp_path: Path, kind: str) -> None:
    folder = write_shards(tmp_path / "in", ROWS, [10, 3, 17], NAMES, kind)
    assert holds_shards(folder)
    names, matrix = read_all(folder)
    assert names == NAMES
    np.testing.assert_array_equal(matrix, ROWS)


def test_rows_without_a_column_of_names_are_called_after_shard_and_place(tmp_path: Path) -> None:
    names, _ = read_all(write_shards(tmp_path / "in", ROWS, [28, 2]))
    assert names[27:] == ["part-000.parquet#27", "part-001.parquet#0", "part-001.parquet#1"]


def test_names_are_read_alone(tmp_path: Path) -> None:
    for names, folder in ((NAMES, "named"), (None, "nameless")):
        shards = open_shards(write_shards(tmp_path / folder, ROWS, [28, 2], names))
        assert [name for number in range(2) for part in shards.names(number, 4) for name in part] == read_all(tmp_path / folder)[0]


def test_nested_and_file_uris_are_read_and_hidden_files_are_not(tmp_path: Path) -> None:
    write_shards(tmp_path / "in" / "day=1", ROWS[:20], [20], NAMES[:20])
    write_shards(tmp_path / "in" / "day=2", ROWS[20:], [10], NAMES[20:])
    write_shards(tmp_path / "in" / "_temporary", ROWS, [30], NAMES)
    assert read_all(f"file://{tmp_path}/in")[0] == NAMES


def test_rows_that_cannot_be_used_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    cells = [list(map(float, row)) for row in ROWS]
    table = pa.table({"id": NAMES, "x": [None, *cells[1:3], [np.nan] * 5, *cells[4:]]})
    pq.write_table(table, tmp_path / "a.parquet")
    (batch,) = open_shards(tmp_path).batches(0, 100)
    assert batch.bad == {0: "holds no vector", 3: "holds NaN or infinity"}
    np.testing.assert_array_equal(batch.matrix[4:], ROWS[4:])


def test_an_empty_shard_is_named_and_left_out(tmp_path: Path) -> None:
    shards = open_shards(write_shards(tmp_path, ROWS, [15, 0, 15], NAMES))
    assert [shard.name for shard in shards.shards] == ["part-000.parquet", "part-002.parquet"]
    assert "part-001.parquet" in shards.notes[0]


def another_width(folder: Path) -> None:
    write_shards(folder / "z", ROWS[:, :3], [30], NAMES)


def damaged(folder: Path) -> None:
    content = (folder / "part-001.parquet").read_bytes()
    (folder / "part-001.parquet").write_bytes(content[: len(content) // 2])


def of_no_bytes(folder: Path) -> None:
    (folder / "part-001.parquet").write_bytes(b"")


def without_the_column(folder: Path) -> None:
    pq.write_table(pa.table({"id": NAMES}), folder / "part-001.parquet")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (another_width, "3 numbers"),
        (damaged, "damaged"),
        (of_no_bytes, "damaged"),
        (without_the_column, "lacks the column 'embedding'"),
    ],
)
def test_a_bad_shard_is_named_in_one_sentence(tmp_path: Path, spoil: object, said: str) -> None:
    folder = write_shards(tmp_path / "in", ROWS, [15, 15], NAMES)
    assert callable(spoil)
    spoil(folder)
    with pytest.raises(DataError, match=re.escape(said)) as raised:
        open_shards(folder)
    assert ".parquet" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_shard_that_vanishes_or_changes_while_it_is_read_is_named(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "in", ROWS, [15, 15], NAMES)
    shards = open_shards(folder)
    (folder / "part-001.parquet").unlink()
    with pytest.raises(DataError, match=r"part-001\.parquet: has vanished"):
        list(shards.batches(1))
    write_shards(folder, ROWS[:10], [10], NAMES[:10])
    with pytest.raises(DataError, match=r"part-000\.parquet: has 10 rows now, had 15"):
        list(shards.batches(0))


def test_a_row_of_another_width_inside_a_shard_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [[1.0, 2.0], [1.0, 2.0, 3.0]]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: row 1 holds 3 numbers, expected 2"):
        list(open_shards(tmp_path).batches(0))


def test_folders_of_other_things_are_no_shards(tmp_path: Path) -> None:
    assert not holds_shards(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    assert not holds_shards(tmp_path)
    with pytest.raises(DataError, match="no parquet files"):
        open_shards(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        open_shards(tmp_path / "missing")
    with pytest.raises(DataError, match="unknown kind of store 'ftp'"):
        open_shards("ftp://somewhere/else")


def test_what_opens_piles_whole_says_who_labels_shards(tmp_path: Path) -> None:
    for place in (write_shards(tmp_path, ROWS, [15, 15], NAMES), "s3://bucket/x"):
        with pytest.raises(DataError, match=r"sibyl\.label_shards"):
            open_source(place)


def test_memory_does_not_grow_with_the_rows_of_a_shard(tmp_path: Path) -> None:
    peaks = []
    for n_rows in (20_000, 80_000):
        rows = np.random.default_rng(1).normal(size=(n_rows, 16)).astype(np.float32)
        shards = open_shards(write_shards(tmp_path / str(n_rows), rows, [n_rows]))
        before = pa.total_allocated_bytes()
        tracemalloc.start()
        arrow = [pa.total_allocated_bytes() - before for _ in shards.batches(0, 1000)]
        peaks.append(tracemalloc.get_traced_memory()[1] + max(arrow))
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 500_000


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [(403, "AccessDenied", "access denied; set credentials"), (404, "NoSuchBucket", "no such folder or bucket")],
)
def test_stores_that_refuse_are_named(monkeypatch: pytest.MonkeyPatch, status: int, code: str, said: str) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with refusing_store(status, code) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(DataError, match=rf"^s3://bucket/x: {said}"):
            open_shards("s3://bucket/x")


def test_a_store_that_nobody_answers_for_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with socket.socket() as bound:  # and not listening: nobody else can
        bound.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{bound.getsockname()[1]}")
        with pytest.raises(DataError, match=r"^s3://bucket/x: the store cannot be reached"):
            open_shards("s3://bucket/x")


@pytest.mark.s3
@pytest.mark.skipif(MOTO is None, reason="moto's server is not installed")
def test_shards_in_an_object_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_shards(tmp_path / "in", ROWS, [20, 10], NAMES)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with s3_server(tmp_path) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        make_bucket(address, "bucket")
        for file in folder.iterdir():
            put(address, f"bucket/features/{file.name}", file.read_bytes())
        names, matrix = read_all("s3://bucket/features/")
        assert names == NAMES
        np.testing.assert_array_equal(matrix, ROWS)
        put(address, "bucket/features/part-009.parquet", b"no parquet")
        with pytest.raises(DataError, match=r"s3://bucket/features/part-009\.parquet: damaged"):
            open_shards("s3://bucket/features/")
        with pytest.raises(DataError, match=r"s3://nowhere/x: no such folder or bucket"):
            open_shards("s3://nowhere/x")
    with pytest.raises(DataError, match=r"s3://bucket/features: the store cannot be reached"):
        open_shards("s3://bucket/features/")
