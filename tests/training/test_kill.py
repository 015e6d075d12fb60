"""kill -9 of pretrain, embed and meta-train through the command line: the next run goes on and ends bit for bit the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.killing import Forked, commands, differing, kill_at, prepare, random_delays, run_here, write_stripes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Images, and the uninterrupted results of all three verbs, each of which the next one needs."""
    root = tmp_path_factory.mktemp("kill")
    images, work = root / "images", root / "work"
    write_stripes(images)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIBYL_CACHE", str(root / "cache"))
        prepare(images, work, run_here)
        yield images, work


@pytest.mark.parametrize(
    ("verb", "whole", "longest"), [("pretrain", "net", 0.5), ("embed", "train", 0.3), ("meta-train", "sib", 0.5)]
)
def test_killed_runs_end_in_the_same_files(
    prepared: tuple[Path, Path], verb: str, whole: str, longest: float, tmp_path: Path
) -> None:
    images, work = prepared
    command = commands(images, work)[verb]
    killed = tmp_path / "killed"
    moments = [kill_at(command(killed), tmp_path, delay, Forked) for delay in (0.02, *random_delays(1, 2, longest))]
    assert "at work" in moments
    if verb == "embed" and killed.exists():  # it is whole or absent; whole where the last kill came after it was put in its place
        assert differing(verb, work / whole, killed) == []
    run_here(command(killed))
    assert differing(verb, work / whole, killed) == []
