"""Files are whole or absent; what comes back is what went in; damage is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sibyl.errors import CheckpointError, DataError
from sibyl.storage import atomic_path, content_key, read_json, sha256, write_json, write_text
from sibyl.tensors import load_tensors, save_tensors


def test_a_failed_write_leaves_the_old_file_and_no_debris(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    write_text(path, "old\n")
    with pytest.raises(RuntimeError, match="disk"), atomic_path(path) as partial:
        partial.write_text("new")
        raise RuntimeError("disk full")
    assert path.read_text() == "old\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["labels.csv"]


def test_tensors_and_metadata_come_back(tmp_path: Path) -> None:
    shared = torch.arange(6.0).reshape(2, 3)
    save_tensors(tmp_path / "a.safetensors", {"x": shared, "x_transposed": shared.T}, {"n": 3, "name": "π"})
    tensors, metadata = load_tensors(tmp_path / "a.safetensors")
    assert torch.equal(tensors["x_transposed"], shared.T)
    assert metadata == {"n": 3, "name": "π"}


@pytest.mark.parametrize("keep", [0, 4, 40, -1])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.safetensors"
    save_tensors(path, {"x": torch.zeros(10)}, {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"a\.safetensors"):
        load_tensors(path)


def test_a_missing_checkpoint_and_a_foreign_one_are_named(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    with pytest.raises(CheckpointError, match="no such file"):
        load_tensors(tmp_path / "none.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(CheckpointError, match="not one written by sibyl"):
        load_tensors(tmp_path / "foreign.safetensors")


def test_json_that_is_not_an_object_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"ü": 1})
    assert read_json(tmp_path / "a.json") == {"ü": 1}
    write_text(tmp_path / "b.json", "[1]")
    write_text(tmp_path / "c.json", "{")
    for name, reason in (("b.json", "object"), ("c.json", "cannot be read"), ("d.json", "no such file")):
        with pytest.raises(DataError, match=reason):
            read_json(tmp_path / name)


def test_keys_depend_on_content_alone(tmp_path: Path) -> None:
    assert content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1}) != content_key({"a": 1, "b": 3})
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
