"""A real local Ray of two actors, one of which is killed: what comes out is what this process alone makes, bit for bit."""

from __future__ import annotations

import gc
import os
import signal
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sibyl.encoders.embed_source import embed_source
from sibyl.encoders.named import encoder_by_name
from sibyl.errors import DataError, UserError
from sibyl.sharding.engine import engine_by_name
from sibyl.sharding.label import label_shards
from sibyl.sources.open import open_source
from sibyl.sources.shards import open_shards
from tests.sharding.pile import SIZES, rows_of
from tests.sources.shards import write_shards

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (pip install '.[ray]'): nothing of it is tested"),
    pytest.mark.filterwarnings("ignore"),  # those of Ray itself
]
NETWORK = "conv4-cifar-fs"


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Start one Ray for all tests here."""
    import ray

    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    ray.init(address="local", num_cpus=2, object_store_memory=80 << 20, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray lets go of processes that are still ending
        gc.collect()


def test_labels_are_those_of_threads_though_an_actor_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, names, examples = rows_of()
    folder = write_shards(tmp_path / "in", matrix, SIZES, names)
    label_shards(folder, examples, tmp_path / "threads")
    killed: list[int] = []

    class LosesOne:
        def __init__(self, engine: Any) -> None:
            self._engine, self._passes = engine, 0
            self.n_workers, self.share, self.close = engine.n_workers, engine.share, engine.close

        def map(self, call: Any, numbers: Any) -> Iterator[Any]:
            self._passes += type(call).__name__ != "Gather"
            for place, one in enumerate(self._engine.map(call, numbers)):
                if self._passes == 3 and not place:
                    killed.append(self._engine.processes()[1])
                    os.kill(killed[0], signal.SIGKILL)
                yield one

    monkeypatch.setattr("sibyl.sharding.label.engine_by_name", lambda *arguments: LosesOne(engine_by_name(*arguments)))
    label_shards(folder, examples, tmp_path / "ray", engine="ray", workers=2)
    assert len(killed) == 1
    for file in (tmp_path / "threads").glob("*.parquet"):
        assert pq.read_table(file).equals(pq.read_table(tmp_path / "ray" / file.name))


def test_small_arguments_travel_with_the_request_and_large_ones_are_kept() -> None:
    import ray

    from sibyl.sharding.ray_actors import RayActors

    class Joins:
        def __init__(self, few: bytes, many: bytes) -> None:
            self._both = few, many

        def call(self) -> tuple[int, int]:
            return len(self._both[0]), len(self._both[1])

    actors = RayActors(Joins, (bytes(100), bytes(1 << 20)), 1)
    try:
        assert [isinstance(one, ray.ObjectRef) for one in actors.arguments] == [False, True]
        assert list(actors.ask([(0, ())])) == [(100, 1 << 20)]
    finally:
        actors.close()


def test_a_full_object_store_is_said_here(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    from sibyl.sharding.ray_actors import RayActors

    class Full:
        def call(self) -> None:
            pass

    def full(*_: Any) -> Any:
        raise ray.exceptions.ObjectStoreFullError

    actors = RayActors(Full, (), 1)
    try:
        monkeypatch.setattr(actors.ray, "get", full)
        with pytest.raises(UserError, match="object store has no room left"):
            list(actors.ask([(0, ())]))
    finally:
        monkeypatch.undo()
        actors.close()


def test_what_a_shard_is_refused_for_is_said_here(tmp_path: Path) -> None:
    matrix, names, _ = rows_of()
    shards = open_shards(write_shards(tmp_path / "in", matrix, SIZES, names))
    engine = engine_by_name("ray", shards, 2)
    (tmp_path / "in" / "part-001.parquet").unlink()
    try:
        with pytest.raises(DataError, match=r"part-001\.parquet: has vanished"):
            list(engine.map(lambda held, number: len(held.raw(number).matrix), range(3)))
    finally:
        engine.close()


def test_rows_are_those_of_this_process_though_an_actor_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sibyl.sharding.embed import embed_on_ray
    from sibyl.sharding.ray_actors import RayActors

    draw = np.random.default_rng(0)
    for number in range(40):
        Image.fromarray(draw.integers(0, 256, (40, 36, 3), np.uint8)).save(tmp_path / f"{number:02}.png")
    (tmp_path / "99.png").write_bytes(b"no image")
    source, encoder = open_source(tmp_path), encoder_by_name(NETWORK)
    here = embed_source(source, encoder, tmp_path / "cache" / "here", batch_size=8)
    ask, killed = RayActors.ask, list[int]()

    def loses_one(self: RayActors, questions: Any) -> Iterator[Any]:
        for place, one in enumerate(ask(self, questions)):
            if not place and not killed:
                killed.append(self.processes()[1])
                os.kill(killed[0], signal.SIGKILL)
            yield one

    monkeypatch.setattr(RayActors, "ask", loses_one)
    cache = str(tmp_path / "cache" / "there")
    there, again = (embed_on_ray(source, encoder, NETWORK, 2, cache=cache, batch_size=8) for _ in range(2))
    assert len(killed) == 1
    assert there.names == again.names == here.names
    np.testing.assert_array_equal(there.matrix, here.matrix)
    np.testing.assert_array_equal(again.matrix, here.matrix)
    assert [one.name for one in there.skipped] == ["99.png"]
    assert again.n_cached == len(here.names)
