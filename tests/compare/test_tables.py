"""Tables, pictures and the report: what they say, and that nothing in a name can break them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import stdtrit

from sibyl.compare.arena import Row
from sibyl.compare.plots import draw_accuracy, named_methods, panels
from sibyl.compare.protocols import Cell, grid
from sibyl.compare.published import PUBLISHED, published_table
from sibyl.compare.report import write_report
from sibyl.compare.tables import Table, cell_table, escape_latex, escape_markdown, gain_table, overview_table, to_json
from sibyl.errors import UnknownName
from sibyl.evaluation import Evaluation
from sibyl.methods import METHODS, Traits

INDUCTIVE, TRANSDUCTIVE = Traits(transductive=False), Traits(transductive=True, assumes_balance=True)


def evaluation(accuracy: list[float], auroc: float = np.nan) -> Evaluation:
    n = len(accuracy)
    bins = np.zeros((15, 3))
    bins[14] = (n, 0.97 * n, 0.5 * n)
    return Evaluation(np.array(accuracy), np.full(n, np.nan), np.full(n, 0.7), np.full(n, auroc), bins, 0.5, 10**9)


def row(cell: Cell, name: str, accuracy: list[float] | None, traits: Traits = INDUCTIVE, auroc: float = np.nan) -> Row:
    if accuracy is None:
        return Row(cell, name, "published", traits, None, "no such | luck")
    return Row(cell, name, "published", traits, evaluation(accuracy, auroc))


CELL = Cell("digits", episodes=4)
ROWS = [
    row(CELL, "class_mean", [0.5, 0.6, 0.4, 0.5]),
    row(CELL, "sib", [0.7, 0.8, 0.6, 0.71], TRANSDUCTIVE),
    row(CELL, "weak", [0.4, 0.7, 0.4, 0.4]),
    row(CELL, "broken", None),
]


def test_a_cell_s_table_by_hand() -> None:
    table = cell_table(ROWS, "class_mean")
    lines = {line[0]: dict(zip(table.columns, line, strict=True)) for line in table.rows}
    assert [line[0] for line in table.rows] == ["sib", "class_mean", "weak", "broken"]
    half = 100 * stdtrit(3, 0.975) * np.std([0.7, 0.8, 0.6, 0.71], ddof=1) / 2
    assert lines["sib"]["accuracy (%)"] == f"70.25 ± {half:.2f}"
    gain = 100 * stdtrit(3, 0.975) * np.std([0.2, 0.2, 0.2, 0.21], ddof=1) / 2
    assert lines["sib"]["against class_mean"] == f"+20.25 ± {gain:.2f} *"
    loss = stdtrit(3, 0.975) * (275 / 3) ** 0.5 / 2  # of −10, 10, 0, −10
    assert lines["weak"]["against class_mean"] == f"−2.50 ± {loss:.2f}"
    assert lines["class_mean"]["against class_mean"] == "–"
    assert lines["sib"]["kind"] == "transductive"
    assert lines["sib"]["assumes balance"] == "yes"
    assert lines["sib"]["ECE (%)"] == "47.00"  # sure by 97 %, right in half
    assert lines["sib"]["NLL"] == "0.700"
    assert lines["sib"]["tasks/s"] == "8"
    assert lines["sib"]["peak MB"] == "1,000"
    assert lines["broken"]["accuracy (%)"] == "failed"
    assert table.notes == ("Failed: broken: no such | luck.",)
    assert "AUROC (%)" not in table.columns


def test_outliers_bring_a_column() -> None:
    cell = Cell("digits", episodes=2, outlier_share=0.25)
    table = cell_table([row(cell, "class_mean", [0.5, 0.6], auroc=0.8), row(cell, "broken", None)], "class_mean")
    assert dict(zip(table.columns, table.rows[0], strict=True))["AUROC (%)"] == "80.00 ± 0.00"
    assert all(len(line) == len(table.columns) for line in table.rows)


def test_overview_ranks_by_mean_and_keeps_gaps() -> None:
    second = Cell("digits", mix="one-class", episodes=4)
    table = overview_table([*ROWS, row(second, "class_mean", [0.9] * 4), row(second, "sib", [0.2] * 4, TRANSDUCTIVE)], "class_mean")
    assert [line[0] for line in table.rows] == ["class_mean", "sib", "weak", "broken"]
    assert table.columns[3:] == ("5-way, 1-shot, balanced", "5-way, 1-shot, one-class")
    assert table.rows[2][4] == "–"
    assert table.rows[1][4] == "20.00 ± 0.00 *"


def test_relative_gains_are_told_apart_by_kind() -> None:
    rows = [
        *ROWS,
        row(CELL, "rival", [0.6, 0.8, 0.5, 0.6], TRANSDUCTIVE),
        row(Cell("digits", shot=5, episodes=4), "sib", [0.9] * 4),
    ]
    table = gain_table(rows, "sib")
    assert table is not None
    assert [line[:2] for line in table.rows] == [("class_mean", "inductive"), ("weak", "inductive"), ("rival", "transductive")]
    assert table.columns[2:] == (CELL.title,)  # one shot alone
    assert table.rows[0][2].startswith("+40.50 ± ")  # 0.7025 / 0.5
    assert gain_table(ROWS, "absent") is None


HOSTILE = ("a|b", "50% & more_or_less", "x*y*", "<script>", r"back\slash", "{brace}", "new\nline", "~^#$")


@pytest.mark.parametrize("text", HOSTILE)
def test_names_cannot_break_a_table(text: str) -> None:
    table = Table(text, (text, "n"), ((text, "1"), ("plain", "2")), (text,))
    lines = [line for line in table.markdown().splitlines() if line.startswith("|")]
    assert len(lines) == 4
    assert {line.replace("\\\\", "").replace("\\|", "").count("|") for line in lines} == {3}
    assert "<script>" not in table.markdown()
    body = table.latex().split(r"\midrule")[1].splitlines()[1]
    assert body.replace(r"\&", "").count("&") == 1
    assert body.endswith(r"\\")
    bare = body.removesuffix(r"\\")
    for sign in "%#_$":
        assert bare.count(sign) == bare.count("\\" + sign)


def test_escapes_by_hand() -> None:
    assert escape_latex(r"pt_map & 5% ± 1 \ {−2}") == r"pt\_map \& 5\% $\pm$ 1 \textbackslash{} \{$-$2\}"
    assert escape_markdown("a|b *c* <d>") == r"a\|b \*c\* &lt;d>"


def test_json_holds_p_values_and_no_nan() -> None:
    text = json.dumps(to_json([*ROWS, row(Cell("x", episodes=1), "class_mean", [0.5])], "class_mean", "sib"), allow_nan=False)
    cells = json.loads(text)["cells"]
    entry = {one["method"]: one for one in cells[0]["rows"]}
    assert entry["sib"]["difference"]["p_holm"] == pytest.approx(2 * entry["sib"]["difference"]["p"])
    assert entry["weak"]["relative_gain_of_reference"]["mean"] == pytest.approx(0.7025 / 0.475 - 1)
    assert entry["broken"]["failure"] == "no such | luck"
    assert cells[1]["rows"][0]["interval"] is None


def test_published_figures_stand_in_a_column_of_their_own() -> None:
    name = "cifar-fs-conv4-64"
    cells = grid([name], shots=(1, 5), mixes=("balanced", "dirichlet:2"), episodes=2)
    rows = [row(cell, "sib", [0.7, 0.7] if cell.mix == "balanced" else [0.1, 0.1], TRANSDUCTIVE) for cell in cells]
    table = published_table(rows, name)
    assert table is not None
    line = next(line for line in table.rows if line[0] == "SIB, K = 3")
    assert line[1] == "68.7 / 77.1"
    assert line[4] == "70.00 ± 0.00 / 70.00 ± 0.00"
    assert next(line for line in table.rows if line[0] == "R2-D2")[1] == "62.3 / 77.4 †"  # not checked against the paper
    assert published_table(rows, "photos-squeezenet") is None
    named = {paper.method for papers in PUBLISHED.values() for paper in papers} - {""}
    assert named <= set(METHODS)


def test_panels_differ_in_one_thing() -> None:
    rows = [row(cell, "m", [0.5, 0.5]) for cell in grid(["a", "b"], shots=(5, 1), mixes=("one-class", "dirichlet:0.5", "balanced"))]
    assert [[cell.shot for cell in group] for group in panels(rows, "shot")] == [[1, 5]] * 6
    mixes = [[cell.mix for cell in group] for group in panels(rows, "mix")]
    assert mixes == [["balanced", "dirichlet:0.5", "one-class"]] * 4
    assert panels(rows, "n_query") == []
    with pytest.raises(UnknownName, match="n_query"):
        panels(rows, "queries")


def test_reference_and_baseline_are_always_named() -> None:
    rows = [row(CELL, f"m{index}", [0.1 * index] * 4) for index in range(9)]
    rows += [row(CELL, "class_mean", [0.01] * 4), row(CELL, "sib", [0.02] * 4)]
    assert named_methods(rows, "class_mean", "sib")[:3] == ["sib", "class_mean", "m8"]


def test_pictures_are_drawn_where_cells_differ(tmp_path: Path) -> None:
    cells = grid(["a"], shots=(1, 5), n_queries=(5, 15), episodes=2)
    rows = [row(cell, f"m{index}", [0.5, 0.1 * index]) for cell in cells for index in range(10)]
    rows.append(row(cells[0], "broken", None))
    for axis, drawn in (("shot", True), ("n_query", True), ("mix", False)):
        path = tmp_path / f"{axis}.png"
        assert draw_accuracy(rows, axis, path, baseline="m0", reference="m1") == drawn == path.exists()
        assert not drawn or path.read_bytes().startswith(b"\x89PNG")
    assert draw_accuracy(rows, "shot", tmp_path / "absent.png", baseline="m0", reference="sib")  # the reference need not be there


def test_a_method_that_fails_in_some_cell_keeps_its_line(tmp_path: Path) -> None:
    cells = grid(["a"], shots=(1, 5), episodes=2)
    rows = [row(cell, name, [0.5, 0.6], TRANSDUCTIVE) for cell in cells for name in ("class_mean", "sib")]
    failed = Row(cells[1], "sib", "published", None, None, "must be meta-trained first")
    for name, some in (("without", rows), ("with", [*rows, failed])):
        assert draw_accuracy(some, "shot", tmp_path / f"{name}.png", baseline="class_mean", reference="sib")
    assert (tmp_path / "with.png").read_bytes() == (tmp_path / "without.png").read_bytes()


def test_a_report_is_whole(tmp_path: Path) -> None:
    rows = ROWS + [row(Cell("digits", shot=5, episodes=4), one.name, [0.9, 0.8, 0.9, 0.8]) for one in ROWS[:2]]
    paths = write_report(rows, tmp_path, baseline="class_mean", reference="sib", remarks=["Two words."], arguments={"seed": 0})
    assert set(paths) == {"markdown", "latex", "json", "shot"}
    text = paths["markdown"].read_text()
    for part in ("Two words.", "## digits: accuracy (%)", "relative gain of sib", "compare_shot.png", "Holm", "no such \\| luck"):
        assert part in text
    assert json.loads(paths["json"].read_text())["arguments"] == {"seed": 0}
    latex = paths["latex"].read_text()
    assert latex.count(r"\begin{table}") == latex.count(r"\end{table}") == 4
