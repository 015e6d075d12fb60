"""Shards are labelled from an object store into one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest

from sibyl.errors import DataError
from sibyl.sharding.label import label_shards
from sibyl.sharding.write import SUMMARY, write_json
from sibyl.sources.stores import place_of
from tests.sharding.pile import SIZES, rows_of
from tests.sources.shards import KEYS, MOTO, make_bucket, put, refusing_store, s3_server, write_shards


def test_a_store_without_room_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with refusing_store(507, "XMinioStorageFull") as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(DataError, match=r"^s3://bucket/out/summary\.json: no room left there"):
            write_json(place_of("s3://bucket/out"), SUMMARY, {})


@pytest.mark.s3
@pytest.mark.skipif(MOTO is None, reason="moto's server is not installed")
def test_from_an_object_store_into_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, names, examples = rows_of()
    folder = write_shards(tmp_path / "pile", matrix, SIZES, names)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    label_shards(folder, examples, tmp_path / "local")
    with s3_server(tmp_path) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        make_bucket(address, "bucket")
        for file in folder.iterdir():
            put(address, f"bucket/pile/{file.name}", file.read_bytes())
        label_shards("s3://bucket/pile", examples, "s3://bucket/labels")
        found = ds.dataset("bucket/labels", filesystem=_store(), format="parquet", exclude_invalid_files=True).to_table()
        assert found.equals(ds.dataset(sorted(map(str, (tmp_path / "local").glob("*.parquet")))).to_table())
        with pytest.raises(DataError, match="not empty"):
            label_shards("s3://bucket/pile", examples, "s3://bucket/labels")

        def fails(*_: Any) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr("sibyl.sharding.label.write_json", fails)
        with pytest.raises(KeyboardInterrupt):
            label_shards("s3://bucket/pile", examples, "s3://bucket/again")
        assert [one.path for one in _store().get_file_info(_below("bucket/again")) if one.is_file] == []


def _store() -> Any:
    return place_of("s3://bucket").filesystem


def _below(path: str) -> Any:
    from pyarrow import fs

    return fs.FileSelector(path, recursive=True, allow_not_found=True)
