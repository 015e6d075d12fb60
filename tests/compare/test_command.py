"""`sibyl compare` from the command line: files, figures, second run, mistakes."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

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
        (["--methods", "soft_kmeans"], "class_mean"),  # the baseline is not among them
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
