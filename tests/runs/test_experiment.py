"""What all scripts share: one interval, the commit, records; and that each script can at least be asked what it takes."""

from __future__ import annotations

import importlib
import json
import runpy
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from sibyl.evaluation import interval

RUNS = Path(__file__).resolve().parents[2] / "runs"
experiment = importlib.import_module("experiment")
SCRIPTS = [
    path for path in sorted(RUNS.glob("*.py")) if "ArgumentParser" in path.read_text(encoding="utf-8") and path.stem != "experiment"
]


def test_the_one_interval_is_student_s() -> None:
    values = np.array([0.5, 0.7, 0.6, 0.9])
    low, high = ttest_1samp(values, 0).confidence_interval(0.95)
    assert interval(values) == pytest.approx((values.mean(), (high - low) / 2))
    assert experiment.percent([0.5, 0.7, 0.6, 0.9]) == pytest.approx((67.5, 50 * (high - low)))
    assert np.isnan(interval(np.array([0.5]))[1])


def test_no_script_has_an_interval_or_a_commit_of_its_own() -> None:
    for path in RUNS.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "1.96 *" not in text, path
        assert path.stem == "experiment" or "rev-parse" not in text, path


def test_a_record_says_commit_versions_and_arguments_without_the_machine_s_paths(tmp_path: Path) -> None:
    arguments = experiment.arguments_of(Namespace(out=tmp_path / "results", seeds=5))
    experiment.write_record(tmp_path / "r.json", ["numpy"], arguments=arguments, rows=[1])
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["arguments"] == {"out": "results", "seeds": 5}
    assert record["versions"]["numpy"] == np.__version__
    assert record["commit"] == experiment.commit()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_each_script_says_what_it_takes(script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    monkeypatch.syspath_prepend(str(RUNS))
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(script), run_name="__main__")
    assert end.value.code == 0
    assert "usage" in capsys.readouterr().out


def test_the_best_of_cifar_fs_claims_no_gain_that_only_sib_was_given_the_transform_for() -> None:
    script = importlib.import_module("cifar_fs_best")
    record = json.loads((RUNS.parent / "results" / "cifar_fs_best.json").read_text(encoding="utf-8"))
    text = (RUNS.parent / "results" / "cifar_fs_best.md").read_text(encoding="utf-8")
    assert script.page(record) == text
    table = record["tables"]["plain"]
    table["class_mean, power transform"] = {shot: {**entry, "accuracy": 0.7} for shot, entry in table["class_mean"].items()}
    gain = 100 * (table["SIB, K=5, power transform"]["1"]["accuracy"] / 0.7 - 1)
    assert f"| {gain:+.1f} |" in script.page(record)
    assert "| +17.0 |" not in script.page(record)


def test_figures_of_simple_shot_that_no_record_holds_are_typed_once_and_are_those_of_the_log() -> None:
    figures = experiment.SIMPLE_SHOT
    log = (RUNS.parent / "docs" / "log.md").read_text(encoding="utf-8")
    assert f"{figures['without']} → {figures['with']} (CIFAR-FS, one shot)" in log
    assert f"where the class mean has {figures['class mean']}" in log
    for path in RUNS.glob("*.py"):
        typed = [f"{figure}" in path.read_text(encoding="utf-8") for figure in figures.values()]
        assert all(typed) == (path.stem == "experiment"), path
    assert f"{figures['with']} where it has {figures['without']} without" in experiment.without_training_mean({})[1]
    assert experiment.without_training_mean({"notes": [experiment.TRAINING_MEAN]}) == []
