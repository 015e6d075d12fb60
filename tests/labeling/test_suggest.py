"""What to label next, and when to stop."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sibyl.cli.app import main
from sibyl.errors import DataError
from sibyl.labeling.label import label
from sibyl.labeling.next_labels import next_labels
from sibyl.labeling.novelty import STANDS_OUT, excess
from sibyl.labeling.suggest import suggest, suggestion_words
from sibyl.methods import build_method
from sibyl.tasks import Solution, Task

EXAMPLES = {"0": "zero", "1": "one", "2": "two"}


def task_of(x: torch.Tensor) -> Task:
    return Task(torch.eye(2)[None] * 3, torch.tensor([[0, 1]]), x[None], 2)


def test_doubtful_items_first_and_copies_last() -> None:
    x = torch.tensor([[3.0, 0.1], [1.5, 1.5], [1.5, 1.5], [-1.2, -1.6], [0.1, 3.0]])
    logits = torch.tensor([[[5.0, 0.0], [0.1, 0.0], [0.1, 0.0], [0.0, 0.4], [0.0, 5.0]]])
    chosen = [one.row for one in suggest(task_of(x), Solution(logits), 3)]
    assert set(chosen[:2]) in ({1, 3}, {2, 3})  # not the same thing twice
    every = suggest(task_of(x), Solution(logits), 99)
    assert len(every) == 5
    words = {one.row: suggestion_words(one, ("a", "b")) for one in every}
    assert {row for row, why in words.items() if why in ("a or b?", "b or a?")} == {1, 2, 3}


def test_a_class_without_an_example_is_asked_for() -> None:
    draw = torch.Generator().manual_seed(0)
    centres = 4 * torch.eye(4)
    truth = torch.arange(120) % 4
    x = centres[truth] + torch.randn(120, 4, generator=draw)
    task = Task(centres[:3][None], torch.tensor([[0, 1, 2]]), x[None], 3)
    solution = build_method("anchored_means").solve(task)
    assert truth[suggest(task, solution, 1)[0].row] == 3


def test_what_is_unlike_every_class_is_suggested_though_the_method_is_sure() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(40, 2, generator=draw)
    logits = torch.tensor([[12.0, 0.0]]).expand(40, 2)[None]
    score = 0.2 + 0.01 * torch.randn(40, generator=draw)
    score[7] = 0.9
    first = suggest(task_of(x), Solution(logits, outlier_score=score[None]), 1)[0]
    assert first.row == 7
    assert not first.may_be_new  # one alone is no class
    assert suggestion_words(first, ("a", "b")) == "little like any example so far"  # not "a or b?": of that the method is sure


def test_what_may_be_new_is_said_of_a_group_with_high_scores() -> None:
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    score = torch.full((40,), 0.2)
    score[:12] = 0.95
    solution = Solution(torch.tensor([[12.0, 0.0]]).expand(40, 2)[None], outlier_score=score[None])
    assert {one.row for one in suggest(task_of(x), solution, 40) if one.may_be_new} == set(range(12))


def test_nothing_left() -> None:
    assert suggest(task_of(torch.zeros(0, 2)), Solution(torch.zeros(1, 0, 2)), 5) == []
    assert len(excess(np.zeros(0), np.zeros(0, int))) == 0


def write(tmp_path: Path, n: int = 120, spread: float = 1.0) -> Path:
    rows = np.eye(3)[np.arange(n) % 3] * 4 + spread * np.random.default_rng(0).normal(size=(n, 3))
    np.save(tmp_path / "rows.npy", rows.astype(np.float32))
    label(tmp_path / "rows.npy", EXAMPLES, out=tmp_path / "out")
    return tmp_path / "out"


def test_corrections_count_before_and_after_the_next_run(tmp_path: Path) -> None:
    out = write(tmp_path)
    first = next_labels(out, 5)
    assert first.corrections == 0
    assert first.churn is None
    assert not first.stop
    item = first.items[0].item
    (out / "corrections.csv").write_text(f"item,label\n{item},zero\n")
    now = next_labels(out, 5)
    assert now.corrections == 1
    assert now.churn is not None
    assert item not in {one.item for one in now.items}
    label(tmp_path / "rows.npy", EXAMPLES, out=out)
    again = next_labels(out, 5)
    assert (again.corrections, again.churn, again.items) == (now.corrections, now.churn, now.items)


def test_it_says_stop_when_corrections_move_nothing(tmp_path: Path) -> None:
    out = write(tmp_path, spread=0.1)
    lines = [f"{row},{('zero', 'one', 'two')[row % 3]}" for row in range(3, 15)]
    (out / "corrections.csv").write_text("item,label\n" + "\n".join(lines) + "\n")
    found = next_labels(out)
    assert found.churn == 0
    assert found.stop == found.advice.startswith("You can stop: ")


def test_a_correction_may_bring_a_class(tmp_path: Path) -> None:
    out = write(tmp_path)
    (out / "corrections.csv").write_text("item,label\n5,new\n")
    assert next_labels(out).churn is not None


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out = write(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sibyl", "suggest", str(out), "--number", "4", "--json"])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    assert len(json.loads(capsys.readouterr().out)["items"]) == 4
    with pytest.raises(DataError, match="holds no run"):
        next_labels(tmp_path)


def test_a_flag_alone_never_forbids_stopping() -> None:
    from sibyl.labeling.next_labels import _advice

    assert _advice(12, 0.0, 3, True).startswith("You can stop: ")
    assert "3 of these items look unlike every class" in _advice(12, 0.0, 3, True)
    assert _advice(12, 0.2, 0, True).startswith("Keep labelling: ")


def test_the_command_names_the_first_items_of_a_pile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = np.repeat(np.eye(3, dtype=np.float32), [5, 3, 2], axis=0) + np.random.default_rng(0).normal(0, 0.01, (10, 3)).astype(
        np.float32
    )
    np.savez(tmp_path / "pile.npz", features=rows, ids=np.array([f"item {row}" for row in range(10)]))
    monkeypatch.setattr("sys.argv", ["sibyl", "suggest", str(tmp_path / "pile.npz"), "--number", "3"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    written = capsys.readouterr()
    told = written.out.splitlines()
    assert f"sibyl label {tmp_path / 'pile.npz'} --examples TABLE" in written.err
    assert sorted(0 if int(name[5:]) < 5 else 1 if int(name[5:]) < 8 else 2 for name in told) == [0, 1, 2]


def test_a_path_that_is_not_there_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["sibyl", "suggest", "nowhere/"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "nowhere: no such file or folder" in capsys.readouterr().err


def test_scores_that_hardly_differ_flag_nothing() -> None:
    score = np.abs(np.random.default_rng(0).normal(0.01, 0.005, 400))
    score[:40] = 0.06  # twelve deviations, and next to nothing
    assert (excess(score, np.arange(400) % 5) < STANDS_OUT).all()
    score[0] = 0.7
    assert np.flatnonzero(excess(score, np.arange(400) % 5) > STANDS_OUT).tolist() == [0]
