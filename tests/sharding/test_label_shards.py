"""Shards are labelled as the same rows are in one process, by any number of workers, whole or not at all."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console

from sibyl.errors import DataError
from sibyl.labeling.label import label
from sibyl.memmap import is_mapped
from sibyl.methods.universal import universal
from sibyl.methods.universal.label_weights import label_weights
from sibyl.sharding import solve
from sibyl.sharding.engine import engine_by_name
from sibyl.sharding.held import Held
from sibyl.sharding.label import label_shards
from sibyl.sharding.write import Write
from tests.sharding.pile import ROWS, SIZES, WAY, assert_same, in_one_process, labels_in, rows_of, truth_of
from tests.sources.shards import write_shards


@pytest.fixture(autouse=True)
def small_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sibyl.sharding.label._SHOWN", 30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    matrix, names, _ = rows_of()
    return write_shards(tmp_path_factory.mktemp("pile"), matrix, SIZES, names)


@pytest.mark.parametrize("class_prior", [None, "balanced", {"class 0": 50, "class 1": 25, "class 2": 10, "class 3": 12}])
def test_the_answer_is_that_of_one_process_in_the_order_of_the_source(folder: Path, tmp_path: Path, class_prior: Any) -> None:
    summary = label_shards(folder, rows_of()[2], tmp_path / "out", class_prior=class_prior)
    found = labels_in(tmp_path / "out")
    assert list(found["item"]) == rows_of()[1]
    assert_same(found, in_one_process(tmp_path, class_prior))
    told = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert told["found"] == ROWS == summary.counts.found
    assert told["labelled"] == ROWS - 2 * WAY
    assert "class 0" in (tmp_path / "out" / "report.html").read_text()


def test_labels_confirmed_in_bulk_count_alike(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, names, _ = rows_of()
    y = truth_of()
    means = np.stack([matrix[y == one].mean(0) for one in range(WAY)])
    apart = np.sort(np.linalg.norm(matrix[:, None] - means, axis=2), 1)
    margin = apart[:, 1] - apart[:, 0]
    surest = {one: np.flatnonzero(y == one)[np.argsort(-margin[y == one])[:30]] for one in range(WAY)}
    examples = {names[row]: f"class {one}" for one, rows in surest.items() for row in rows}
    found: list[torch.Tensor] = []

    def noted(*given: Any) -> torch.Tensor:
        found.append(label_weights(*given))
        return found[-1]

    for module in (solve, universal):
        monkeypatch.setattr(module, "label_weights", noted)
    label_shards(folder, examples, tmp_path / "out")
    write_shards(tmp_path / "one", matrix, [ROWS], names)
    assert_same(labels_in(tmp_path / "out"), label(tmp_path / "one" / "part-000.parquet", examples))
    in_shards, in_one = found
    assert float(in_shards.max()) < 0.9
    assert torch.allclose(in_shards, in_one, atol=1e-6)


def test_workers_and_shards_change_no_label(folder: Path, tmp_path: Path) -> None:
    matrix, names, examples = rows_of()
    label_shards(folder, examples, tmp_path / "one", workers=1)
    label_shards(folder, examples, tmp_path / "three", workers=3)
    for file in (tmp_path / "one").glob("*.parquet"):
        assert pq.read_table(file).equals(pq.read_table(tmp_path / "three" / file.name))
    other = write_shards(tmp_path / "other", matrix, [700] * 4 + [200], names)
    label_shards(other, examples, tmp_path / "five")
    assert_same(labels_in(tmp_path / "one"), labels_in(tmp_path / "five"))


def test_a_small_pile_is_solved_all_the_same(tmp_path: Path) -> None:
    matrix, names, examples = rows_of(300)
    label_shards(write_shards(tmp_path / "in", matrix, [120, 180], names), examples, tmp_path / "out")
    assert_same(labels_in(tmp_path / "out"), in_one_process(tmp_path, n_rows=300))


def test_rows_that_cannot_be_used_are_skipped_and_named(tmp_path: Path) -> None:
    matrix, names, examples = rows_of()
    matrix[[7, 2000]] = np.nan
    label_shards(write_shards(tmp_path / "in", matrix, SIZES, names), examples, tmp_path / "out")
    found = labels_in(tmp_path / "out").set_index("item")
    assert list(found.loc[[names[7], names[2000]], "status"]) == ["skipped: holds NaN or infinity"] * 2
    assert found["label"].notna().sum() == ROWS - 2


def test_later_shards_are_labelled_in_one_pass(folder: Path, tmp_path: Path) -> None:
    label_shards(folder, rows_of()[2], tmp_path / "out")
    label_shards(folder, out=tmp_path / "later", earlier=tmp_path / "out")
    first, later = labels_in(tmp_path / "out"), labels_in(tmp_path / "later")
    is_query = first["status"] == "labelled"
    assert (first["label"] == later["label"])[is_query].mean() > 0.995
    alone = label(folder / "part-001.parquet", earlier=tmp_path / "out").set_index("item")
    theirs = later.set_index("item").loc[alone.index]
    assert list(alone["label"]) == list(theirs["label"])
    np.testing.assert_allclose(alone["confidence"], theirs["confidence"], atol=1e-6)


def test_bad_input_is_named_and_nothing_is_written(folder: Path, tmp_path: Path) -> None:
    _, names, examples = rows_of()
    out = tmp_path / "out"
    with pytest.raises(DataError, match="'nobody' is not a row"):
        label_shards(folder, {**examples, "nobody": "class 1"}, out)
    with pytest.raises(DataError, match="at least two classes"):
        label_shards(folder, {names[0]: "class 1"}, out)
    with pytest.raises(DataError, match="leave --method out"):
        label_shards(folder, examples, out, method="pt_map")
    with pytest.raises(DataError, match="address"):
        label_shards(folder, examples, out, ray_address="auto")
    assert not out.exists()
    out.mkdir()
    (out / "precious").write_text("")
    with pytest.raises(DataError, match="precious"):
        label_shards(folder, examples, out)
    assert [one.name for one in out.iterdir()] == ["precious"]


def test_examples_of_each_class_may_lie_in_shards_of_their_own(tmp_path: Path) -> None:
    matrix, names, _ = rows_of()
    y = truth_of()
    ends = np.cumsum([0, *SIZES])
    shard_of_class = [0, 2, 1, 0]
    examples = {
        names[row]: f"class {one}"
        for one, shard in enumerate(shard_of_class)
        for row in (ends[shard] + np.flatnonzero(y[ends[shard] : ends[shard + 1]] == one))[:2].tolist()
    }
    label_shards(write_shards(tmp_path / "in", matrix, SIZES, names), examples, tmp_path / "out")
    found = labels_in(tmp_path / "out").set_index("item")
    assert list(found.loc[list(examples), "label"]) == list(examples.values())
    assert (found["label"] == [f"class {one}" for one in y]).mean() > 0.9


def test_an_example_that_two_shards_name_is_refused(tmp_path: Path) -> None:
    matrix, names, examples = rows_of()
    first = next(iter(examples))
    names[2000 if names[2000] not in examples else 2001] = first
    with pytest.raises(DataError, match=r"part-000\.parquet and part-002\.parquet hold a row of that name"):
        label_shards(write_shards(tmp_path / "in", matrix, SIZES, names), examples, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_example_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    matrix, names, examples = rows_of()
    matrix[names.index(next(iter(examples)))] = np.inf
    with pytest.raises(DataError, match=f"the example '{next(iter(examples))}' holds NaN or infinity"):
        label_shards(write_shards(tmp_path / "in", matrix, SIZES, names), examples, tmp_path / "out")


def spoil_a_page(shard: Path) -> None:
    content = bytearray(shard.read_bytes())
    content[4:2000] = bytes(1996)  # behind the first mark; the footer stays whole, so that the shard can be opened
    shard.write_bytes(content)


@pytest.mark.parametrize(("spoil", "said"), [(spoil_a_page, "damaged"), (Path.unlink, "has vanished")])
def test_a_shard_that_breaks_after_it_was_opened_is_named_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Any, said: str
) -> None:
    matrix, names, examples = rows_of()
    pile = write_shards(tmp_path / "in", matrix, SIZES, names)

    def breaks(*arguments: Any) -> Any:
        spoil(pile / "part-001.parquet")
        return engine_by_name(*arguments)

    monkeypatch.setattr("sibyl.sharding.label.engine_by_name", breaks)
    with pytest.raises(DataError, match=rf"part-001\.parquet: {said}"):
        label_shards(pile, examples, tmp_path / "there" / "out")
    assert list((tmp_path / "there").iterdir()) == []


def test_the_report_shows_rows_of_all_shards_however_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, names, examples = rows_of()
    shown: list[Any] = []

    def keeps(what: Any) -> str:
        shown.append(what)
        return ""

    monkeypatch.setattr("sibyl.sharding.label.report_html", keeps)
    label_shards(write_shards(tmp_path / "in", matrix, [60] * 50, names), examples, tmp_path / "out")
    assert shown[0].names == tuple(names[row] for row in np.linspace(0, ROWS - 1, 30).astype(int))
    np.testing.assert_array_equal(shown[0].matrix, matrix[np.linspace(0, ROWS - 1, 30).astype(int)])


def test_the_report_says_which_figures_are_of_the_sample(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, examples = rows_of()
    monkeypatch.setattr("sibyl.sharding.label._SHOWN", 300)
    summary = label_shards(folder, examples, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "this page is made of a sample of 300 of 3,000 rows" in page
    for name, number in summary.counts.classes.items():
        assert f"<span>{name}</span><small>{number:,} labelled</small>" in page
    for said in (
        "of them are in the sample",
        "Labels by confidence, of the sample",
        "labels of the sample is",
        "in the shards of labels",
    ):
        assert said in page
    assert ("Rings are examples" in page) == ('class="p ex"' in page)
    assert "labels.csv" not in page
    time = float(page.partition("<dt>Time</dt><dd>")[2].partition(" s")[0])
    assert time == pytest.approx(summary.seconds, rel=0.2, abs=0.5)


def test_what_is_kept_of_rows_lies_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, names, examples = rows_of()
    monkeypatch.setattr("sibyl.memmap.SMALLEST", 1)
    seen: list[Held] = []
    whole = Write.__call__

    def looks(self: Write, held: Held, number: int) -> Any:
        found = whole(self, held, number)
        seen.append(held)
        return found

    monkeypatch.setattr(Write, "__call__", looks)
    label_shards(write_shards(tmp_path / "in", matrix, SIZES, names), examples, tmp_path / "out", workers=1)
    rows = [one for _, one in seen[0]._rows.values()]
    assert len(rows) == len(SIZES)
    for one in rows:
        assert all(map(is_mapped, (one.task.query_x, one.task.query_mask, one.graph)))
        assert not isinstance(one._kept, tuple)  # type: ignore[attr-defined]  # no piece of memory for each slice
    assert_same(labels_in(tmp_path / "out"), in_one_process(tmp_path))


@pytest.mark.parametrize("failure", [KeyboardInterrupt, DataError("a shard vanished")])
def test_an_interrupted_run_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Any) -> None:
    whole = Write.__call__

    def fails(self: Write, held: Any, number: int) -> Any:
        if number == 1:
            raise failure
        return whole(self, held, number)

    monkeypatch.setattr(Write, "__call__", fails)
    with pytest.raises(KeyboardInterrupt if failure is KeyboardInterrupt else DataError):
        label_shards(folder, rows_of()[2], tmp_path / "there" / "out")
    assert list((tmp_path / "there").iterdir()) == []


def test_each_pass_over_the_shards_is_a_stage(tmp_path: Path) -> None:
    told = io.StringIO()
    matrix, names, examples = rows_of()
    pile = write_shards(tmp_path / "in", matrix, SIZES, names)
    label_shards(pile, examples, tmp_path / "out", console=Console(file=told, width=100))
    lines = told.getvalue().splitlines()
    assert lines[0] == "pass 1 over the shards: 3 …"
    assert [line.split()[1] for line in lines] == [str(number + 1) for number in range(len(lines))]
