"""A real browser for tests of pages: Chromium from the system, driven by playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)

if CHROMIUM is None and os.environ.get("SIBYL_NEEDS_CHROMIUM"):
    raise RuntimeError("SIBYL_NEEDS_CHROMIUM is set, but there is no Chromium: apt-get install chromium")

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="CHROMIUM ABSENT: pages are only parsed, not driven (apt-get install chromium)"
)


@contextmanager
def browser() -> Iterator[Browser]:
    """Open headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        # Root has no sandbox, and a container little shared memory.
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield opened
        finally:
            opened.close()
