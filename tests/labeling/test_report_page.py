"""The page that a person opens: it holds what it should, runs nothing foreign, and can be worked with keys alone."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sibyl.labeling.label import label, to_show
from sibyl.labeling.page_choice import PageLimits, choose_classes
from sibyl.labeling.report_page import report_html
from sibyl.labeling.request import LabelRequest
from sibyl.labeling.run import label_items
from sibyl.methods.named import DEFAULT_METHOD
from sibyl.sources.item import Item, Skipped
from sibyl.sources.source import Source
from tests.browser import browser, needs_chromium
from tests.encoders.tiny_onnx import write_tiny_encoder

EVIL = "<script>alert(1)</script>\" onerror='x' \n&amp;"
CLASSES = ("red", EVIL, "blue")


class Found(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def rows_of(n: int, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return (np.eye(3)[np.arange(n) % 3] * 4 + draw.normal(size=(n, 3))).astype(np.float32)


def features_source(n: int) -> Source:
    names = [f"item {i}{EVIL if i == 7 else ''}" for i in range(n)]
    items = tuple(Item(name, Path("rows.npy")) for name in names)
    return Source("features", Path("rows.npy"), items, (Skipped("bad " + EVIL, "empty file"),), matrix=rows_of(n))


def page_of(n: int, limits: PageLimits | None = None) -> str:
    source = features_source(n)
    labelling = label_items(LabelRequest(source, {source.items[i].name: CLASSES[i] for i in range(3)}))
    return report_html(to_show(labelling), limits)


@pytest.fixture(scope="module")
def photos_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of 36 small pictures of three colours."""
    folder = tmp_path_factory.mktemp("photos")
    draw = np.random.default_rng(0)
    for number in range(36):
        colour = np.eye(3)[number % 3] * 160 + 40 + draw.normal(size=3) * 25
        pixels = np.clip(colour + draw.normal(size=(30, 40, 3)) * 20, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02d} 'q\".png")
    encoder = write_tiny_encoder(folder / "encoder.onnx")
    examples = {f"{number:02d} 'q\".png": CLASSES[number] for number in range(3)}
    labelling = label_items(LabelRequest(folder, examples, encoder, cache=folder / "cache", exclude=[encoder, folder / "cache"]))
    page = folder / "report.html"
    page.write_text(report_html(to_show(labelling)), encoding="utf-8")
    return page


def test_everything_foreign_is_escaped() -> None:
    page = page_of(60)
    found = Found(page)
    assert len(found.of("script")) == 1
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert EVIL in {attributes.get("data-label") for attributes in found.of("button")}
    assert any("alert(1)" in text for text in found.text)
    policy = next(a["content"] or "" for a in found.of("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy


def test_nothing_is_loaded_from_elsewhere(photos_page: Path) -> None:
    found = Found(photos_page.read_text(encoding="utf-8"))
    addresses = [a[name] or "" for _, a in found.tags for name in ("src", "href", "action", "data", "poster") if name in a]
    assert addresses
    assert all(address.startswith(("#", "data:image/jpeg;base64,")) for address in addresses)
    assert "http" not in "".join(found.text)
    assert not found.of("link")


def test_the_page_says_what_it_should(photos_page: Path) -> None:
    page = photos_page.read_text(encoding="utf-8")
    text = " ".join(" ".join(Found(page).text).split())
    for part in ("Class by class", "The map", "Class mix", "How far to trust it", "How it was made", "What this file holds"):
        assert part in text
    assert "33 more were labelled" in text
    assert f"{DEFAULT_METHOD} (learns from the unlabelled items)" in text
    assert "If the data show people" in text
    assert "measured on" in text


def test_a_page_stays_small_however_many_items() -> None:
    limits = PageLimits(total=20, per_class=6, changed=5, outliers=5, map=50)
    few, many = page_of(300, limits), page_of(6000, limits)
    assert len(many) < 1.2 * len(few)
    found = Found(many)
    assert sum("data-item" in point for point in found.of("circle")) == 50
    assert sum(a.get("class") == "card text" for a in found.of("button")) <= 20 + limits.changed + limits.outliers + 12


def test_borderline_first_then_from_the_most_certain() -> None:
    sure = np.linspace(0.3, 0.99, 50)
    table = pd.DataFrame({"item": [f"{i}" for i in range(50)], "label": "a", "confidence": sure, "status": "labelled"})
    (choice,) = choose_classes(table, ("a",), PageLimits(per_class=12))
    assert choice.borderline == (0, 1, 2, 3)
    assert choice.certain == tuple(range(49, 41, -1))
    assert choice.n_hidden == 38
    (whole,) = choose_classes(table[:9], ("a",), PageLimits(per_class=12))
    assert sorted((*whole.borderline, *whole.certain)) == list(range(9))


def test_one_class_without_any_item_and_nothing_to_label() -> None:
    source = features_source(3)
    labelling = label_items(LabelRequest(source, {source.items[i].name: CLASSES[i] for i in range(3)}))
    assert "Nothing was left to label" in report_html(to_show(labelling))


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


@pytest.fixture(scope="module")
def table_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a table, whose cells would run as a script if they could."""
    folder = tmp_path_factory.mktemp("table")
    draw = np.random.default_rng(0)
    truth = np.arange(45) % 3
    frame = pd.DataFrame({"size": (truth * 5 + draw.normal(size=45)).round(2), "colour": np.array(["red", "green", EVIL])[truth]})
    frame["a very long class of things"] = frame["size"] * 2
    frame.to_csv(folder / "pile.csv", index=False)
    names = ["a class whose name is so long that no narrow column holds it in one line", "b", "c"]
    label(folder / "pile.csv", {str(row + 1): names[row] for row in range(3)}, out=folder / "out")
    return folder / "out" / "report.html"


@pytest.fixture(scope="module")
def clips_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of eighteen hums."""
    soundfile = pytest.importorskip("soundfile")
    folder = tmp_path_factory.mktemp("clips")
    for number in range(18):
        time = np.arange(8000) / 8000
        soundfile.write(folder / f"{number:02d}.wav", 0.3 * np.sin(2 * np.pi * (200 + 300 * (number % 2) + number) * time), 8000)
    label(folder, {"00.wav": "low", "01.wav": "high"}, out=folder / "out", cache=folder / "cache")
    return folder / "out" / "report.html"


def test_a_row_of_a_table_shows_its_cells(table_page: Path) -> None:
    found = Found(table_page.read_text(encoding="utf-8"))
    text = " ".join(" ".join(found.text).split())
    assert "the cells of 45 rows" in text
    size = pd.read_csv(table_page.parent.parent / "pile.csv")["size"][0]
    assert f"size {size}" in text
    assert len(found.of("script")) == 1


def test_a_clip_shows_a_wave_and_can_be_heard(clips_page: Path) -> None:
    found = Found(clips_page.read_text(encoding="utf-8"))
    sounds = [card["data-sound"] or "" for card in found.of("button") if "data-sound" in card]
    assert len(sounds) >= 18
    assert all(sound.startswith("data:audio/") for sound in sounds)
    assert "the first 6 seconds of 18 clips" in " ".join(" ".join(found.text).split())


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
