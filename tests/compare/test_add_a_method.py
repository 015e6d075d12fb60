"""docs/add-a-method.md, followed to the letter in a copy of the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "add-a-method.md").read_text(encoding="utf-8")


def test_one_file_and_one_line_add_a_method(tmp_path: Path) -> None:
    example, line = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    place = re.search(r"This one is\s+`(src/sibyl/methods/\w+\.py)`", PAGE)
    assert place is not None
    assert line.count("\n") == 1
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    new, table = tmp_path / place[1], tmp_path / "src" / "sibyl" / "methods" / "__init__.py"
    assert not new.exists()
    new.write_text(example, encoding="utf-8")
    text = table.read_text(encoding="utf-8")
    first = text.index("from sibyl.methods.")
    lines = sorted([*re.findall(r"^from sibyl\.methods\..*\n", text, re.MULTILINE), line])
    table.write_text(text[:first] + "".join(lines) + text[text.index("\n__all__") :], encoding="utf-8")

    name = new.stem
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "src"), str(ROOT)]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/methods/test_contract.py", "-k", f"[{name}-"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None, done.stdout
    assert int(passed[1]) >= 11, done.stdout  # every check but those of traits that it does not declare

    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), str(new), str(table)], check=False
    )
    formatted = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--check", "--config", str(ROOT / "pyproject.toml"), str(new)], check=False
    )
    assert (checked.returncode, formatted.returncode) == (0, 0)


def test_the_page_s_command_line_is_right() -> None:
    from typer.testing import CliRunner

    from sibyl.cli.app import app

    commands = re.findall(r"^\$ sibyl (.*)$", PAGE, re.MULTILINE)
    assert commands
    for command in commands:
        helped = CliRunner().invoke(app, [command.split()[0], "--help"], env={"COLUMNS": "400", "TERM": "dumb"})
        assert all(word in helped.output for word in command.split() if word.startswith("--"))
