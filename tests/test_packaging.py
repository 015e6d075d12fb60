"""What surrounds the package: floors in one place, links for the index, the Space's function, the notebook, the workflows."""

from __future__ import annotations

import json
import re
import runpy
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from sklearn.datasets import load_wine

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA = {"pytorch": "torch", "matplotlib-base": "matplotlib"}


def test_the_conda_recipe_needs_what_the_package_needs() -> None:
    recipe = (ROOT / "recipe" / "meta.yaml").read_text(encoding="utf-8")
    lines = re.search(r"  run:\n    - python (.*)\n((?:    - .*\n)+)", recipe)
    assert lines
    assert lines[1] == PROJECT["requires-python"]
    run = [line.removeprefix("    - ").split(" ") for line in lines[2].splitlines()]
    assert sorted(CONDA.get(name, name) + floor for name, floor in run) == sorted(PROJECT["dependencies"])
    assert f'version = "{PROJECT["version"]}"' in recipe


def test_every_place_names_one_version() -> None:
    import sibyl

    assert f"\nversion: {PROJECT['version']}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert sibyl.__version__ == PROJECT["version"]


def test_links_become_absolute_for_the_index() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "absolute_links.py"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    text = script["absolute"](readme, "https://forge.test/team/sibyl/", "v1")
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    assert len(targets) == len(re.findall(r"\]\(([^)\s]+)\)", readme))
    assert all(re.match(r"https?:|#", target) for target in targets)
    assert "![" not in text or "https://forge.test/team/sibyl/raw/v1/docs/" in text
    described = tomllib.loads(
        script["with_repository"]((ROOT / "pyproject.toml").read_text(encoding="utf-8"), "https://forge.test/a")
    )
    assert described["project"]["urls"]["Issues"] == "https://forge.test/a/issues"
    assert described["project"]["urls"]["Paper"].startswith("https://arxiv.org/")


def test_the_space_labels_a_table_and_says_what_is_wrong(tmp_path: Path) -> None:
    label_table = runpy.run_path(str(ROOT / "space" / "app.py"))["label_table"]
    wine = load_wine(as_frame=True).frame
    kinds = wine.pop("target").map({0: "barolo", 1: "grignolino", 2: "barbera"})
    wine.assign(kind=kinds.where(~kinds.duplicated(), "")).to_csv(tmp_path / "wine.csv", index=False)
    labels, report, message = label_table(str(tmp_path / "wine.csv"), " kind ")
    assert message == "3 rows were labelled, 175 more are now."
    assert len(pd.read_csv(labels)) == 178
    assert Path(report).is_file()
    assert label_table(str(tmp_path / "wine.csv"), "kin")[:2] == ("", "")
    assert "no column 'kin'" in label_table(str(tmp_path / "wine.csv"), "kin")[2]


@pytest.mark.slow
def test_the_notebook_runs() -> None:
    cells = json.loads((ROOT / "docs" / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    right, alone = map(float, re.findall(r"([\d.]+)%", done.stdout.splitlines()[0]))
    assert right > alone
    assert "'report.html'" in done.stdout


@pytest.mark.parametrize("name", [".ci/run", "runs/lowest.sh"])
def test_scripts_can_be_run(name: str) -> None:
    assert (ROOT / name).stat().st_mode & stat.S_IXUSR
    subprocess.run(["bash", "-n", str(ROOT / name)], check=True)
