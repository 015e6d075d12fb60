"""The page of universal SIB: its verdicts, tables and pictures say what the record says, and the record what the evaluations say."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import stdtrit

from sibyl.compare.arena import Row
from sibyl.compare.protocols import Cell
from sibyl.evaluation import Evaluation
from sibyl.storage import read_json, write_json

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "runs"
PUBLISHED = ROOT / "results" / "universal.json"
OURS = "universal_sib"
MIXES = ("balanced", "one-class")
# What each method is, its accuracy in every cell, and what ours gains over it; half an interval is always 0.01.
METHODS = {
    OURS: (True, False, 0.80, 0.0),
    "class_mean": (False, False, 0.70, 0.10),
    "simple_shot": (False, False, 0.68, 0.12),
    "anchored_means": (True, False, 0.75, 0.05),
    "oslo": (True, False, 0.74, 0.06),
    "pt_map": (True, True, 0.78, 0.02),
    "tim": (True, True, 0.77, 0.03),
}


@pytest.fixture(scope="module")
def scripts() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(RUNS))
        yield importlib.import_module


@pytest.fixture(scope="module")
def page(scripts: Any) -> Any:
    return scripts("universal_page")


@pytest.fixture(scope="module")
def verdicts(scripts: Any) -> Any:
    return scripts("universal_verdicts")


def entry(part: str, cell: Cell, method: str) -> dict[str, Any]:
    _, _, accuracy, lead = METHODS[method]
    accuracy -= 0.01 * (method == "class_mean" and cell.mix == "one-class")  # another mix, other figures
    row = {"part": part, "cell": cell.title, "settings": cell.settings, "features": cell.features, "method": method, "episodes": 50}
    row |= {"accuracy": accuracy, "interval": 0.01, "ece": 0.05, "auroc": accuracy, "auroc_interval": 0.01}
    if method != OURS:
        row |= {"lead": lead, "lead_interval": 0.01, "auroc_lead": lead, "auroc_lead_interval": 0.01}
    return row


@pytest.fixture
def record() -> dict[str, Any]:
    """Two features, two mixes; calibrated to the dot."""
    cells = {
        "core": [Cell(name, mix=mix) for name in ("a", "b") for mix in MIXES],
        "told": [Cell(name, told_balanced=True) for name in ("a", "b")],
        "outliers": [Cell("a", outlier_share=0.25)],
        "ways": [Cell("a", way=2)],
        "counts": [Cell("a", n_query=1)],
        "unequal": [Cell("a", mix="dirichlet:2")],
    }
    nll = {"cell": "a: 1-shot", "method": "class_mean", "temperature": 2.0, "episodes": 50, "ours": 0.4, "theirs": 0.6}
    return {
        "arguments": {"episodes": 50, "without": []},
        "commit": "abc",
        "versions": {},
        "traits": {name: {"transductive": of[0], "assumes_balance": of[1]} for name, of in METHODS.items()},
        "rows": [entry(part, cell, method) for part, listed in cells.items() for cell in listed for method in METHODS],
        "calibration": {
            "bins": {mix: {name: [[100, 60, 60], [100, 90, 90]] for name in ("class_mean", "tim", OURS)} for mix in MIXES},
            "nll": [nll | {"difference": -0.2, "interval": 0.1}],
        },
    }


def row_of(record: dict[str, Any], part: str, method: str, place: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = [row for row in record["rows"] if (row["part"], row["method"]) == (part, method)][place]
    return found


def line(lines: list[str], start: str) -> str:
    (found,) = (one for one in lines if one.startswith(start))
    return found


def test_the_published_page_is_what_the_script_writes_from_the_record(page: Any) -> None:
    assert page.page(read_json(PUBLISHED), PUBLISHED.stem) == PUBLISHED.with_suffix(".md").read_text(encoding="utf-8")


def test_the_block_of_the_figures_page_is_what_the_script_writes_from_the_record(scripts: Any) -> None:
    figures = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    assert scripts("universal_readme").with_text(figures, read_json(PUBLISHED)) == figures


def test_the_block_on_all_methods_is_what_the_script_writes_from_the_record(scripts: Any) -> None:
    figures = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    record = read_json(ROOT / "results" / "compare.json")
    script = scripts("compare_figures")
    assert script.with_text(figures, record) == figures
    for cell in record["cells"]:  # a better rival is told, a slow one does not count
        for row in cell["rows"]:
            if row["method"] in ("pslp", "alpha_am"):
                row["accuracy"] = 0.99 if row["method"] == "pslp" else 1.0
    assert script.text(record).count("PSLP 99.0") == 6


def test_with_the_prior_the_best_rival_by_name_is_what_counts(verdicts: Any, record: dict[str, Any]) -> None:
    assert "in 2 of 2 cells." in verdicts.verdict_told(record)
    row_of(record, "told", "tim").update(lead=-0.3)  # the worse rival does not count
    row_of(record, "told", "anchored_means").update(lead=-0.3, accuracy=0.99)  # nor one that presumes nothing
    assert "in 2 of 2 cells." in verdicts.verdict_told(record)
    row_of(record, "told", "pt_map").update(lead=0.0049)
    assert "in 1 of 2 cells:\n  - a: 5-way, 1-shot, balanced, told balanced: pt_map +0.49 ± 1.00" in verdicts.verdict_told(record)
    row_of(record, "told", "pt_map").update(lead=0.0051)
    assert "in 2 of 2 cells." in verdicts.verdict_told(record)


def test_a_mix_is_won_against_every_rival_with_data_sets_as_the_unit(verdicts: Any, record: dict[str, Any]) -> None:
    assert verdicts.verdict_mix(record, "balanced") == (
        "- **No prior, balanced**: first on the mean, whichever data set is left out: ours 80.00, best rival pt_map 78.00, +2.00 ± 0.00 over "
        "2 data sets; best in 2 of 2 cells, 2 of 2 data sets."
    )
    row_of(record, "core", "oslo", 1).update(accuracy=0.83)  # a, one class: that cell and that set are lost, and the mean without b
    told = verdicts.verdict_mix(record, "one-class")
    assert "first on the mean: ours 80.00, best rival oslo 78.50, +1.50 ± " in told
    assert "best in 1 of 2 cells, 1 of 2 data sets" in told
    row_of(record, "core", "oslo", 3).update(accuracy=0.81)
    assert "**not first** on the mean: ours 80.00, best rival oslo 82.00" in verdicts.verdict_mix(record, "one-class")
    assert ": first" in verdicts.verdict_mix(record, "balanced")


def test_the_interval_over_data_sets_is_student_s(scripts: Any, record: dict[str, Any]) -> None:
    from scipy.stats import ttest_1samp

    row_of(record, "core", "pt_map", 2).update(accuracy=0.70)
    cells = scripts("universal_cells").of_mix(scripts("universal_cells").by_cell(record, "core"), "balanced")
    found = scripts("universal_standing").standing(cells, ["tim"])
    assert (found.lead, found.rival_name) == (pytest.approx(3.0), "tim")
    row_of(record, "core", "tim", 2).update(accuracy=0.75)
    found = scripts("universal_standing").standing(cells, ["tim"])
    low, high = ttest_1samp([3.0, 5.0], 0).confidence_interval(0.95)
    assert (found.lead - found.half, found.lead + found.half) == (pytest.approx(low), pytest.approx(high))


def test_who_leads_without_a_data_set_and_the_worst_cell_are_named(scripts: Any, record: dict[str, Any]) -> None:
    row_of(record, "core", "tim", 2).update(accuracy=0.84)  # on b alone; the mean of both is 80.5
    cells = scripts("universal_cells").of_mix(scripts("universal_cells").by_cell(record, "core"), "balanced")
    found = scripts("universal_standing").standing(cells, record["traits"])
    assert found.without["a"] == ("tim", pytest.approx(84.0), pytest.approx(80.0))
    assert found.without["b"][0] == OURS
    assert found.worst[:2] == ("b: 5-way, 1-shot, balanced", "tim")
    assert found.worst[2] == pytest.approx(-4.0)
    assert not found.first_without_any


def test_cells_that_could_not_be_skewed_do_not_count_twice(verdicts: Any, record: dict[str, Any]) -> None:
    assert len(verdicts.distinct(record, "one-class")) == 2
    row_of(record, "core", "class_mean", 1).update(accuracy=0.70)  # every figure of a is that of its balanced cell
    assert list(verdicts.distinct(record, "one-class")) == ["b: 5-way, 1-shot, one-class"]
    assert len(verdicts.distinct(record, "balanced")) == 2


def test_safe_is_every_inductive_method_in_every_cell_of_the_core_and_of_the_rest(verdicts: Any, record: dict[str, Any]) -> None:
    weak = " (4 of them with SimpleShot without the training classes' mean: no strong rivals)"
    assert f"8 of 8 comparisons{weak}." in verdicts.verdict_safe(record, "here", "core")
    row_of(record, "core", "anchored_means").update(lead=-0.5)  # not inductive
    row_of(record, "core", "simple_shot", 1).update(lead=-0.001)
    row_of(record, "counts", "class_mean").update(lead=-0.02)
    told = verdicts.verdicts(record)
    assert f"7 of 8 comparisons{weak}:\n  - a: 5-way, 1-shot, one-class: simple_shot -0.10 ± 1.00" in line(
        told, "- **On the mean not inferior within half a point**, 5-way"
    )
    assert f"7 of 8 comparisons{weak}:\n  - a: 5-way, 1-shot, balanced, 1 queries per class (counts): class_mean -2.00" in line(
        told, "- **On the mean not inferior within half a point**, with outliers"
    )


def test_outliers_are_set_beside_oslo(verdicts: Any, record: dict[str, Any]) -> None:
    assert "in 1 of 1 cells." in verdicts.verdict_outliers(record)
    row_of(record, "outliers", "oslo").update(auroc_lead=-0.01)
    assert "in 0 of 1 cells:\n  - a: 5-way, 1-shot, balanced, 25 % outliers: -1.00 ± 1.00" in verdicts.verdict_outliers(record)


def test_calibration_is_pooled_and_likelihood_paired(verdicts: Any, record: dict[str, Any]) -> None:
    before = verdicts.verdicts_calibration(record)
    assert "balanced 0.00 %, one-class 0.00 %; at most 3 % in each pool. In single cells up to " in before[0]
    assert before[1] == "- **Calibration at other numbers of classes**: ECE 2-way 5.0 to 5.0 %."
    assert "in 0 of 1 comparisons." in before[2]
    record["calibration"]["bins"]["one-class"][OURS] = [[100, 60, 50], [100, 90, 90]]
    record["calibration"]["nll"][0]["difference"] = 0.2
    after = verdicts.verdicts_calibration(record)
    assert "; above 3 %: one-class 5.00 %. In single cells" in after[0]
    assert "in 1 of 1 comparisons:\n  - a: 1-shot: class_mean with temperature 2, +0.200 ± 0.100" in after[2]


def test_tables_of_differences_and_of_the_smallest_margin(page: Any, record: dict[str, Any]) -> None:
    row_of(record, "told", "tim", 1).update(accuracy=0.79, lead=0.01)
    lines = page.told_table(record)
    assert lines[2] == "| a: 5-way, 1-shot | 80.00 | +2.00 ± 1.00 | +3.00 ± 1.00 | pt_map | 78.00 | +2.00 ± 1.00 |"
    assert lines[3] == "| b: 5-way, 1-shot | 80.00 | +2.00 ± 1.00 | +1.00 ± 1.00 | tim | 79.00 | +1.00 ± 1.00 |"
    assert lines[4].startswith("| **mean** | 80.00 | +2.00 | +2.00 | ")
    row_of(record, "ways", "class_mean").update(lead=0.05, lead_interval=0.03)
    assert page.margin_table(record)[2] == "| class_mean | 8 | +2.00 | +5.00 ± 3.00 | a: 2-way, 1-shot, balanced (ways) |"


def test_page_and_pictures_are_written_beside_the_record_from_it_alone(page: Any, record: dict[str, Any], tmp_path: Path) -> None:
    record["rows"].append({**entry("core", Cell("a"), "tim"), "method": "broken", "failure": "it does not go"})
    record["traits"]["broken"] = {"transductive": True, "assumes_balance": False}
    write_json(tmp_path / "u.json", record)
    told = page.write_page(tmp_path / "u.json")
    text = (tmp_path / "u.md").read_text(encoding="utf-8")
    assert all(one in text for one in told)
    assert "- broken failed, a: 5-way, 1-shot, balanced: it does not go" in text
    for name in ("u_mixes.png", "u_reliability.png"):
        assert f"]({name})" in text
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_a_part_that_was_left_out_is_said_to_be(page: Any, record: dict[str, Any]) -> None:
    record["rows"] = [row for row in record["rows"] if row["part"] != "ways"]
    record["arguments"]["without"] = ["ways"]
    text = page.page(record, "u")
    assert "## Other numbers of classes\n\nLeft out." in text
    assert "WITHOUT=ways runs/universal_eval.sh" in text


def test_labels_of_curves_that_end_together_stand_apart_in_their_order(scripts: Any) -> None:
    spread = scripts("universal_pictures").spread_labels
    heights = spread([20.0, 20.1, 50.0, 99.9, 99.8], 5.0, 0.0, 100.0)
    assert np.diff(np.sort(heights)).min() >= 5 - 1e-9
    assert np.argsort(heights).tolist() == [0, 1, 2, 4, 3]
    assert max(heights) <= 100
    assert heights[2] == 50


def test_the_record_pairs_by_episode_and_keeps_what_failed(scripts: Any) -> None:
    def evaluation(accuracy: list[float]) -> Evaluation:
        n = len(accuracy)
        return Evaluation(np.array(accuracy), np.full(n, np.nan), np.ones(n), np.full(n, np.nan), np.ones((15, 3)), 1.0, 1)

    cell, other = Cell("a"), replace(Cell("a"), shot=5)
    rows = [
        Row(cell, "tim", "", None, evaluation([0.5, 0.9])),
        Row(cell, OURS, "", None, evaluation([0.7, 0.9])),
        Row(other, "tim", "", None, None, "it does not go"),
        Row(other, OURS, "", None, evaluation([0.1, 0.1])),
    ]
    found = scripts("universal_eval").entries("core", rows)
    assert found[0]["lead"] == pytest.approx(0.1)
    assert found[0]["lead_interval"] == pytest.approx(stdtrit(1, 0.975) * np.std([0.2, 0.0], ddof=1) / 2**0.5)
    assert "auroc_lead" not in found[0]
    assert "lead" not in found[1]
    assert found[2]["failure"] == "it does not go"
    assert "accuracy" not in found[2]


def test_a_slow_method_is_set_beside_ours_over_what_it_met_and_nowhere_else(scripts: Any, record: dict[str, Any]) -> None:
    def evaluation(accuracy: list[float]) -> Evaluation:
        n = len(accuracy)
        return Evaluation(np.array(accuracy), np.full(n, np.nan), np.ones(n), np.full(n, np.nan), np.ones((15, 3)), 1.0, 1)

    cell = Cell("a")
    rows = [Row(cell, "tim", "", None, evaluation([0.5, 0.9])), Row(cell, OURS, "", None, evaluation([0.7, 0.9, 0.1]))]
    assert scripts("universal_eval").entries("core", rows)[0]["lead"] == pytest.approx(0.1)
    record["arguments"]["slow"] = {"tim": 20, "oslo": 0}
    row_of(record, "told", "tim").update(lead=-0.02, lead_interval=0.01)
    assert all("tim" not in of_cell for of_cell in scripts("universal_cells").by_cell(record, "core", "told").values())
    assert scripts("universal_verdicts").verdicts_slow(record) == [
        "- **Slow: tim**, on the first 20 episodes of each cell, and so not among the rivals of the other lines and tables: with the prior "
        "given +0.5 points on the mean, significantly behind it in 1 of 2 cells (a: 5-way, 1-shot, balanced, told balanced -2.00 ± 1.00); "
        "with no prior balanced +3.0, one-class +3.0."
    ]


def test_those_that_presume_nothing_are_counted_cell_by_cell(
    verdicts: Any, record: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "PRESUME_NOTHING", ("anchored_means", "oslo"))
    assert "in the cell, in 4 of 4 cells." in verdicts.verdict_named(record)
    row_of(record, "core", "anchored_means").update(lead=-0.009, lead_interval=0.01)  # behind, but not significantly
    row_of(record, "core", "oslo", 1).update(lead=-0.02, lead_interval=0.01)  # the worse of the two there
    assert "in the cell, in 4 of 4 cells." in verdicts.verdict_named(record)
    row_of(record, "core", "anchored_means").update(lead=-0.011)
    told = verdicts.verdict_named(record)
    assert "in the cell, in 3 of 4 cells:\n  - a: 5-way, 1-shot, balanced: anchored_means -1.10 ± 1.00" in told
