"""Few threads, and none that spins: whatever the environment says."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from sibyl import threads
from sibyl.threads import side_by_side, torch_threads

IN_A_CHILD = """
import os, warnings
import numpy as np
from sibyl import SIBClassifier

warnings.simplefilter("ignore")  # of forking
draw = np.random.default_rng(0)
X, y = draw.normal(size=(600, 48)) + np.arange(600)[:, None] % 3, np.where(np.arange(600) < 9, np.arange(600) % 3, -1)
before = len(os.listdir("/proc/self/task"))
fitted = SIBClassifier().fit(X, y)
fitted.predict(X)
assert len(os.listdir("/proc/self/task")) == before, "threads were started"
child = os.fork()
if not child:
    os._exit(int((SIBClassifier().fit(X, y).transduction_ != fitted.transduction_).any()))
assert os.waitpid(child, 0)[1] == 0
print("well")
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads as Linux lists them")
def test_a_fit_starts_no_thread_and_a_forked_child_can_fit() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")} | {
        "OMP_NUM_THREADS": "4"
    }
    done = subprocess.run([sys.executable, "-c", IN_A_CHILD], env=environment, capture_output=True, text=True, timeout=240)
    assert done.stdout == "well\n", done.stderr


def test_parts_are_run_side_by_side_on_one_thread_each_and_come_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def run(part: Sequence[int]) -> np.ndarray:
        seen.append((len(part), torch.get_num_threads()))
        return np.array(part, np.float32)[:, None]

    monkeypatch.setattr(threads, "n_cores", lambda: 3)
    with torch_threads(2):
        for n_items in (1, 2, 7, 9):
            assert side_by_side(run, list(range(n_items)))[:, 0].tolist() == list(range(n_items))
        assert torch.get_num_threads() == 2
    assert {one for _, one in seen} == {1}
    assert sorted(size for size, _ in seen) == [1, 1, 1, 1, 3, 3, 3, 3, 3]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep what is freed in their own way")
def test_memory_that_is_freed_is_kept_for_the_next_request() -> None:
    """Without it, each page of each block is a fault, and a pile takes half as long again."""
    code = (
        "import resource, torch, sibyl.threads as threads\n"
        "def faults():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    for _ in range(100): (torch.zeros(1 << 20), torch.zeros(1 << 20))\n"  # two blocks of 4 MB live at once
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "before = faults()\n"
        "with threads.torch_threads(): pass\n"
        "faults()\n"
        "print(before, faults())\n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after < 2_000  # 200 blocks are some 200,000 pages of 4 kB
    assert before == 0 or after <= before
