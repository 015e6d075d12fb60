"""The arena: one set of episodes for all, nothing measured twice, a killed run ends in the same tables."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sibyl.compare.arena import CHOSEN_HERE, Entrant, Row, names_a_paper, run_arena
from sibyl.compare.fingerprints import code_checksum, features_checksum, method_checksum
from sibyl.compare.learners import Budget, TrainingSet, train_all
from sibyl.compare.protocols import PROTOCOLS, Cell, grid
from sibyl.compare.tables import cell_differences, to_json
from sibyl.errors import DataError, SibylError, UserError
from sibyl.methods import METHODS
from sibyl.methods.class_mean import ClassMean
from sibyl.methods.pt_map import PTMAP
from sibyl.methods.soft_kmeans import SoftKMeans
from sibyl.storage import sha256
from sibyl.training.meta_train import MetaRecipe
from tests.compare.counting import Counting, OneAtATime, Refusing
from tests.synthetic import clusters

FEATURES = {"near": clusters(8, spread=2.0), "far": clusters(8, spread=1.0, seed=1)}
CELLS = grid(["near", "far"], shots=(1, 2), mixes=("balanced", "dirichlet:1"), episodes=6)


def arena(folder: Path, *entrants: Entrant, cells: tuple[Cell, ...] = CELLS, **options: Any) -> tuple[Row, ...]:
    return run_arena(FEATURES, cells, entrants, folder, batch_size=4, **options)


def without_times(rows: tuple[Row, ...]) -> str:
    """What the JSON table says, but for how long it took."""
    table = to_json(rows, "a", "b")
    for cell in table["cells"]:
        for row in cell["rows"]:
            del row["tasks_per_second"], row["peak_memory_mb"]
    return json.dumps(table)


def test_all_methods_meet_the_same_episodes(tmp_path: Path) -> None:
    first, second = Counting(10.0), Counting(20.0)
    rows = arena(tmp_path, Entrant("a", first), Entrant("b", second))
    assert first.seen == second.seen
    assert len(set(first.seen)) == len(CELLS) * 2  # two batches a cell, none of them twice
    for one, other in zip(rows[::2], rows[1::2], strict=True):
        assert one.cell == other.cell
        assert one.result is not None
        assert other.result is not None
        assert np.array_equal(one.result.accuracy, other.result.accuracy)  # the scale changes no answer, only its confidence
        assert not np.array_equal(one.result.nll, other.result.nll)


def test_what_was_measured_costs_nothing_again(tmp_path: Path) -> None:
    counting = Counting()
    first = arena(tmp_path, Entrant("a", counting), Entrant("b", "soft_kmeans"))
    calls = len(counting.seen)
    again = arena(tmp_path, Entrant("a", counting), Entrant("b", "soft_kmeans"))
    assert len(counting.seen) == calls
    assert json.dumps(to_json(first, "a", "b")) == json.dumps(to_json(again, "a", "b"))  # times and all


def test_a_further_method_or_cell_costs_only_its_own(tmp_path: Path) -> None:
    counting = Counting()
    arena(tmp_path, Entrant("a", counting), cells=CELLS[:2])
    calls = len(counting.seen)
    new = Counting(5.0)
    arena(tmp_path, Entrant("a", counting), Entrant("new", new), cells=CELLS[:2])
    assert (len(counting.seen), len(new.seen)) == (calls, calls)
    arena(tmp_path, Entrant("a", counting), cells=CELLS[:3])
    assert len(counting.seen) == calls + calls // 2


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"episodes": 7}, {"shot": 3}, {"n_query": 14}, {"mix": "one-class"}, {"outlier_share": 0.2}, {"told_balanced": True}]
)  # fmt: skip
def test_every_part_of_a_cell_counts(tmp_path: Path, change: dict[str, Any]) -> None:
    counting = Counting()
    arena(tmp_path, Entrant("a", counting), cells=CELLS[:1])
    calls = len(counting.seen)
    arena(tmp_path, Entrant("a", counting), cells=(replace(CELLS[0], **change),))
    assert len(counting.seen) > calls


def test_other_features_of_the_same_name_are_measured(tmp_path: Path) -> None:
    counting = Counting()
    entrants = [Entrant("a", counting)]
    run_arena({"x": FEATURES["near"]}, grid(["x"], episodes=4), entrants, tmp_path)
    run_arena({"y": FEATURES["near"]}, grid(["y"], episodes=4), entrants, tmp_path)
    assert len(counting.seen) == 1  # the name is no content
    run_arena({"x": FEATURES["far"]}, grid(["x"], episodes=4), entrants, tmp_path)
    assert len(counting.seen) == 2


def test_an_interrupted_run_ends_in_the_same_table(tmp_path: Path) -> None:
    whole = arena(tmp_path / "whole", Entrant("a", Counting()), Entrant("b", "soft_kmeans"))
    with pytest.raises(KeyboardInterrupt):
        arena(tmp_path / "killed", Entrant("a", Counting(stop_after=5)), Entrant("b", "soft_kmeans"))
    kept = {path: sha256(path) for path in (tmp_path / "killed").glob("*.npz")}
    assert len(kept) == 4  # two whole pairs of each method; the third pair of the first was cut short
    resumed = Counting()
    rows = arena(tmp_path / "killed", Entrant("a", resumed), Entrant("b", "soft_kmeans"))
    assert without_times(rows) == without_times(whole)
    assert len(resumed.seen) == 2 * (len(CELLS) - 2)
    assert kept == {path: sha256(path) for path in kept}


def test_a_damaged_result_is_measured_again(tmp_path: Path) -> None:
    first = arena(tmp_path, Entrant("a", Counting()), Entrant("b", "soft_kmeans"), cells=CELLS[:1])
    for path in tmp_path.glob("*.npz"):
        path.write_bytes(path.read_bytes()[:100])
    assert without_times(first) == without_times(
        arena(tmp_path, Entrant("a", Counting()), Entrant("b", "soft_kmeans"), cells=CELLS[:1])
    )


def test_a_method_that_fails_is_a_row(tmp_path: Path) -> None:
    too_wide = Cell("near", way=9, episodes=4)
    rows = arena(tmp_path, Entrant("r", Refusing()), Entrant("a", ClassMean()), Entrant("sib", "sib"), cells=(CELLS[0], too_wide))
    assert [row.result is not None for row in rows] == [False, True, False, False, False, False]
    assert "99 shots" in rows[0].failure
    assert "meta-trained" in rows[2].failure
    assert "9 classes" in rows[4].failure
    assert rows[0].traits == Refusing.traits


def test_errors_of_programs_are_not_swallowed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        arena(tmp_path, Entrant("a", Counting(stop_after=0)))


def test_methods_that_mix_a_batch_get_one_episode_at_a_time(tmp_path: Path) -> None:
    counting, single = Counting(), OneAtATime()
    arena(tmp_path, Entrant("a", counting), Entrant("b", single), cells=CELLS[:1])
    assert (len(counting.seen), len(single.seen)) == (2, 6)


def test_methods_are_told_of_balance_where_the_cell_says_so(tmp_path: Path) -> None:
    counting = Counting()
    arena(tmp_path, Entrant("a", counting), cells=grid(["near"], episodes=2) + grid(["near"], episodes=2, told_balanced=True))
    assert counting.priors == [None, "balanced"]


def test_progress_ends_where_it_said(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    entrants = (Entrant("a", Counting()), Entrant("r", Refusing()))
    for _ in range(2):
        steps.clear()
        run_arena(FEATURES, CELLS[:2], entrants, tmp_path, on_progress=lambda done, total, note: steps.append((done, total)))
        assert steps[-1][0] == steps[-1][1]
        assert all(earlier[0] <= later[0] for earlier, later in pairwise(steps))
    assert steps[-1] == (0, 0)  # nothing was left to do


def test_a_slow_method_may_meet_the_first_episodes_alone(tmp_path: Path) -> None:
    entrants = (Entrant("class_mean", "class_mean"), Entrant("few", "soft_kmeans", most_episodes=3), Entrant("all", "soft_kmeans"))
    rows = {row.name: row for row in arena(tmp_path, *entrants, cells=CELLS[:1])}
    few, whole, base = (rows[name].result for name in ("few", "all", "class_mean"))
    assert few is not None
    assert whole is not None
    assert base is not None
    assert np.allclose(few.accuracy, whole.accuracy[:3])
    assert rows["few"].origin.endswith("; first 3 episodes")
    assert "episodes" not in rows["all"].origin
    gap = cell_differences(list(rows.values()), "class_mean")["few"]
    assert gap.mean == pytest.approx(float((few.accuracy - base.accuracy[:3]).mean()))


def test_wrong_calls_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="given twice: a"):
        arena(tmp_path, Entrant("a", ClassMean()), Entrant("a", SoftKMeans()))
    with pytest.raises(UserError, match="'elsewhere'"):
        arena(tmp_path, Entrant("a", ClassMean()), cells=(Cell("elsewhere"),))


def test_checksums_depend_on_content_alone() -> None:
    near = FEATURES["near"]
    assert features_checksum(near) == features_checksum(replace(near, ids=tuple(f"i{row}" for row in range(len(near)))))
    assert features_checksum(near) == features_checksum(near, slice_rows=7)
    changed = near.matrix.copy()
    changed[3, 2] += 1e-3
    assert features_checksum(near) != features_checksum(replace(near, matrix=changed))
    assert features_checksum(near) != features_checksum(replace(near, labels=near.labels[::-1].copy()))
    assert method_checksum(ClassMean()) == method_checksum(ClassMean(10.0)) != method_checksum(ClassMean(11.0))
    assert len({code_checksum(kind) for kind in (ClassMean, SoftKMeans, PTMAP)}) == 3


def test_all_settings_of_every_method_are_in_its_checksum() -> None:
    """A method that is neither learned nor a dataclass would hide its settings behind an address."""
    for kind in METHODS.values():
        if not hasattr(kind, "for_shape"):
            assert repr(kind()) == repr(kind())


def test_settings_chosen_by_this_project_are_called_so() -> None:
    """A docstring that says a default "was chosen", without naming the authors, and the list agree."""
    said = {name for name, kind in METHODS.items() if re.search(r"(was|were) chosen (there|on\s+validation)", kind.__doc__ or "")}
    assert said == CHOSEN_HERE


def test_every_default_is_a_papers_or_said_to_be_chosen_here() -> None:
    assert {name for name, kind in METHODS.items() if not names_a_paper(kind.__doc__ or "")} - CHOSEN_HERE == set()


def test_origins_are_told(tmp_path: Path) -> None:
    entrants = (
        Entrant("p", "soft_kmeans"), Entrant("v", "anchored_means"), Entrant("g", "class_mean", {"scale": 3.0}), Entrant("o", ClassMean()),
    )  # fmt: skip
    rows = arena(tmp_path, *entrants, cells=CELLS[:1])
    assert [row.origin for row in rows] == ["published", "validation classes", "given", "given"]
    changed, usual = rows[2].result, rows[3].result
    assert changed is not None
    assert usual is not None
    assert changed.nll.mean() != usual.nll.mean()


def training() -> dict[str, TrainingSet]:
    classes = clusters(12, per_class=25, dim=8, spread=2.0, seed=4)
    return {"near": TrainingSet(classes.of_classes(classes.class_names[:7]), classes.of_classes(classes.class_names[7:]))}


def test_learned_methods_are_trained_once_and_measured_through_their_checkpoints(tmp_path: Path) -> None:
    budget = Budget(MetaRecipe(4, 2, optimizer="adamw", validate_every=2), rates=(1e-3, 1e-2), n_query=3, validation_episodes=4)
    features = {"near": clusters(8, dim=8, spread=2.0)}
    cells = grid(["near"], shots=(1, 2), n_queries=(3,), episodes=4)
    names = ["class_mean", "prototypical", "sib"]
    steps: list[tuple[int, int]] = []
    trained = train_all(
        names, cells, training(), budget, tmp_path / "trained", lambda done, total, note: steps.append((done, total))
    )
    assert set(trained) == {("near", 5, shot, name) for shot in (1, 2) for name in ("prototypical", "sib")}
    assert steps[-1] == (32, 32)  # 2 shots × 2 methods × 2 rates × 4 iterations
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert train_all(names, cells, training(), budget, tmp_path / "trained") == trained
    assert stamps == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    rows = run_arena(features, cells, [Entrant(name, name) for name in names], tmp_path / "results", trained=trained)
    assert all(row.result is not None for row in rows)
    assert [row.origin.partition(",")[0] for row in rows[:3]] == ["published", "meta-trained", "meta-trained"]
    for row in rows[1:3]:
        folder = trained["near", 5, 1, row.name]
        assert isinstance(folder, Path)
        scores = [json.loads(line)["validation"] for line in (folder.parent / "progress.jsonl").read_text().splitlines()]
        assert row.origin.endswith("still improving") == (scores[-1] > max(scores[:-1]))


def test_training_leaves_no_trace_in_global_random_numbers(tmp_path: Path) -> None:
    budget = Budget(MetaRecipe(2, 1, optimizer="adamw", validate_every=1), n_query=2, validation_episodes=2)
    before = torch.get_rng_state()
    train_all(["prototypical"], grid(["near"], episodes=2), training(), budget, tmp_path)
    assert torch.equal(before, torch.get_rng_state())


def test_training_that_cannot_be_is_a_row(tmp_path: Path) -> None:
    cells = grid(["near"], ways=(6,), episodes=4)  # five validation classes
    trained = train_all(["prototypical"], cells, training(), Budget(), tmp_path)
    assert isinstance(trained["near", 6, 1, "prototypical"], SibylError)
    rows = run_arena(FEATURES, cells, [Entrant("prototypical", "prototypical")], tmp_path, trained=trained)
    assert "6 classes" in rows[0].failure


def test_training_and_validation_classes_differ() -> None:
    with pytest.raises(DataError, match="share 8 classes"):
        TrainingSet(FEATURES["near"], FEATURES["far"])


def test_the_standing_table_is_the_one_that_was_asked_for() -> None:
    names = ["cifar-fs-conv4-64", "omniglot-conv4-64", "clinc150-minilm", "photos-squeezenet"]
    cells = PROTOCOLS["standing"](names)
    assert len(set(cells)) == len(cells)
    plain = [cell for cell in cells if not cell.outlier_share]
    for name in names:
        shapes = {(cell.shot, cell.mix) for cell in plain if (cell.features, cell.way, cell.episodes) == (name, 5, 1000)}
        assert shapes == {(shot, mix) for shot in (1, 5) for mix in ("balanced", "dirichlet:2", "dirichlet:0.5", "one-class")}
    assert {(cell.features, cell.episodes) for cell in cells if cell.way == 20} == {("omniglot-conv4-64", 200)}
    assert {cell.outlier_share for cell in cells} == {0.0, 0.25}
    assert {cell.features for cell in cells if cell.outlier_share} >= set(names[:2])
    for protocol in ("shots", "skew", "unlabelled"):
        assert len(PROTOCOLS[protocol](names[:1])) > 4


def test_a_method_that_takes_the_training_classes_mean_gets_it_where_it_is_known(tmp_path: Path) -> None:
    mean = tuple(float(value) for value in FEATURES["near"].matrix.mean(0))
    cells = CELLS[:1] + CELLS[4:5]
    assert {cell.features for cell in cells} == {"near", "far"}
    with_mean = arena(tmp_path, Entrant("simple_shot", "simple_shot"), cells=cells, base_means={"near": mean})
    asked = [Entrant("simple_shot", "simple_shot", {"origin": mean}), Entrant("simple_shot", "simple_shot")]
    for row, entrant in zip(with_mean, asked, strict=True):
        alone = arena(tmp_path / "alone", entrant, cells=(row.cell,))[0]
        assert row.result is not None
        assert alone.result is not None
        assert np.array_equal(row.result.accuracy, alone.result.accuracy)
    other = Entrant("class_mean", "class_mean").method(cells[0], len(mean), {}, mean)
    assert other == ClassMean()
