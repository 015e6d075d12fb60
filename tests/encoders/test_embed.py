"""embed: order, reasons, and a cache that survives changes, kills, damage and company."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sibyl.encoders import feature_cache as cache_module
from sibyl.encoders.embed import embed
from sibyl.encoders.encoder import Encoder
from sibyl.encoders.feature_cache import FeatureCache
from sibyl.errors import DataError
from sibyl.sources.item import Item, Unreadable
from sibyl.storage import cache_folder


class Lengths(Encoder[bytes, bytes]):
    """Feature of a text: its length and its first byte. Counts what it encodes."""

    def __init__(self, spoiled: bytes = b"\0") -> None:
        self.encoded: list[bytes] = []
        self.batches: list[int] = []
        self.spoiled = spoiled

    name, key, dim = "lengths", "lengths-1", 2

    @property
    def description(self) -> dict[str, str]:
        return {"name": self.name}

    def prepare(self, item: bytes) -> bytes:
        return item.upper()

    def encode(self, batch: Sequence[bytes]) -> npt.NDArray[np.float32]:
        self.encoded += batch
        self.batches.append(len(batch))
        return np.array([[len(text), np.nan if text[:1] == self.spoiled else text[0]] for text in batch], np.float32)


def decode(content: bytes) -> bytes:
    if content.startswith(b"!"):
        raise Unreadable("starts with !")
    return content


def write_items(folder: Path, texts: Sequence[str]) -> list[Item]:
    items = []
    for number, text in enumerate(texts):
        path = folder / f"{number}.txt"
        path.write_text(text)
        items.append(Item(path.name, path))
    return items


def test_rows_keep_the_order_and_reasons_are_given(tmp_path: Path) -> None:
    texts = [("!" if i % 7 == 3 else "a") + "x" * i for i in range(50)]
    items = write_items(tmp_path, texts)
    items[10].path.unlink()
    encoder = Lengths()
    done = embed(items, decode, encoder, batch_size=8, n_threads=3)
    kept = [i for i in range(50) if i % 7 != 3 and i != 10]
    assert list(done.names) == [f"{i}.txt" for i in kept]
    assert np.array_equal(done.matrix, [[i + 1, ord("A")] for i in kept])
    assert len(done.names) + len(done.skipped) == 50
    reasons = {one.name: one.reason for one in done.skipped}
    assert reasons["3.txt"] == "starts with !"
    assert reasons["10.txt"].startswith("cannot be opened")
    assert max(encoder.batches) <= 8


def test_nothing_readable_gives_an_empty_matrix(tmp_path: Path) -> None:
    done = embed(write_items(tmp_path, ["!"]), decode, Lengths())
    assert done.matrix.shape == (0, 2)
    assert embed([], decode, Lengths()).names == ()


def test_only_changed_content_is_encoded_again(tmp_path: Path) -> None:
    items = write_items(tmp_path, ["one", "three", "twelve"])
    first = embed(items, decode, Lengths(), FeatureCache(tmp_path / "cache", "k", 2))
    assert first.n_cached == 0
    items[1].path.write_text("changed!")
    moved = Item("moved.txt", items[2].path.rename(tmp_path / "moved.txt"))
    encoder = Lengths()
    again = embed([*items[:2], moved], decode, encoder, FeatureCache(tmp_path / "cache", "k", 2))
    assert encoder.encoded == [b"CHANGED!"]
    assert again.n_cached == 2
    assert np.array_equal(again.matrix[:, 0], [3, 8, 6])
    other = Lengths()
    embed(items[:1], decode, other, FeatureCache(tmp_path / "cache", "another encoder", 2))
    embed(items[:1], decode, other, FeatureCache(tmp_path / "cache", "k", 2), decoder="another reader")
    assert len(other.encoded) == 2


def test_nan_names_the_item_and_is_not_kept(tmp_path: Path) -> None:
    items = write_items(tmp_path, ["good", "bad"])
    cache = FeatureCache(tmp_path / "cache", "k", 2)
    with pytest.raises(DataError, match=r"1\.txt"):
        embed(items, decode, Lengths(spoiled=b"B"), cache, batch_size=1)
    assert len(FeatureCache(tmp_path / "cache", "k", 2)) == 1


def test_damaged_and_foreign_shards_are_passed_over(tmp_path: Path) -> None:
    items = write_items(tmp_path, ["one", "three"])
    embed(items, decode, Lengths(), FeatureCache(tmp_path / "cache", "k", 2))
    (shard,) = (tmp_path / "cache" / "features" / "k").glob("*.safetensors")
    assert len(FeatureCache(tmp_path / "cache", "k", 5)) == 0
    shard.write_bytes(shard.read_bytes()[:-3])
    encoder = Lengths()
    embed(items, decode, encoder, FeatureCache(tmp_path / "cache", "k", 2))
    assert len(encoder.encoded) == 2


def test_many_small_shards_become_one(tmp_path: Path) -> None:
    for number in range(66):
        cache = FeatureCache(tmp_path, "k", 1)
        cache.add(hashlib.sha256(bytes([number])).digest(), np.array([number], np.float32))
        cache.flush()
    cache = FeatureCache(tmp_path, "k", 1)
    assert len(cache) == 66
    assert len(list((tmp_path / "features" / "k").iterdir())) < 5
    row = cache.get(hashlib.sha256(bytes([7])).digest())
    assert row is not None
    assert row[0] == 7


def test_full_shards_are_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cache_module, "_FULL", 8)
    keys = [hashlib.sha256(bytes([number])).digest() for number in range(80)]
    for number in range(70):
        cache = FeatureCache(tmp_path, "k", 1)
        cache.add(keys[number], np.array([number], np.float32))
        cache.flush()
        assert cache.get(keys[number]) is not None
    merged = {path for path in (tmp_path / "features" / "k").iterdir() if path.stat().st_size > 400}
    assert merged
    cache = FeatureCache(tmp_path, "k", 1)
    assert [float(row[0]) for key in keys if (row := cache.get(key)) is not None] == list(range(70))
    assert merged <= set((tmp_path / "features" / "k").iterdir())


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = embed(write_items(tmp_path, ["one"]), decode, Lengths(), FeatureCache(tmp_path / "file", "k", 2))
    assert len(done.names) == 1
    assert "not kept" in done.problem


KILLED = """
    import os, signal, sys
    from pathlib import Path
    import sibyl.encoders.embed as module
    from sibyl.encoders.feature_cache import FeatureCache
    from sibyl.sources.item import Item
    from tests.encoders.test_embed import Lengths, decode

    class Dying(Lengths):
        def encode(self, batch):
            if len(self.batches) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().encode(batch)

    module._FLUSH_SECONDS = 0.0
    folder = Path(sys.argv[1])
    items = [Item(f"{i}.txt", folder / f"{i}.txt") for i in range(20)]
    module.embed(items, decode, Dying(), FeatureCache(folder / "cache", "k", 2), batch_size=4, n_threads=1)
"""


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    items = write_items(tmp_path, ["x" * (i + 1) for i in range(20)])
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)]
    run = subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    assert run.returncode == -9
    encoder = Lengths()
    done = embed(items, decode, encoder, FeatureCache(tmp_path / "cache", "k", 2))
    assert done.n_cached == 12
    assert len(encoder.encoded) == 8
    assert np.array_equal(done.matrix[:, 0], np.arange(1, 21))


def test_two_caches_at_once_do_no_harm(tmp_path: Path) -> None:
    items = write_items(tmp_path, ["one", "three", "twelve"])
    first, second = FeatureCache(tmp_path / "cache", "k", 2), FeatureCache(tmp_path / "cache", "k", 2)
    embed(items, decode, Lengths(), first)
    embed(items[::-1], decode, Lengths(), second)
    third = embed(items, decode, Lengths(), FeatureCache(tmp_path / "cache", "k", 2))
    assert third.n_cached == 3
    assert np.array_equal(third.matrix[:, 0], [3, 5, 6])


def test_the_cache_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIBYL_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("SIBYL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_folder() == tmp_path / "xdg" / "sibyl"
