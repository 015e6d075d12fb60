"""The page in a browser: it is worked with by keys alone, keeps every correction, and can be read by everybody."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Literal

import pytest

from sibyl.labeling.label import label
from tests.browser import browser, needs_chromium


@needs_chromium
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_a_person_corrects_with_keys_alone(photos_page: Path, width: int, height: int) -> None:
    with browser() as opened:
        context = opened.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith(("file:", "data:")) else None)
        page.goto(photos_page.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width  # nothing sticks out
        pictures = page.evaluate("[...document.images].map(image => { image.loading = 'eager'; return image.src; })")
        assert pictures
        page.wait_for_function("[...document.images].every(image => image.complete && image.naturalWidth)", timeout=20000)

        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        assert page.locator("#look").evaluate("dialog => dialog.open")
        first = page.locator("#look-file").inner_text()
        page.keyboard.press("ArrowRight")
        item = page.locator("#look-file").inner_text()
        assert item != first
        page.locator("#look-class").focus()
        page.keyboard.press("Enter")
        assert page.locator("#look-said").inner_text() == "Type a class first."  # it does not go on silently
        assert page.locator("#look-file").inner_text() == item
        page.keyboard.type('new, "class"')
        page.keyboard.press("Enter")
        assert page.locator("#look-file").inner_text() != item  # it goes on by itself
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        assert page.locator("#traytext").inner_text() == "1 correction"
        with page.expect_download() as download:
            page.locator("#save").click()
        saved = Path(download.value.path()).read_text(encoding="utf-8")
        assert re.fullmatch(r"corrections-\d{8}-\d{6}-\w+\.csv", download.value.suggested_filename)
        assert download.value.suggested_filename in page.locator("#traytext").inner_text()  # and says so
        heading, (*made, when) = csv.reader(io.StringIO(saved))
        assert (heading, made) == (["item", "label", "when"], [item, 'new, "class"'])
        assert datetime.fromisoformat(when).tzinfo
        card = page.locator(".card.fixed").first
        assert card.locator(".name").text_content() == 'new, "class"'
        assert card.locator(".name").get_attribute("title") == 'new, "class"'
        assert card.locator(".sure").text_content() == "yours"  # not the confidence of the label that was wrong
        assert not card.locator(".meter").is_visible()
        assert page.locator(".class .card.fixed .name").first.is_visible()  # the new label, though the section is of the old class

        page.reload()  # corrections survive
        page.locator("#tray").wait_for()  # visible, once the page's script has run
        page.locator("#forget").click()
        assert not page.locator("#tray").is_visible()

        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.keyboard.press("t")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
        page.keyboard.press("/")
        page.keyboard.type("blue")
        assert page.locator(".class:visible").count() == 1
        page.keyboard.press("Escape")
        page.locator(".legend button").first.click()
        assert page.locator("#plane .p.on").count() < page.locator("#plane .p").count()
        assert wrong == []


@needs_chromium
def test_the_page_plays_a_clip_and_shows_all_cells(clips_page: Path, table_page: Path) -> None:
    with browser() as opened:
        page = opened.new_page()
        page.goto(clips_page.as_uri())
        page.locator(".card").first.click()
        page.wait_for_function("document.querySelector('#look-sound').duration > 0.9", timeout=20000)
        assert page.locator("#look-stage .wave").is_visible()
        page.goto(table_page.as_uri())
        page.locator(".card").first.click()
        assert page.locator("#look-stage .cells span").count() == 3
        assert not page.locator("#look-sound").is_visible()


@needs_chromium
def test_a_class_name_is_not_broken_within_a_word() -> None:
    style = files("sibyl.labeling").joinpath("page/report.css").read_text(encoding="utf-8")
    card = (
        '<button class="card text"><span class="line"><span class="name">{}</span><span class="sure">100 %</span></span></button>'
    )
    cards = "".join(f"<li>{card.format(name)}</li>" for name in ("b", "grignolino"))
    with browser() as opened:
        page = opened.new_page()
        page.set_content(f'<style>{style}</style><ol class="cards" style="width:8.2rem">{cards}</ol>')
        heights = [page.locator(".name").nth(one).evaluate("name => name.offsetHeight") for one in range(2)]
        assert heights[0] == heights[1] > 0


@needs_chromium
@pytest.mark.parametrize("stored", ["{", "null", "3", '{"a": 1}', '[[1], 2, null, ["x"], ["y", "old"], ["z", {"label": 3}]]'])
def test_a_corrupt_store_does_not_stop_the_page(photos_page: Path, stored: str) -> None:
    with browser() as opened:
        page = opened.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(photos_page.as_uri())
        page.evaluate("stored => localStorage.setItem('sibyl-corrections ' + location.pathname, stored)", stored)
        page.reload()
        page.locator(".card").first.click()
        assert page.locator("#look").evaluate("dialog => dialog.open")
        assert wrong == []


@needs_chromium
def test_two_browsers_and_two_windows_lose_no_correction(table_page: Path) -> None:
    """Twelve corrections of one browser, one of another: the next run counts thirteen, and the page forgets what was counted."""
    out = table_page.parent
    with browser() as opened:
        for number in (12, 1):
            context = opened.new_context(accept_downloads=True)
            windows = [context.new_page(), context.new_page()]
            for window in windows:
                window.goto(table_page.as_uri())
            for place in range(number):
                window = windows[place % 2]
                window.locator("#classes .card[data-kind=labelled]").nth(place + 12 * (number == 1)).click()
                window.locator("#look-class").fill("mended")
                window.locator("#look-set").click()
                window.keyboard.press("Escape")
            with windows[0].expect_download() as download:
                windows[0].locator("#save").click()
            download.value.save_as(out / download.value.suggested_filename)
        table = label(out.parent / "pile.csv", {str(row + 1): "abc"[row] for row in range(3)}, out=out)
        assert (table["source"] == "correction").sum() == 13
        windows[0].reload()
        assert not windows[0].locator("#tray").is_visible()
        taken = windows[0].locator("#classes .card[data-kind=correction]").first
        item = taken.get_attribute("data-item")
        taken.click()
        windows[0].locator("#look-set").click()  # an empty field takes a correction back
        windows[0].keyboard.press("Escape")
        with windows[0].expect_download() as download:
            windows[0].locator("#save").click()
        download.value.save_as(out / download.value.suggested_filename)
        table = label(out.parent / "pile.csv", {str(row + 1): "abc"[row] for row in range(3)}, out=out)
        assert item not in set(table.loc[table["source"] == "correction", "item"])
        assert (table["source"] == "correction").sum() == 12


CONTRASTS = """() => {
  const rgb = (colour) => { const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); return [...pen.getImageData(0, 0, 1, 1).data].map((v, i) => i < 3 ? v : v / 255); };
  const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const over = (top, below) => top.slice(0, 3).map((v, i) => v * top[3] + below[i] * (1 - top[3]));
  const behind = (node) => { const chain = []; for (let at = node; at; at = at.parentElement) chain.unshift(rgb(getComputedStyle(at).backgroundColor));
    return chain.reduce((below, top) => over(top, below), [255, 255, 255]); };
  const found = [];
  for (const node of document.querySelectorAll('body *')) {
    if (![...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim()) || node.matches('script,style,template,option')) continue;
    if (!node.checkVisibility()) continue;
    const style = getComputedStyle(node), below = behind(node);
    let opacity = 1; for (let at = node; at; at = at.parentElement) opacity *= getComputedStyle(at).opacity;
    const ink = rgb(style.color); const a = light(over([...ink.slice(0, 3), ink[3] * opacity], below)), b = light(below);
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) found.push([node.className || node.tagName, Math.round(100 * contrast) / 100, node.textContent.slice(0, 30)]);
  }
  return found;
}"""


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_and_no_legend_is_cut(photos_page: Path, table_page: Path, scheme: Literal["light", "dark"]) -> None:
    with browser() as opened:
        context = opened.new_context(color_scheme=scheme, viewport={"width": 1100, "height": 800})
        page = context.new_page()
        for path in (photos_page, table_page):
            page.goto(path.as_uri())
            page.locator(".card[data-kind=labelled]").first.click()
            page.locator("#look-class").fill("other")
            page.locator("#look-set").click()
            assert page.evaluate(CONTRASTS) == []
            page.keyboard.press("Escape")
            assert page.evaluate(CONTRASTS) == []
            cut = "nodes => nodes.filter(node => node.scrollWidth > node.clientWidth + 1).map(node => node.textContent)"
            assert page.eval_on_selector_all(".legend span, .mix th", cut) == []
