"""What a command imports before it works: slow libraries only where they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

SLOW = (
    "scipy.signal",
    "scipy.stats",
    "scipy.cluster",
    "sklearn",
    "matplotlib",
    "onnxruntime",
    "onnx",
    "numba",
    "soundfile",
    "transformers",
)


def imported(module: str, names: tuple[str, ...]) -> list[str]:
    code = f"import sys, {module}; print(*[name for name in {names!r} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_labelling_imports_nothing_slow_but_torch_and_pandas() -> None:
    assert imported("sibyl.labeling.label, sibyl.labeling.next_labels", SLOW) == []


@pytest.mark.parametrize(
    "module", ["sibyl", "sibyl.cli.app", "sibyl.storage", "sibyl.folders", "sibyl.errors", "sibyl.wording", "sibyl.reviewing.app"]
)
def test_paths_and_help_need_no_torch(module: str) -> None:
    assert imported(module, ("torch", "pandas", "scipy", *SLOW)) == []
