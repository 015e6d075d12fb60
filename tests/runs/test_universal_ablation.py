"""The ablation on a handful of iterations: each row lacks its part, what is measured is kept, and the page says what the record says."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sibyl.methods.universal import UniversalSIB
from sibyl.storage import read_json
from sibyl.tasks import Task
from sibyl.training.task_mixture import clusters

RUNS = Path(__file__).resolve().parents[2] / "runs"


@pytest.fixture(scope="module")
def script() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(RUNS))
        yield importlib.import_module("universal_ablation")


@pytest.fixture
def task() -> Task:
    draw = np.random.default_rng(0)
    y = np.arange(3).repeat(2)[None]
    x = draw.normal(size=(1, 6, 12)).astype(np.float32)
    return Task(torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(draw.normal(size=(1, 9, 12)).astype(np.float32)), 3)


def shaken(network: UniversalSIB) -> UniversalSIB:
    """Move every parameter that training may move."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for one in network.parameters():
            if one.requires_grad:
                one.add_(0.1 * torch.randn(one.shape, generator=generator))
    return network.eval()


@pytest.mark.parametrize(
    "part", ["control network", "class network", "power network", "messages", "graph", "prior", "support gradient"]
)
def test_a_part_that_is_left_out_changes_the_answer(script: Any, task: Task, part: str) -> None:
    full, lesioned = shaken(script.without(script.FULL)), shaken(script.without(part))
    lesioned.load_state_dict(full.state_dict() | {
        name: value for name, value in lesioned.state_dict().items() if not dict(lesioned.named_parameters())[name].requires_grad
    })  # fmt: skip
    assert not torch.equal(full.solve(task).logits, lesioned.solve(task).logits)


def test_it_goes_on_and_its_page_says_what_the_record_says(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = np.random.default_rng(3)
    for name in ("train", "validation"):
        clusters(draw, n_classes=8, n_items=30).save(tmp_path / "features" / "clumps" / name)
    small = "--iterations 2 --episodes 2 --blocks 1 --ways 3 --queries 12 --part transport"
    arguments = ["--features", str(tmp_path / "features"), "--out", str(tmp_path / "out"), "--results", str(tmp_path)]
    arguments += ["--part", "outlier refinement", "--note", "A note.", *small.split()]
    monkeypatch.setattr(sys, "argv", ["universal_ablation.py", *arguments])
    monkeypatch.setattr(script, "MIXES", script.MIXES[:2])
    monkeypatch.setattr(script, "SHOTS", (1,))
    script.main()
    record, page = read_json(tmp_path / "universal_ablation.json"), (tmp_path / "universal_ablation.md").read_text()
    full, second, transport = record["rows"]
    assert second["balanced"]["mean"] == full["balanced"]["mean"]
    assert second["balanced"]["difference"] == 0
    assert transport["balanced, prior given"]["mean"] == transport["balanced"]["mean"]
    assert f"| – (full network) | {full['balanced, prior given']['mean']:.2f} |" in page
    assert "A note." in page
    assert "2 iterations of 8 tasks of at most 3 classes" in page.replace("\n", " ")

    monkeypatch.setattr(script, "train", lambda *_: pytest.fail("trained again"))
    script.main()
    assert (tmp_path / "universal_ablation.md").read_text() == page
    capsys.readouterr()
