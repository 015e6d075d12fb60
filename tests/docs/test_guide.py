"""The guide tells the truth: each page's snippets run in their order, and what its prose claims of them holds."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

import sibyl.estimators.transductive
from sibyl import Features
from sibyl.cli.app import app
from tests.encoders.tiny_onnx import write_tiny_encoder
from tests.estimators.few_labels import clusters

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guide"
PAGES = sorted(GUIDE.glob("*.md"))
COLOURS = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200]])


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder with what the pages name: photographs, an encoder, features of sentences."""
    draw = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(24):
        pixels = np.clip(COLOURS[number % 3] + draw.normal(0, 15, (10, 12, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number:02}.png")
    write_tiny_encoder(tmp_path / "encoder.onnx")
    X, y, _ = clusters()
    wines = pd.DataFrame(X, columns=[f"measure {column}" for column in range(X.shape[1])])
    colours = np.full(len(X), "", object)
    colours[[int(np.flatnonzero(y == kind)[0]) for kind in range(3)]] = ["red", "white", "rose"]
    wines.assign(label=colours).to_csv(tmp_path / "wines.csv", index=False)
    Features(X.astype(np.float32), y.astype(np.int64), ("book", "cancel", "pay")).save(tmp_path / "sentences")
    return tmp_path


def program(page: Path) -> str:
    """A page's snippets and checks, in their order."""
    found = re.findall(r"```python\n(.*?)```|<!-- check\n(.*?)-->", page.read_text(encoding="utf-8"), re.DOTALL)
    return "\n".join(snippet or check for snippet, check in found)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "README.md"], ids=lambda page: page.stem)
def test_a_page_runs_and_its_claims_hold(page: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = program(page)
    assert "assert" in code
    monkeypatch.chdir(workplace)
    exec(compile(code, page.name, "exec"), {"__name__": page.stem})


def commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            lines = (line.removeprefix("$ ").split("#")[0].strip() for line in block.splitlines())
            found += [(page.stem, line) for line in lines if line.startswith("sibyl ")]
    return found


@pytest.mark.parametrize(("page", "command"), commands())
def test_verbs_and_options_exist(page: str, command: str) -> None:
    words = command.split()
    helped = CliRunner().invoke(app, [words[1], "--help"], env={"COLUMNS": "400", "TERM": "dumb"})
    assert helped.exit_code == 0
    for option in (word for word in words if word.startswith("--")):
        assert option in helped.output, option


@pytest.mark.parametrize("module", [sibyl.estimators.transductive])
def test_examples_of_docstrings(module: ModuleType) -> None:
    done = doctest.testmod(module)
    assert done.attempted
    assert not done.failed


def test_every_page_is_listed_and_every_link_leads_somewhere() -> None:
    index = (GUIDE / "README.md").read_text(encoding="utf-8")
    for page in PAGES:
        assert page.name == "README.md" or f"({page.name})" in index
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("http") or (page.parent / target).exists(), (page.name, target)
