"""What holds for any pile: counts add up, names come back, answers are finite, and the page shows what the table says."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sibyl.labeling.corrections import read_corrections
from sibyl.labeling.label import to_show
from sibyl.labeling.report import Counts
from sibyl.labeling.report_page import report_html
from sibyl.labeling.request import LabelRequest
from sibyl.labeling.run import Labelling, label_items
from sibyl.labeling.table import write_labels_csv
from sibyl.sources.item import Item, Skipped
from sibyl.sources.source import Source
from tests.labeling.test_report_page import Found

FEW = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
LETTERS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).map(str.strip).filter(bool)
LABELS = LETTERS.filter(lambda text: text[0] not in "=@+-")


@dataclass(frozen=True)
class Pile:
    """What a pile is made of; plain values, as the checks of sibyl's own types draw random numbers, which strategies must not."""

    names: list[str]
    classes: list[str]
    reasons: list[str]
    seed: int
    scale: float

    def label(self) -> Labelling:
        """Label it by class means, from one example of each class."""
        kept, lost = self.names[len(self.reasons) :], self.names[: len(self.reasons)]
        rows = np.random.default_rng(self.seed).normal(size=(len(kept), 3)).astype(np.float32) * np.float32(self.scale)
        skipped = tuple(Skipped(name, reason) for name, reason in zip(lost, self.reasons, strict=True))
        source = Source("features", Path("rows.npy"), tuple(Item(name, Path("rows.npy")) for name in kept), skipped, matrix=rows)
        return label_items(LabelRequest(source, dict(zip(kept, self.classes, strict=False)), method="class_mean"))


@st.composite
def piles(draw: st.DrawFn) -> Pile:
    """A pile with odd names, odd classes and skipped items in any order."""
    names = draw(st.lists(LETTERS, min_size=4, max_size=20, unique=True))
    classes = draw(st.lists(LABELS, min_size=2, max_size=min(4, len(names) - 1), unique=True))
    reasons = draw(st.lists(LETTERS, max_size=len(names) - len(classes) - 1))
    return Pile(names, classes, reasons, draw(st.integers(0, 99)), draw(st.sampled_from([1e-6, 1.0, 1e6])))


@FEW
@given(piles())
def test_any_pile(pile: Pile) -> None:
    labelling = pile.label()
    table = labelling.table
    source = labelling.source
    counts = Counts.of(table)
    assert counts.found == counts.labelled + counts.examples + counts.skipped == len(source.items) + len(source.skipped)
    assert set(table["item"]) == {*source.names, *(one.name for one in source.skipped)}
    assert list(labelling.class_names) == sorted(labelling.class_names)
    by_machine = table[table["status"] == "labelled"]
    assert set(by_machine["label"]) <= set(labelling.class_names)
    assert np.isfinite(by_machine[["confidence", "margin", "outlier_score"]].to_numpy(float)).all()
    assert by_machine["confidence"].between(0, 1).all()
    assert np.allclose(labelling.solved.solution.probabilities.sum(-1), 1, atol=1e-5)


@FEW
@given(piles())
def test_any_page(pile: Pile) -> None:
    labelling = pile.label()
    found = Found(report_html(to_show(labelling)))
    assert len(found.of("script")) == 1
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    label_of = dict(zip(labelling.table["item"], labelling.table["label"], strict=True))
    cards = [card for card in found.of("button") if "data-item" in card]
    assert cards
    assert all(label_of[card["data-item"]] == card["data-label"] for card in cards)
    assert {point["data-item"] for point in found.of("circle") if "data-item" in point} <= set(label_of)


@FEW
@given(piles(), st.data())
def test_any_correction_comes_back(pile: Pile, data: st.DataObject) -> None:
    """As the page writes them, and as a spreadsheet that saved the whole table."""
    labelling = pile.label()
    names = list(labelling.source.names)
    made = data.draw(st.dictionaries(st.sampled_from(names), LABELS, min_size=1))
    with TemporaryDirectory() as folder:
        out = Path(folder)
        saved = io.StringIO(newline="")
        csv.writer(saved).writerows([["item", "label", "when"], *([*pair, "2026-01-01T12:00:00.000Z"] for pair in made.items())])
        (out / "corrections-1.csv").write_text(saved.getvalue(), encoding="utf-8", newline="")
        assert read_corrections(out, "rows.npy", set(names)).labels == made
        (out / "corrections-1.csv").unlink()
        write_labels_csv(out / "labels.csv", labelling.table)
        write_labels_csv(out / "corrections.csv", labelling.table)
        assert read_corrections(out, "rows.npy", set(names)).labels == {}


@FEW
@given(piles())
def test_the_summary_is_json(pile: Pile) -> None:
    labelling = pile.label()
    summary = json.loads(json.dumps(labelling.summary.to_json(), allow_nan=False))
    assert summary["found"] == len(labelling.table)
