"""Words for messages, and the same words on the page of `sibyl review`."""

from __future__ import annotations

import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from sibyl.messages import percent

SHARES = (0.0, 0.004, 0.5, 0.95, 0.9849, 0.994, 0.9951, 0.9996, 0.99996, 1 - 2e-9, 1 - 1e-10, 1.0)


def test_less_than_certain_is_never_all() -> None:
    assert [percent(share) for share in (0.5, 0.994, 0.9951, 1 - 2e-9, 1.0)] == ["50 %", "99 %", "> 99 %", "> 99 %", "100 %"]
    assert [percent(share, 1) for share in (0.123, 0.9994, 0.9996, 1.0)] == ["12.3 %", "99.9 %", "> 99.9 %", "100.0 %"]


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_page_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "words.mjs").write_bytes(files("sibyl.reviewing").joinpath("page/words.js").read_bytes())
    code = (
        "import { percent } from './words.mjs';\n"
        f"for (const share of {list(SHARES)}) console.log(percent(share) + '|' + percent(share, 1));"
    )
    (tmp_path / "run.mjs").write_text(code)
    said = subprocess.run(["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said == [f"{percent(share)}|{percent(share, 1)}" for share in SHARES]
