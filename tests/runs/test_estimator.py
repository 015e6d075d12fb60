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
    arguments = ["estimator.py", "x=y", "--draws", "3", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", arguments)
    script.main()
    text = (tmp_path / "out" / "estimator.md").read_text()
    result = json.loads((tmp_path / "out" / "estimator.json").read_text())["results"][0]
    mean = 100 * np.mean(result["sib_classifier"])
    assert re.search(rf"\| sentences \(3 classes\) \| 90 \| \**{mean:.1f} ± ", text)
    rivals = {name.split(":")[0] for name in result["rivals"]}
    assert rivals == {"LabelSpreading", "SelfTrainingClassifier", "LogisticRegression"}
    assert len([name for name in result["rivals"] if name.startswith("LabelSpreading")]) == 2 * (2 + 4 * 3 + 3 * 3 - 1)
    assert all(len(values) == 3 for values in result["rivals"].values())
    assert len(result["label_spreading"]) == 3

    def refit(*_: Any) -> None:
        raise AssertionError("a method was fitted again")

    monkeypatch.setattr(script, "our_accuracy", refit)
    monkeypatch.setattr(script, "check_same", lambda *_: None)
    monkeypatch.setattr(script, "rival_accuracy", refit)
    script.main()
    assert json.loads((tmp_path / "out" / "estimator.json").read_text())["results"][0]["rivals"] == result["rivals"]


def test_other_rows_are_not_added_to_a_record(script: Any) -> None:
    X, _, truth = clusters()
    data = script.Data("a", X.astype(np.float32), truth, False)
    build = script.rivals()["LogisticRegression"]["rows of unit length"]
    found = {"rivals": {"LogisticRegression: rows of unit length": [script.rival_accuracy(data, "LogisticRegression", build, 0)]}}
    script.check_same(data, found)
    found["rivals"]["LogisticRegression: rows of unit length"][0] -= 0.1
    with pytest.raises(SystemExit):
        script.check_same(data, found)


def test_the_kernel_s_width_is_relative_to_the_rows(script: Any) -> None:
    from estimator_rivals import RelativeKernel

    rows = np.random.default_rng(0).standard_normal((20, 3))
    assert np.allclose(RelativeKernel(4)(rows, rows), RelativeKernel(4)(100 * rows, 100 * rows))
    assert not np.allclose(RelativeKernel(4)(rows, rows), RelativeKernel(16)(rows, rows))


def test_the_published_table_is_that_of_its_json() -> None:
    text = (ROOT / "results" / "estimator.md").read_text(encoding="utf-8")
    for result in json.loads((ROOT / "results" / "estimator.json").read_text(encoding="utf-8"))["results"]:
        told = re.search(re.escape(result["data"]) + r" \| [\d,]+ \| \**([\d.]+) ± [\d.]+\** \| ([\d.]+) ±", text)
        assert told is not None
        for group, key in ((1, "sib_classifier"), (2, "inductive")):
            assert float(told[group]) == pytest.approx(100 * np.mean(result[key]), abs=0.06)


def test_the_page_is_made_from_the_record_whatever_draws_it_has(script: Any) -> None:
    record = json.loads((ROOT / "results" / "estimator.json").read_text(encoding="utf-8"))
    assert script.page(record) == (ROOT / "results" / "estimator.md").read_text(encoding="utf-8")
    record["arguments"]["draws"] = 3  # a later run of one set alone asked for fewer
    wine = next(one for one in record["results"] if one["data"].startswith("wine"))
    for values in (wine, wine["rivals"]):
        values |= {name: kept[:3] for name, kept in values.items() if isinstance(kept, list)}
    record["rule"] = {"many_rows": 2000, "first_draws": 5, "kept": 2}
    record["results"].append({"data": "begun", "is_table": False, "rows": 9, "rivals": {}})
    text = script.page(record)
    assert "over 3 to 20 draws" in text
    assert "more than 2,000 rows, every setting meets the first 5 draws,\nand the best 2 all draws." in text
    assert "Not measured to the end: begun." in text


def test_a_method_that_is_added_meets_the_draws_of_the_others(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    X, _, truth = clusters()
    data = script.Data("clumps", X.astype(np.float32), truth, False)
    build = script.rivals()["LogisticRegression"]
    monkeypatch.setattr(script, "load", lambda _: [data])
    monkeypatch.setattr(script, "rivals", lambda: {"LogisticRegression": build})
    monkeypatch.setattr(script, "page", lambda _: "")
    for draws in ("2", "4"):
        monkeypatch.setattr(sys, "argv", ["estimator.py", "--draws", draws, "--out", str(tmp_path)])
        script.main()
        record = json.loads((tmp_path / "estimator.json").read_text())
        record["results"][0].pop("label_spreading")
        (tmp_path / "estimator.json").write_text(json.dumps(record))
    script.main()
    found = json.loads((tmp_path / "estimator.json").read_text())["results"][0]
    assert {name: len(found[name]) for name in ("sib_classifier", "label_spreading")} == {"sib_classifier": 2, "label_spreading": 2}
