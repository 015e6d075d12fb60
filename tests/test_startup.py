"""What a command imports before it works: slow libraries only where they are used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SLOW = (
    "scipy",
    "huggingface_hub",
    "sklearn",
    "matplotlib",
    "onnxruntime",
    "onnx",
    "numba",
    "llvmlite",
    "soundfile",
    "transformers",
)


def imported(module: str, names: tuple[str, ...]) -> list[str]:
    code = f"import sys, {module}; print(*[name for name in {names!r} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_labelling_imports_nothing_slow_but_torch_and_pandas() -> None:
    assert imported("sibyl.labeling.label, sibyl.labeling.next_labels", SLOW) == []


@pytest.mark.parametrize(
    "module",
    [
        "sibyl",
        "sibyl.cli.app",
        "sibyl.storage",
        "sibyl.folders",
        "sibyl.errors",
        "sibyl.messages",
        "sibyl.reviewing.app",
        "sibyl.encoders.catalogue",
    ],
)
def test_paths_and_help_need_no_torch(module: str) -> None:
    assert imported(module, ("torch", *(() if module == "sibyl.encoders.catalogue" else ("pandas",)), *SLOW)) == []


def test_the_time_that_is_told_counts_the_start(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32))
    code = (
        "import sys, time; real = time.perf_counter; late = [0]\n"
        "class Slow:\n"  # the import of pandas takes a thousand seconds by the clock of this process
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'pandas': late[0] = 1000\n"
        "sys.meta_path.insert(0, Slow()); time.perf_counter = lambda: real() + late[0]\n"
        "from sibyl.cli.app import main; main()"
    )
    job = ["label", "rows.npy", "--example", "a=1", "--example", "b=2", "--out", "out", "--json"]
    done = subprocess.run([sys.executable, "-c", code, *job], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert 1000 < json.loads(done.stdout)["seconds"] < 1600
