"""The page that a person opens: it holds what it should, runs nothing foreign, and can be worked with keys alone."""

from __future__ import annotations

import csv
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sibyl.labeling.label import to_show
from sibyl.labeling.page_choice import PageLimits, choose_classes, choose_outliers
from sibyl.labeling.report_page import report_html
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
    labelling = label_items(source, {source.items[i].name: CLASSES[i] for i in range(3)})
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
    labelling = label_items(folder, examples, encoder, cache=folder / "cache", leave_out=[encoder, folder / "cache"])
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


def test_outliers_are_those_that_stand_out_of_their_class() -> None:
    score = np.r_[np.random.default_rng(0).normal(0.2, 0.01, 40), np.random.default_rng(1).normal(0.6, 0.01, 40)]
    table = pd.DataFrame({"label": ["a"] * 40 + ["b"] * 40, "status": "labelled", "outlier_score": score})
    table.loc[3, "outlier_score"] = 0.5  # unremarkable in b, alone in a
    assert choose_outliers(table, 5)[0] == 3
    assert 45 not in choose_outliers(table, 5)


def test_one_class_without_any_item_and_nothing_to_label() -> None:
    source = features_source(3)
    labelling = label_items(source, {source.items[i].name: CLASSES[i] for i in range(3)})
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
        page.keyboard.type('new, "class"')
        page.keyboard.press("Enter")
        assert page.locator("#look-file").inner_text() != item  # it goes on by itself
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        assert page.locator("#traytext").inner_text() == "1 correction"
        with page.expect_download() as download:
            page.locator("#save").click()
        saved = Path(download.value.path()).read_text(encoding="utf-8")
        assert download.value.suggested_filename == "corrections.csv"
        assert list(csv.reader(io.StringIO(saved))) == [["item", "label"], [item, 'new, "class"']]

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
