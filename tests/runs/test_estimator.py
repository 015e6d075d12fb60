"""The comparison beside scikit-learn: what a draw is, that it resumes, and that its table is what it measured."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sibyl import Features
from tests.estimators.few_labels import clusters

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "runs" / "estimator.py"


@pytest.fixture(scope="module")
def script() -> Any:
    specification = importlib.util.spec_from_file_location("estimator_run", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["estimator_run"] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


def test_a_draw_has_one_label_of_each_class(script: Any) -> None:
    truth = np.array([4, 4, 7, 7, 7, 9])
    draws = [script.draw_labels(truth, seed) for seed in range(20)]
    for y in draws:
        assert sorted(y[y >= 0]) == [4, 7, 9]
        assert (y[y >= 0] == truth[y >= 0]).all()
    assert len({tuple(y) for y in draws}) > 3


def test_the_table_is_written_and_the_second_run_resumes(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    X, _, truth = clusters()
    Features(X.astype(np.float32), truth, ("book", "cancel", "pay")).save(tmp_path / "features")
    only = script.load([f"sentences={tmp_path / 'features'}"])[-1]
    monkeypatch.setattr(script, "load", lambda _: [only])
    arguments = ["estimator.py", "x=y", "--draws", "3", "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    monkeypatch.setattr(sys, "argv", arguments)
    script.main()
    text = (tmp_path / "out" / "estimator.md").read_text()
    result = json.loads((tmp_path / "out" / "estimator.json").read_text())["results"][0]
    mean = 100 * np.mean(result["sib_classifier"])
    assert f"| sentences (3 classes) | 90 | **{mean:.1f} ± " in text
    assert set(result["best"]) == {"LabelSpreading", "SelfTrainingClassifier", "LogisticRegression"}
    assert len(result["rivals"]) == 8

    def refit(*_: Any) -> None:
        raise AssertionError("a rival was fitted again")

    monkeypatch.setattr(script, "make_pipeline", refit)
    script.main()
    assert json.loads((tmp_path / "out" / "estimator.json").read_text())["results"][0]["rivals"] == result["rivals"]


def test_the_published_table_is_that_of_its_json() -> None:
    text = (ROOT / "results" / "estimator.md").read_text(encoding="utf-8")
    for result in json.loads((ROOT / "results" / "estimator.json").read_text(encoding="utf-8"))["results"]:
        told = re.search(re.escape(result["data"]) + r" \| [\d,]+ \| \*\*([\d.]+) ± [\d.]+\*\* \| ([\d.]+) ±", text)
        assert told is not None
        for group, key in ((1, "sib_classifier"), (2, "inductive")):
            assert float(told[group]) == pytest.approx(100 * np.mean(result[key]), abs=0.06)
