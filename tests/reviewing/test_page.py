"""The page in a real browser: a person labels with keys alone, on a wide screen and a phone; axe-core finds nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from sibyl.reviewing.teaching import PER_CLASS
from tests.browser import browser, needs_chromium
from tests.reviewing.serving import PATIENCE, Served, served, ten_clusters

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = needs_chromium
WAIT = PATIENCE * 1000
VIEWS = ("start", "next", "class", "changed", "new", "map", "search", "trust", "history")


@pytest.fixture(scope="module")
def pile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """2,000 rows of ten kinds, of which one has a name that means harm."""
    folder = tmp_path_factory.mktemp("page")
    truth = ten_clusters(folder / "pile.npz", n=2000, k=10, dim=24, seed=1, spread=0.45)
    return folder, {item: "<b>fig</b> & \u202eco" if kind == "fig" else kind for item, kind in truth.items()}


@pytest.fixture(scope="module")
def server(pile: tuple[Path, dict[str, str]]) -> Iterator[Served]:
    folder, _ = pile
    with served(folder / "pile.npz", "--out", folder / "out") as one:
        one.ready()
        yield one


def opened(
    chromium: Browser, server: Served, width: int = 1440, height: int = 900, scheme: str = "light"
) -> tuple[Page, list[str]]:
    """Open the page; what goes wrong in it is noted."""
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith(f"http://{server.host}/") else None)
    page.goto(server.address)
    page.wait_for_selector("body.ready", timeout=WAIT)
    return page, wrong


def settled(server: Served) -> Any:
    return server.until(lambda session: session["solved"] >= session["revision"])


class Keys:
    """Presses keys and counts them."""

    def __init__(self, page: Page) -> None:
        self._page, self.count = page, 0

    def press(self, key: str) -> None:
        self._page.keyboard.press(key)
        self.count += 1

    def type(self, word: str) -> None:
        for letter in word:
            self._page.keyboard.insert_text(letter) if ord(letter) > 127 else self.press(letter)
        self.press("Enter")


def test_a_person_labels_with_keys_alone(server: Served, pile: tuple[Path, dict[str, str]]) -> None:
    folder, truth = pile
    names = server.json("/api/items?rows=" + ",".join(map(str, server.json("/api/session")["first"])))
    name_of = {item["row"]: item["name"] for item in names}
    with browser() as chromium:
        page, wrong = opened(chromium, server)
        keys = Keys(page)
        page.wait_for_selector(".sheet .cell.at", timeout=WAIT)
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "First items"
        first = page.locator(".sheet .cell.at").first
        spoken = name_of[int(first.get_attribute("data-row") or -1)]
        page.wait_for_function(
            "name => document.querySelector('.sheet .cell.at').ariaLabel.startsWith(name + ', ')", arg=spoken, timeout=WAIT
        )
        for _ in range(24):
            row = int(page.locator(".sheet .cell.at").first.get_attribute("data-row") or -1)
            keys.type(truth[name_of[row]])
            page.wait_for_timeout(40)
        page.wait_for_selector("body[data-view=next] .card[data-row]", timeout=WAIT)
        session = settled(server)
        assert session["counts"]["taught"] == 24
        assert page.locator("b:has-text('fig')").count() == 0  # a name is a text

        def answer(before: int) -> tuple[int, str]:
            page.wait_for_selector(f".card[data-row]:not([data-row='{before}'])", timeout=WAIT)
            page.wait_for_timeout(250)
            card = page.locator(".card[data-row]")
            row = int(card.get_attribute("data-row") or -1)
            item = str(server.json(f"/api/items?rows={row}")[0]["name"])
            wanted = truth[item]
            first = card.locator(".option.first .name")
            if card.get_attribute("data-audit") == "true":
                keys.press("Enter")  # a check takes no Enter
                assert int(card.get_attribute("data-row") or -1) == row
                assert first.count() == 0
            if first.count() and first.inner_text() == wanted:
                keys.press("Enter")
            else:
                place = [one["name"] for one in server.json("/api/session")["classes"]].index(wanted)
                keys.press(str((place + 1) % 10)) if place < 10 else keys.type(wanted)
            return row, item

        page.wait_for_timeout(500)
        before = keys.count
        row, items = -1, []
        for _ in range(11):
            row, item = answer(row)
            items.append(item)
        assert len(set(items)) == 11
        page.wait_for_timeout(500)
        session = settled(server)
        assert session["counts"]["taught"] == 35
        assert session["checked"]["of"] >= 2  # every fifth of eleven
        assert keys.count - before <= 2 * 11
        page.wait_for_function(r"/\d guess(es)? followed/.test(document.querySelector('.did').textContent)", timeout=WAIT)  # 0, too

        # Undo, redo.
        keys.press("Backspace")
        server.until(lambda now: now["counts"]["taught"] == 34)
        keys.press("Control+Shift+Z")
        server.until(lambda now: now["counts"]["taught"] == 35)

        # A class: from the first to the last right one, confirmed at once.
        settled(server)
        page.locator("#classes li").first.click()
        page.wait_for_selector("body[data-view=class] .sheet .cell.at", timeout=WAIT)
        page.wait_for_timeout(500)
        for _ in range(3):
            keys.press("Shift+ArrowRight")
        assert page.locator("#bar .lead").inner_text() == "4 items chosen"
        keys.press("Enter")
        session = server.until(lambda now: now["counts"]["confirmed"] == 4)
        (chosen,) = (one for one in session["classes"] if one["confirmed"])

        # Every view opens, and the last actions are told.
        for place, view in enumerate(VIEWS, 1):
            keys.press(f"Alt+{place}")
            page.wait_for_selector(f"body[data-view={view}]", timeout=WAIT)
            page.wait_for_timeout(300)
        assert "confirmed" in page.locator(".history").inner_text()
        keys.press("Control+e")
        keys.press("Enter")
        page.wait_for_selector("dialog li", timeout=WAIT)
        assert wrong == []
    table = pd.read_csv(folder / "out" / "labels.csv", keep_default_na=False)
    # Of what is confirmed, as many teach as leave the class at five examples; the rest is final without teaching.
    n_teach = min(4, max(0, PER_CLASS - chosen["taught"]))
    statuses = table["status"].value_counts()
    assert statuses["example"] == 35 + n_teach
    assert statuses.get("confirmed", 0) == 4 - n_teach
    assert np.mean(table["label"] == table["item"].map(truth)) > 0.9


def sent_as_if(revision: int) -> Callable[[Route], None]:
    """Send an action as a page that has not heard of anything since."""
    return lambda route: route.continue_(post_data={**(route.request.post_data_json or {}), "saw": revision})


def test_what_is_not_saved_as_asked_is_told(server: Served) -> None:
    """A full disk, a slow line, another tab: a label jumps back, or the person is asked."""
    kinds = ["apple", "banana"]
    for row, name in zip(server.json("/api/session")["first"][-2:], kinds, strict=True):
        server.act("teach", [row], name)
    with browser() as chromium:
        page, _ = opened(chromium, server)
        page.keyboard.press("Alt+7")
        page.wait_for_selector("body[data-view=search] .sheet .cell.at", timeout=WAIT)
        page.wait_for_timeout(500)

        def name_it(name: str) -> int:
            """Name the first item of the search."""
            page.locator(".sheet").first.focus()
            page.keyboard.press("Home")
            row = int(page.locator(".sheet .cell.at").first.get_attribute("data-row") or -1)
            page.keyboard.type(name)
            page.keyboard.press("Enter")
            return row

        def label_of(row: int) -> str:
            place = int(server.columns()["label"][row]) if server.columns()["status"][row] else -1
            return str(server.json("/api/session")["classes"][place]["name"]) if place >= 0 else ""

        taught = server.json("/api/session")["counts"]["taught"]
        refusal = '{"error": "cannot be written (No space left on device); the label is not saved"}'
        page.route(
            "**/api/actions", lambda route: route.fulfill(status=400, content_type="application/json", body=refusal), times=1
        )
        row = name_it("apple")
        page.get_by_text("No space left on device").first.wait_for(timeout=WAIT)
        page.wait_for_selector(f".cell[data-row='{row}'][data-status='0']", timeout=WAIT)
        assert server.json("/api/session")["counts"]["taught"] == taught

        # Another tab was there first: keep theirs, then keep mine.
        for answer, name in (("Keep theirs", "apple"), ("Keep mine", "banana")):
            before = server.json("/api/session")["revision"]
            server.act("teach", [row], "apple")
            server.act("clear", [row])
            server.act("teach", [row], "apple")
            page.route("**/api/actions", sent_as_if(before), times=1)
            name_it("banana")
            page.get_by_text("another tab or file says apple, you say banana").wait_for(timeout=WAIT)
            page.get_by_role("button", name=answer).click()
            page.wait_for_selector("dialog", state="detached", timeout=WAIT)
            page.wait_for_timeout(300)
            page.evaluate("import('/static/net.js').then((net) => net.allSent())")
            assert label_of(row) == name

        # Undo takes back what was done last, though it is still on its way.
        slow = """() => { const real = window.fetch; window.fetch = (path, options) => (String(path).endsWith('api/actions')
            ? new Promise((done) => setTimeout(done, 500)).then(() => real(path, options)) : real(path, options)); }"""
        page.evaluate(slow)
        name_it("apple")
        page.locator(".sheet").first.focus()
        page.keyboard.press("Backspace")
        page.get_by_text("undone: taught apple").first.wait_for(timeout=WAIT)
        assert label_of(row) == "banana"


def test_a_label_waits_for_a_server_that_was_killed(tmp_path: Path) -> None:
    ten_clusters(tmp_path / "pile.npz", n=60, k=2, dim=4)
    out = tmp_path / "out"
    with browser() as chromium:
        with served(tmp_path / "pile.npz", "--out", out) as server:
            server.ready()
            page, _ = opened(chromium, server)
            page.wait_for_selector(".sheet .cell.at", timeout=WAIT)
            page.keyboard.type("apple")
            page.keyboard.press("Enter")
            server.until(lambda now: now["counts"]["taught"] == 1)
            server.kill()
            page.keyboard.type("banana")
            page.keyboard.press("Enter")
            page.wait_for_selector("#banner.lost", timeout=WAIT)
            assert "1 label kept here" in page.locator("#banner").inner_text()
        with served(out) as again:  # the folder knows its pile, its port and its token: the open page goes on by itself
            assert again.address == server.address
            again.until(lambda now: now["ready"] and now["counts"]["taught"] == 2)
            page.wait_for_selector("#banner", state="hidden", timeout=WAIT)
            again.solved(again.json("/api/session")["revision"])  # and shows the guesses that came since
            page.wait_for_selector(".cell[data-status='0'] .cap.guess", timeout=WAIT)


@pytest.mark.parametrize(("width", "height", "scheme"), [(1440, 900, "light"), (390, 844, "dark")])
def test_axe_finds_nothing_and_nothing_sticks_out(server: Served, width: int, height: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with browser() as chromium:
        page, wrong = opened(chromium, server, width, height, scheme)
        found = []
        for place, view in enumerate(VIEWS, 1):
            page.keyboard.press(f"Alt+{place}")
            page.wait_for_selector(f"body[data-view={view}]", timeout=WAIT)
            page.wait_for_timeout(700)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, view
            for violation in Axe().run(page).response["violations"]:
                nodes = [node["html"][:160] for node in violation["nodes"][:3]]
                found.append((view, violation["id"], nodes))
        assert found == []
        assert wrong == []
