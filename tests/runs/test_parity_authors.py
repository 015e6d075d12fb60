"""The page of differences to the authors' solvers: it follows from its record, and hides nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from experiment import RESULTS
from parity_authors import page, weaker
from released import PEERS
from released_loading import Balanced, load

from sibyl.datasets.digits import digit_features
from sibyl.episodes import EpisodeSampler
from sibyl.errors import UserError
from sibyl.methods import METHODS
from sibyl.storage import Json, read_json


def test_the_page_follows_from_its_record() -> None:
    assert page(read_json(RESULTS / "parity.json")) == (RESULTS / "parity.md").read_text(encoding="utf-8")


def test_what_is_weaker_has_its_reason() -> None:
    for row in read_json(RESULTS / "parity.json")["rows"]:
        assert row["remark"] or not any(weaker(cell) for cell in row["cells"].values()), row["peer"]


def test_every_row_names_a_method_once() -> None:
    assert {peer.ours for peer in PEERS} <= set(METHODS)
    assert len({peer.name for peer in PEERS}) == len(PEERS)


def test_weaker_is_half_a_point_beyond_doubt() -> None:
    def cell(difference: float, half: float) -> Json:
        return {"difference": difference, "interval": half}

    assert weaker(cell(-0.8, 0.3))
    assert not weaker(cell(-0.8, 0.9))
    assert not weaker(cell(-0.4, 0.1))
    assert not weaker({"failed": "no"})


def test_tasks_lie_as_the_released_solvers_expect() -> None:
    episode = EpisodeSampler(digit_features(), n_way=5, n_shot=3, n_query=4).sample(0, 2)
    tasks = Balanced.of(episode, None)
    assert (tasks.way, tasks.shot) == (5, 3)
    for x, y in ((tasks.support, tasks.support_y), (tasks.interleaved, tasks.labels[:, :15])):
        for row in range(2):
            for item, label in zip(x[row], y[row], strict=True):
                of_class = episode.task.support_x[row][episode.task.support_y[row] == label]
                assert (of_class == item).all(1).any()
    assert torch.equal(tasks.labels[:, 15:], episode.query_y)


def test_a_repository_at_another_commit_is_named(tmp_path: Path) -> None:
    (tmp_path / "solver.py").write_text("answer = 6 * factor\n")
    assert load(tmp_path / "solver.py", {"6": "7"}, factor=6).answer == 42
    with pytest.raises(UserError, match="not the commit"):
        load(tmp_path / "solver.py", {".cuda()": ""})
