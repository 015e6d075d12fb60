"""`sibyl compare` from the command line: files, figures, second run, mistakes."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from sibyl.cli.app import main
from sibyl.methods import METHODS, LearnedMethod
from sibyl.methods.checkpoint import save_method
from sibyl.methods.named import shipped_methods, untrained
from tests.synthetic import clusters


def run(*words: object) -> tuple[int, str, str]:
    """Run `sibyl compare` in this process: torch is imported once."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["sibyl", "compare", *map(str, words)])
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    assert isinstance(code, int)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    everything = clusters(18, per_class=30, dim=8, spread=2.0)
    for name, part in (("test", slice(0, 6)), ("train", slice(6, 12)), ("val", slice(12, 18))):
        everything.of_classes(everything.class_names[part]).save(folder / name)
    save_method(folder / "sib.safetensors", untrained("sib", 8, 5))
    return folder


def test_table_files_and_a_second_run(folder: Path, tmp_path: Path) -> None:
    words = [
        f"clusters={folder / 'test'}", "--methods", f"class_mean,soft_kmeans,mine={folder / 'sib.safetensors'}", "--shot", "1,5",
        "--mix", "balanced,dirichlet:1", "--episodes", 6, "--out", tmp_path / "out", "--cache", tmp_path / "cache", "--reference", "mine",
    ]  # fmt: skip
    code, out, err = run(*words)
    assert code == 0, err
    assert "clusters: 5-way, 1-shot, balanced, 6 episodes" in out
    assert "relative gain of mine" in out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "compare.md", "compare.tex", "compare.json", "compare_shot.png", "compare_mix.png",
    }  # fmt: skip
    first = (tmp_path / "out" / "compare.json").read_bytes()
    assert run(*words)[0] == 0
    assert (tmp_path / "out" / "compare.json").read_bytes() == first  # all from the cache, times included


def test_a_comparison_on_other_features_is_not_replaced(folder: Path, tmp_path: Path) -> None:
    words = ["--methods", "class_mean", "--episodes", 2, "--cache", tmp_path / "cache", "--out", tmp_path / "out"]
    assert run(f"mine={folder / 'test'}", *words)[0] == 0
    kept = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    code, _, err = run(f"other={folder / 'test'}", *words)
    assert code == 2
    assert "compare.json holds a comparison on mine, which this one would replace; choose another --out" in err
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == kept
    assert run(f"mine={folder / 'test'}", f"other={folder / 'test'}", *words)[0] == 0  # more of the same is no loss
    for name, text, told in (
        ("compare.json", "[1]", "is not of a comparison by sibyl"),
        ("compare.md", "my notes", "no compare.json says"),
    ):
        there = tmp_path / name.replace(".", "-")
        there.mkdir()
        (there / name).write_text(text)
        code, _, err = run(f"mine={folder / 'test'}", *words[:-1], there)
        assert code == 2
        assert told in err
        assert [path.read_text() for path in there.iterdir()] == [text]


def test_json_alone_on_standard_output(folder: Path, tmp_path: Path) -> None:
    words = [
        folder / "test",
        "--methods",
        "class_mean,soft_kmeans",
        "--episodes",
        4,
        "--outliers",
        "0.2",
        "--out",
        tmp_path / "out",
    ]
    code, out, _ = run(*words, "--cache", tmp_path / "cache", "--json")
    assert code == 0
    cells = json.loads(out)["cells"]
    assert [cell["features"] for cell in cells] == ["test"]
    assert {"accuracy", "interval", "auroc", "ece", "nll", "tasks_per_second", "peak_memory_mb"} <= set(cells[0]["rows"][0])


def test_learned_methods_are_trained_where_classes_are_given(folder: Path, tmp_path: Path) -> None:
    words = [folder / "test", "--train", folder / "train", "--validation", folder / "val", "--methods", "class_mean,prototypical"]
    code, out, err = run(*words, "--iterations", 3, "--query", 4, "--episodes", 4, "--out", tmp_path, "--cache", tmp_path, "--json")
    assert code == 0, err
    row = json.loads(out)["cells"][0]["rows"][1]
    assert (row["method"], row["settings"]) == ("prototypical", "meta-trained")
    assert "3 iterations of 4 balanced episodes" in (tmp_path / "compare.md").read_text()


def test_all_names_what_it_leaves_out(folder: Path, tmp_path: Path) -> None:
    code, out, err = run(folder / "test", "--episodes", 2, "--query", 3, "--out", tmp_path, "--cache", tmp_path, "--json")
    assert code == 0, err
    learned = {name for name, kind in METHODS.items() if issubclass(kind, LearnedMethod)} - set(shipped_methods())
    rows = json.loads(out)["cells"][0]["rows"]
    assert {row["method"] for row in rows} == set(METHODS) - learned
    assert all("failure" not in row for row in rows)
    assert all(name in err for name in learned)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--methods", "class_mean,sofd_kmeans"], "soft_kmeans"),
        (["--methods", "soft_kmeans", "--baseline", "clas_mean"], "class_mean"),
        (["--methods", "tim:suport_weight=1"], "suport_weight"),
        (["--methods", "nowhere_at_all:Method"], "nowhere_at_all cannot be imported"),
        (["--methods", "json:JSONEncoder"], "is not a method"),
        (["--shot", "one"], "--shot"),
        (["--way", "5,5"], "--way"),
        (["--mix", "skewed"], "dirichlet:A"),
        (["--way", "40"], "40-way"),
        (["--outliers", "2"], "outlier_share"),
        (["--train", "{folder}/train"], "--validation"),
        (["--train", "{folder}/train", "--validation", "{folder}/train"], "share 6 classes"),
        (["{folder}/test"], "named 'test'"),
        (["{folder}/nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(folder: Path, tmp_path: Path, change: list[str], said: str) -> None:
    words = [word.format(folder=folder) for word in change]
    arguments = [
        folder / "test",
        "--methods",
        "class_mean,soft_kmeans",
        "--episodes",
        2,
        "--out",
        tmp_path / "out",
        "--cache",
        tmp_path,
    ]
    code, out, err = run(*arguments, *words)
    assert code == 2, (out, err)
    assert said in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_help_shows_an_example_and_does_not_load_torch() -> None:
    code, out, _ = run("--help")
    assert code == 0
    assert "Example: sibyl compare" in " ".join(out.split())


def test_the_baseline_joins_the_methods(folder: Path, tmp_path: Path) -> None:
    rows = measured(folder / "test", "--methods", "soft_kmeans", tmp_path=tmp_path)
    assert [row["method"] for row in rows] == ["class_mean", "soft_kmeans"]


def test_settings_on_the_command_line(folder: Path, tmp_path: Path) -> None:
    rows = measured(folder / "test", "--methods", "class_mean,class_mean:scale=3,hot=class_mean:scale=0.5", tmp_path=tmp_path)
    assert [(row["method"], row["settings"]) for row in rows] == [
        ("class_mean", "published"),
        ("class_mean:scale=3", "given"),
        ("hot", "given"),
    ]
    assert len({row["nll"] for row in rows}) == 3


def test_digits_need_no_file(tmp_path: Path) -> None:
    rows = measured("digits", "--methods", "class_mean", tmp_path=tmp_path)
    assert rows[0]["accuracy"] > 0.5


OWN = """
from dataclasses import dataclass
from typing import ClassVar
from sibyl.methods import Method, Traits
from sibyl.methods.class_mean import ClassMean

@dataclass(frozen=True)
class Mine(Method):
    \"\"\"Class means at my scale.\"\"\"
    scale: float = 2.0
    name: ClassVar[str] = "my_means"
    traits: ClassVar[Traits] = ClassMean.traits

    def solve(self, task, class_prior=None):
        return ClassMean(self.scale).solve(task)
"""


def test_a_method_of_ones_own_needs_no_line_in_the_package(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_own_module.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    words = "class_mean,my_own_module:Mine,hot=my_own_module:Mine:scale=9"
    try:
        rows = measured(folder / "test", "--methods", words, tmp_path=tmp_path)
    finally:
        METHODS.pop("my_means", None)
    assert [(row["method"], row["settings"]) for row in rows[1:]] == [("my_means", "own defaults"), ("hot", "given")]
    assert str(tmp_path) not in sys.path


def measured(*words: object, tmp_path: Path) -> list[dict[str, Any]]:
    """Run the command on two episodes and return the rows of its only cell."""
    where = ("--out", tmp_path / "out", "--cache", tmp_path / "cache")
    code, out, err = run(*words, "--episodes", 2, "--query", 3, *where, "--json")
    assert code == 0, err
    rows: list[dict[str, Any]] = json.loads(out)["cells"][0]["rows"]
    return rows
