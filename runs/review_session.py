"""A scripted person labels 10,000 items in ``sibyl review`` by keys alone, from the first name to the written labels.

    python runs/review_session.py [--items 10000] [--kinds 10] [--columns 64] [--out results]

A real server, a real Chromium, a real solver; no mouse. The person names the first grid, answers the queue (amid it the server is killed and
started again, and a label is given while it is away), names the largest heap of items unlike every class, confirms each class up to its first
wrong item, takes one action back and does it again, reads how right it is, and writes the labels. The pile is made: clusters of features with
names, one kind rarer than the others. Writes ``review_session.md`` and ``.json``. The labels that were written are compared with those of
``sibyl label`` with the same examples.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from experiment import RESULTS, write_record
from review import Person
from review_session_page import page_of

import sibyl
from sibyl.storage import write_text

if TYPE_CHECKING:
    from playwright.sync_api import Page

WORDS = (
    "apple",
    "banana",
    "cherry",
    "damson",
    "elder",
    "fig",
    "grape",
    "hazel",
    "iris",
    "juniper",
    "kiwi",
    "lemon",
    "mango",
    "nettle",
)
FIRST, QUEUE = 24, 40
RARE = 0.2  # how frequent the last kind is, compared with the others
READY = "async () => (await (await fetch('api/session')).json()).ready"
PART = "Named in the first grid", "Answered in the queue", "A heap named", "Classes confirmed", "Undo, redo, trust, finish"


def make(path: Path, n: int, k: int, dim: int) -> list[str]:
    """Write clusters of features with names; return the kind of each row."""
    draw = np.random.default_rng(0)
    shares = np.ones(k)
    shares[-1] = RARE
    kinds = draw.choice(k, n, p=shares / shares.sum())
    rows = draw.standard_normal((k, dim))[kinds] + 1.3 * draw.standard_normal((n, dim))
    np.savez(path, features=rows.astype(np.float32), ids=np.array([f"item {row:06}" for row in range(n)]))
    return [WORDS[kind] for kind in kinds]


@contextmanager
def serving(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start ``sibyl review``, and end it as Ctrl+C does."""
    command = [sys.executable, "-c", "from sibyl.cli.app import main; main()", "review", *map(str, arguments), "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield server, server.stdout.readline().split()[1]
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGINT)
        server.wait()


class Keyboard(Person):
    """A person who goes through all views; what each part took is noted.

    Parameters
    ----------
    page : Page
        Of the browser.
    truth : list of str
        Kind of each row.
    """

    def __init__(self, page: Page, truth: list[str]) -> None:
        super().__init__(page, truth, [])
        self.page = page
        self.parts: list[dict[str, Any]] = []
        self._begun = (time.perf_counter(), 0)

    def done(self, part: str) -> None:
        """Note keys and seconds since the part before, and how right the whole pile is."""
        seen = self.settled()
        now = (time.perf_counter(), self.keys)
        counts = seen["counts"]
        self.parts.append({
            "part": part, "keys": now[1] - self._begun[1], "seconds": now[0] - self._begun[0], "right": self.right(seen),
            "labelled": counts["taught"] + counts["confirmed"],
        })  # fmt: skip
        print(self.parts[-1], flush=True)
        self._begun = now

    def view(self, place: int, name: str) -> None:
        """Open a view by its key."""
        self.press(f"Alt+{place}")
        self.page.wait_for_selector(f"body[data-view={name}]")
        self.page.wait_for_timeout(300)

    def name_first(self) -> None:
        """Name the items of the first grid."""
        row = -1
        for asked in range(FIRST):
            self.page.wait_for_selector(f'.sheet .cell.at:not([data-row="{row}"])')
            row = int(self.page.locator(".sheet .cell.at").first.get_attribute("data-row") or 0)
            guess = self.page.locator(f'.sheet .cell[data-row="{row}"] .cap.guess .name')
            self.answer(row, {}, enter=guess.inner_text() if guess.count() else "")
            if asked % 6 == 5:
                self.settled()
                self.page.wait_for_timeout(500)
        self.page.wait_for_selector('body[data-view="next"] .card[data-row]')

    def answer_queue(self, number: int, before: int = -1) -> int:
        """Answer so many items; return the row of the last."""
        for _ in range(number):
            self.page.wait_for_selector(f'.card[data-row]:not([data-row="{before}"])')
            card = self.page.locator(".card[data-row]")
            before = int(card.get_attribute("data-row") or 0)
            names = card.locator(".option .name").all_inner_texts()
            keys = dict(zip(names, card.locator(".option kbd").all_inner_texts(), strict=True))
            first = card.locator(".option.first .name")
            digits = {name: key for name, key in keys.items() if key.isdigit()}
            self.answer(before, digits, enter=first.inner_text() if first.count() else "")
        return before

    def name_heap(self) -> int:
        """Name the largest heap of items unlike every class: those of the kind that most of it are; return how many."""
        self.view(5, "new")
        self.page.wait_for_timeout(1500)
        if not self.page.locator(".sheet .cell.at").count():
            return 0
        rows = self.rows_of_grid()
        kinds = [self.truth[row] for row in rows]
        most = max(set(kinds), key=kinds.count)
        until = next((place for place, kind in enumerate(kinds) if kind != most), len(kinds))
        if not until:
            return 0
        self._focus_grid()
        self._extend(until)
        self.answer(rows[0], {})
        self.page.wait_for_timeout(300)
        return until

    def confirm(self, name: str, place: int) -> None:
        """Confirm a class up to its first wrong item."""
        self._focus_classes()
        self.press("Home", *["ArrowDown"] * place, "Enter")
        self.page.wait_for_selector(f'h2:text-is("{name}")')
        self.page.wait_for_timeout(300)
        rows = self.rows_of_grid()
        until = next((at for at, row in enumerate(rows) if self.truth[row] != name), len(rows))
        if until > 1:
            self._focus_grid()
            self._extend(until)
            self.press("Enter")
            self.page.wait_for_timeout(300)

    def rows_of_grid(self) -> list[int]:
        """Rows of the grid that is open, in their order."""
        rows: list[int] = self.page.evaluate("async () => (await import('/static/bar.js')).grid.rows")
        return rows

    def _extend(self, number: int) -> None:
        """Choose the first so many items of the grid, with few keys."""
        columns = int(self.page.evaluate("async () => (await import('/static/bar.js')).grid.columns"))
        total = len(self.rows_of_grid())
        if number == total:
            self.press("Shift+End")
            return
        pages, rest = divmod(number - 1, 4 * columns)
        down, right = divmod(rest, columns)
        self.press(*["Shift+PageDown"] * pages, *["Shift+ArrowDown"] * down, *["Shift+ArrowRight"] * right)

    def _focus_grid(self) -> None:
        self._tab_to("document.activeElement.classList.contains('sheet')", "Tab")

    def _focus_classes(self) -> None:
        self._tab_to("document.activeElement.matches('#classes ul')", "Shift+Tab")

    def _tab_to(self, there: str, key: str) -> None:
        for _ in range(20):
            if self.page.evaluate(there):
                return
            self.press(key)
        raise RuntimeError(f"{key} does not lead there: {there}")


def run(folder: Path, n: int, k: int, dim: int) -> dict[str, Any]:
    """Label a pile from the first name to the end."""
    from playwright.sync_api import sync_playwright

    truth, out = make(folder / "pile.npz", n, k, dim), folder / "out"
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(600_000)
        with serving(folder / "pile.npz", "--out", out) as (server, address):
            page.goto(address)
            page.wait_for_selector("body.ready .sheet .cell.at")
            person = Keyboard(page, truth)
            person.name_first()
            person.done(PART[0])
            row = person.answer_queue(QUEUE // 2)
            page.wait_for_timeout(500)
            server.kill()
            server.wait()
            row = person.answer_queue(1, row)  # a label while nobody listens: the page keeps it
        with serving(out):
            page.wait_for_selector("#banner", state="hidden")
            while not page.evaluate(READY):
                page.wait_for_timeout(200)
            person.settled()
            page.wait_for_timeout(500)
            person.answer_queue(QUEUE - QUEUE // 2 - 1, row)
            person.done(PART[1])
            heap = person.name_heap()
            person.done(PART[2])
            for place, name in enumerate(person.look()["classes"]):
                person.confirm(name, place)
            person.done(PART[3])
            person.press("Backspace")
            page.wait_for_timeout(1000)
            undone = page.locator("#status").inner_text()
            person.press("Control+Shift+Z")
            page.wait_for_timeout(1000)
            person.view(8, "trust")
            page.wait_for_selector(".figures")
            person.press("Control+e", "Enter")
            page.wait_for_selector("dialog li")
            person.done(PART[4])
            seen = person.look()
    table = pd.read_csv(out / "labels.csv", dtype=str, keep_default_na=False).set_index("item")
    right = table["label"].to_numpy() == np.array(truth)
    guessed = (table["status"] == "labelled").to_numpy()
    return {
        "items": n, "kinds": k, "columns": dim, "parts": person.parts, "keys": person.keys, "heap": heap, "undone": undone,
        "wrong by the person": int((~right & ~guessed).sum()), "right": float(right.mean()), "guesses right": float(right[guessed].mean()),
        "guessed": int(guessed.sum()), "checked": seen["checked"], "same as sibyl label": _same(folder, table), "load": os.getloadavg()[0],
        "cores": os.cpu_count(),
    }  # fmt: skip


def _same(folder: Path, mine: pd.DataFrame) -> bool:
    """Whether the guesses are those of ``sibyl label`` with the same examples, to the last digit."""
    examples = mine.loc[mine["status"] == "example", "label"]
    (folder / "examples.csv").write_text("item,label\n" + "".join(f"{item},{label}\n" for item, label in examples.items()))
    sibyl.label(folder / "pile.npz", folder / "examples.csv", out=folder / "by_hand")
    hand = pd.read_csv(folder / "by_hand" / "labels.csv", dtype=str, keep_default_na=False).set_index("item")
    guessed = mine.index[mine["status"] == "labelled"]
    return bool(len(guessed) and mine.loc[guessed].equals(hand.loc[guessed]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--kinds", type=int, default=10)
    parser.add_argument("--columns", type=int, default=64)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), options.items, options.kinds, options.columns)
    write_record(options.out / "review_session.json", ("sibyl-learn", "torch", "numpy"), **found)
    write_text(options.out / "review_session.md", page_of(found))


if __name__ == "__main__":
    main()
