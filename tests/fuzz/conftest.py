"""Fuzz targets share the time that ``SIBYL_FUZZ_SECONDS`` gives to all of them together; without it, each takes a second."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fuzz import mutation

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    targets = sum(item.path.is_relative_to(_HERE) for item in items)
    total = os.environ.get("SIBYL_FUZZ_SECONDS")
    if total and targets:
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        mutation.seconds = float(total) * workers / targets
