"""The page that a person opens: it holds what it should, runs nothing foreign, and can be worked with keys alone."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd

from sibyl.labeling.label import to_show
from sibyl.labeling.page_choice import PageLimits, choose_classes
from sibyl.labeling.report import Counts
from sibyl.labeling.report_page import report_html
from sibyl.labeling.request import LabelRequest
from sibyl.labeling.run import label_items
from sibyl.methods.named import DEFAULT_METHOD
from sibyl.sources.item import Item, Skipped
from sibyl.sources.source import Source
from tests.labeling.conftest import CLASSES, EVIL


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


def test_the_outlier_score_is_explained_where_items_are_shown_by_it() -> None:
    source = features_source(90)
    shown = to_show(label_items(LabelRequest(source, {source.items[i].name: CLASSES[i] for i in range(3)})))
    score = np.where(np.arange(len(shown.table)) % 4 == 0, 0.98, 0.05)
    page = report_html(replace(shown, table=shown.table.assign(outlier_score=score)), None)
    text = " ".join(" ".join(Found(page).text).split())
    assert "The score says how little an item is like any of the classes" in text


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


def test_all_kinds_of_change_are_counted_and_no_example_is_named_that_is_not_there() -> None:
    source = features_source(60)
    labelling = label_items(LabelRequest(source, {source.items[i].name: CLASSES[i] for i in range(3)}))
    shown = to_show(labelling)
    table = shown.table.copy()
    rows = table.index[table["status"] == "labelled"][:14]
    table.loc[rows, "changed"] = True
    table.loc[rows, "inductive_label"] = [f"kind {row}" for row in rows]
    counts = replace(Counts.of(table), examples=0)
    page = report_html(replace(shown, table=table, summary=replace(shown.summary, counts=counts, names={CLASSES[0]: "used"})))
    text = " ".join(" ".join(Found(page).text).split())
    assert "14 of 57 labels would be others without the unlabelled items. The surest come first." in text
    assert "and 2 more" in text
    assert "with the names of classes in place of examples, it is not known" in text
    assert "examples alone" not in text


def test_a_row_of_figures_is_named_once_and_no_encoder_is_spoken_of() -> None:
    found = Found(page_of(60))
    assert found.text.count("item 20") == sum(card.get("data-item") == "item 20" for card in found.of("button")) > 0
    assert "Items of like figures lie near each other" in " ".join(found.text)


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
