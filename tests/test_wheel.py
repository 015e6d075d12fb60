"""The wheel, built from the checkout and installed into an empty folder: what is in it, and that it reads digits as the README says.

The libraries it needs are those of this environment; `runs/wheel.sh` does the same in a truly empty one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sibyl.storage import write_text

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
FIGURES = ROOT / "docs" / "figures.md"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder with the package alone, its dependencies left out."""
    target = tmp_path_factory.mktemp("empty") / "packages"
    words = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-compile", "--target", str(target), str(wheel)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def run(words: list[str], installed: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run words in `folder` with the installed package in front of the checkout, and nothing of the checkout by way of the folder."""
    surroundings = {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(words, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)


def test_it_holds_the_package_whole_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    ours = {name for name in names if not re.match(r"sibyl_learn-[^/]+\.dist-info/", name)}
    source = ROOT / "src"
    files = {path.relative_to(source).as_posix() for path in (source / "sibyl").rglob("*") if path.is_file()}
    assert ours == {name for name in files if "__pycache__" not in name and not name.endswith(".partial")}
    assert "sibyl/weights/methods/universal_sib.safetensors" in ours
    assert sum(name.endswith("licenses/LICENSE") for name in names) == 1


def test_it_declares_what_it_imports_and_nothing_of_development(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    needed = re.findall(r"^Requires-Dist: ([\w-]+)((?!extra ==).)*$", archive.read(name).decode(), re.MULTILINE)
    assert "torch" in {word for word, _ in needed}
    assert not {word for word, _ in needed} & {"pytest", "hypothesis", "ruff", "mypy", "hatchling", "beartype", "playwright"}


def test_installed_alone_it_reads_digits_to_the_readme_s_figures(installed: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-W", "error", str(ROOT / "runs" / "wheel_digits.py"), "--within", str(installed)]
    done = run([*words, "--figures", str(FIGURES)], installed, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "20 draws" in done.stdout


def test_figures_that_the_readme_does_not_have_are_refused(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script that holds the figures fails where they differ, and where the package comes from elsewhere."""
    import importlib.util

    specification = importlib.util.spec_from_file_location("wheel_digits", ROOT / "runs" / "wheel_digits.py")
    assert specification is not None
    assert specification.loader is not None
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    with pytest.raises(SystemExit, match="expected it below"):
        script.shipped(installed)
    text, n = re.subn(r"(pixels \| [\d.]+ ± [\d.]+ % \| )[\d.]+", r"\g<1>50.00", FIGURES.read_text(encoding="utf-8"))
    assert n == 1
    write_text(tmp_path / "figures.md", text)
    said = script.told(tmp_path / "figures.md", script.PIXELS)
    right = script.told(FIGURES, script.PIXELS)
    assert script.hold("digits", right, right, [0.5, 0.5])["measured"] == right
    with pytest.raises(SystemExit, match=r"figures.md says \[.*, 50.0\]"):
        script.hold("digits", right, said, [0.5, 0.5])


def test_its_command_and_the_readme_s_first_lines_run(installed: Path, tmp_path: Path) -> None:
    done = run([sys.executable, str(installed / "bin" / "sibyl"), "--help"], installed, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "label" in done.stdout
    snippet = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert snippet is not None
    where = (
        f"import sibyl; from pathlib import Path; assert Path(sibyl.__file__).is_relative_to({str(installed)!r}), sibyl.__file__\n"
    )
    done = run([sys.executable, "-W", "error", "-c", where + snippet[1]], installed, tmp_path)
    assert done.returncode == 0, done.stderr
    together, alone = map(float, done.stdout.split(" instead of "))
    assert together > alone
