"""report.html: one file that shows what was labelled and how far to trust it, without any network.

Everything that comes from the data (names of files and classes, texts) is escaped by the template
engine, and the page's own policy forbids every script but its own, by checksum, and every address.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from sibyl.labeling.calibration import Measured, expected_accuracy, mean_confidence, measured_calibration
from sibyl.labeling.file_names import TABLES
from sibyl.labeling.item_map import map_points, map_rows
from sibyl.labeling.page_choice import ClassChoice, PageLimits, choose_changed, choose_classes, choose_outliers, count_changes
from sibyl.labeling.previews import MAX_LETTERS, SOUND_SECONDS, Preview, previews
from sibyl.labeling.report import Summary
from sibyl.labeling.report_parts import Bar, Cards, ClassSection, Page, Point, Share, colour
from sibyl.memmap import take_rows
from sibyl.messages import counted, percent
from sibyl.sources.source import Source

_CHANGES = 12  # kinds of change that are shown


@dataclass(frozen=True)
class ToShow:
    """What a report is made of.

    Parameters
    ----------
    table : DataFrame
        Of `labels_table`.
    summary : Summary
        Of the run.
    source : Source
        Read again for the items that are shown, and for those alone.
    class_names : tuple of str
    names : tuple of str
        Item of each row of `matrix`.
    matrix : float array [item, dim]
        Features, for the map.
    class_mix : sequence of float, optional
        Estimated share of each class; the shares of the labels when left out.
    first : sequence of (str, str)
        Items to label next, each with the reason.
    in_shards : bool
        The labels are shards, whose folder stays as it was written; the table may be a sample of them.
    """

    table: pd.DataFrame
    summary: Summary
    source: Source
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    matrix: npt.NDArray[np.floating[Any]]
    class_mix: Sequence[float] | None = None
    first: Sequence[tuple[str, str]] = ()
    in_shards: bool = False


def report_html(shown: ToShow, limits: PageLimits | None = None, cache: Path | None = None) -> str:
    """Return the report as one HTML document.

    Parameters
    ----------
    shown : ToShow
        What it is made of.
    limits : PageLimits, optional
        How much it shows.
    cache : path, optional
        Folder where the map is kept for the next run.
    """
    page_files = files("sibyl.labeling").joinpath("page")
    template, style, script = (
        page_files.joinpath(name).read_text(encoding="utf-8") for name in ("report.html.j2", "report.css", "report.js")
    )
    engine = Environment(loader=DictLoader({"report": template}), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    engine.globals["percent"] = percent
    checksum = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = _page(shown, limits or PageLimits(), cache)
    return engine.get_template("report").render(page=page, style=Markup(style), script=Markup(script), script_hash=Markup(checksum))


def _page(shown: ToShow, limits: PageLimits, cache: Path | None) -> Page:
    started = time.perf_counter()
    table, summary = shown.table, shown.summary
    n_labelled = int((table["status"] == "labelled").sum())
    is_sample = n_labelled < summary.counts.labelled
    choices = choose_classes(table, shown.class_names, limits)
    if is_sample:
        choices = [replace(choice, n_labelled=summary.counts.classes.get(choice.name, 0)) for choice in choices]
    changed = choose_changed(table, limits.changed)
    all_outliers = choose_outliers(table, len(table))
    outliers = all_outliers[: limits.outliers]
    wanted = {item for item, _ in shown.first}
    position = {str(item): row for row, item in enumerate(table["item"]) if item in wanted}
    first = [(position[item], reason) for item, reason in shown.first]
    rows = [row for choice in choices for row in (*choice.examples, *choice.borderline, *choice.certain)]
    rows += [*changed, *outliers, *(row for row, _ in first)]
    small = previews(shown.source, [str(table["item"].iloc[row]) for row in dict.fromkeys(rows)])
    cards = Cards(table, small)
    points, n_points = _points(shown, limits, cache)
    on_map = {point.group for point in points}
    classes = [
        _class(index, len(choices), choice, cards, index in on_map, summary.names.get(choice.name, ""))
        for index, choice in enumerate(choices)
    ]
    changes = count_changes(table)
    sections = [("map", "Map"), ("classes", "Classes"), ("mix", "Mix"), ("trust", "Trust"), ("run", "Run")]
    if outliers:
        sections.insert(1, ("outliers", "Outliers"))
    if changed:
        sections.insert(1, ("changed", "Changed"))
    if first:
        sections.insert(0, ("first", "Next"))
    encoder_name = str(summary.encoder.get("name") or summary.modality)
    calibration, measured_with = _measured(summary.method_name, encoder_name, summary.modality)
    return Page(
        title=shown.source.root.name or str(shown.source.root.resolve().name),
        version=summary.version,
        counts=summary.counts,
        compared=summary.compared,
        by_names=bool(summary.names) and not summary.counts.examples,
        has_encoder=summary.modality not in ("features", "table"),
        n_sample=n_labelled if is_sample else 0,
        in_shards=shown.in_shards,
        labels_in="the shards of labels" if shown.in_shards else Path(summary.output).name or TABLES[0],
        expected=expected_accuracy(table, summary.method_name, encoder_name),
        confidence=mean_confidence(table),
        notes=summary.notes,
        sections=sections,
        first=[cards.of(row, Markup.escape(reason)) for row, reason in first],
        changed=[cards.of(row, _before(str(table["inductive_label"].iloc[row]))) for row in changed],
        n_changed=int((table["changed"] == True).sum()),  # noqa: E712 - a column of objects
        changes=changes[:_CHANGES],
        n_changes=len(changes),
        outliers=[cards.of(row) for row in outliers],
        n_outliers=len(all_outliers),
        classes=classes,
        unshown=[one for one in classes if not (one.examples or one.borderline or one.certain)],
        points=points,
        map_shown=len(points),
        map_of=n_points,
        mix=_mix(shown, choices),
        calibration=calibration,
        measured_with=measured_with,
        method_name=summary.method_name,
        histogram=_histogram(table),
        facts=_facts(replace(summary, seconds=summary.seconds + time.perf_counter() - started)),
        skipped=summary.counts.skipped_lines(50),
        privacy=_privacy(shown, small),
        counted=_counted_corrections(table),
    )


def _before(label: str) -> Markup:
    return Markup("was <s>{}</s>").format(label)


def _class(index: int, n_classes: int, choice: ClassChoice, cards: Cards, on_map: bool, by_name: str) -> ClassSection:
    return ClassSection(
        choice.name,
        colour(index, n_classes),
        choice.n_labelled,
        choice.n_examples,
        choice.n_hidden,
        [cards.of(row) for row in choice.examples],
        [cards.of(row, Markup.escape(f"or {cards.of(row).runner_up}")) for row in choice.borderline],
        [cards.of(row) for row in choice.certain],
        on_map,
        by_name,
    )


def _points(shown: ToShow, limits: PageLimits, cache: Path | None) -> tuple[list[Point], int]:
    number = {name: index for index, name in enumerate(shown.class_names)}
    with_features = shown.table[shown.table["status"].isin(["example", "confirmed", "labelled"])]
    examples = np.flatnonzero(with_features["status"] == "example").tolist()
    chosen = with_features.iloc[map_rows(len(with_features), examples, limits.map)]
    rows = pd.Index(shown.names, dtype=object).get_indexer(pd.Index(chosen["item"]))
    places = map_points(take_rows(shown.matrix, rows), cache)
    points = []
    for name, label, sure, status, (across, down) in zip(
        chosen["item"], chosen["label"], chosen["confidence"], chosen["status"], places.tolist(), strict=True
    ):
        group = number[str(label)]
        example = status != "labelled"
        opacity = 1.0 if example else 0.25 + 0.65 * float(sure)
        points.append(
            Point(round(1000 * across), round(700 * down), name, group, colour(group, len(number)), f"{opacity:.2f}", example)
        )
    return sorted(points, key=lambda point: point.example), len(shown.names)


def _counted_corrections(table: pd.DataFrame) -> str:
    """Return the corrections that the run has counted as JSON, so that the page need not keep them any longer."""
    counted_ones = table.loc[table["source"] == "correction", ["item", "label"]]
    return json.dumps(counted_ones.to_numpy().tolist(), ensure_ascii=False)


def _mix(shown: ToShow, choices: list[ClassChoice]) -> list[Share]:
    total = max(sum(choice.n_labelled for choice in choices), 1)
    given = shown.class_mix if shown.class_mix is not None else [choice.n_labelled / total for choice in choices]
    largest = max([*given, 1e-9])
    rows = [
        Share(choice.name, colour(index, len(choices)), float(share), float(share) / largest, choice.n_labelled)
        for index, (choice, share) in enumerate(zip(choices, given, strict=True))
    ]
    return sorted(rows, key=lambda row: -row.share)


def _histogram(table: pd.DataFrame) -> list[Bar]:
    sure = table.loc[table["status"] == "labelled", "confidence"].to_numpy(float)
    edges = np.arange(0, 101, 10)
    counts, _ = np.histogram(100 * sure, edges)
    start = int(np.flatnonzero(counts)[0]) if counts.any() else 0
    return [
        Bar(f"{edges[index]}–{edges[index + 1]} %", int(counts[index]), float(counts[index] / max(counts.max(), 1)))
        for index in range(start, 10)
    ]


def _facts(summary: Summary) -> list[tuple[str, str]]:
    encoder = summary.encoder
    facts = [
        ("Source", summary.source),
        ("Command", summary.command),
        ("Method", summary.method),
        ("Encoder", str(encoder.get("chosen") or encoder.get("name", "none: the rows are features"))),
        ("Known of the class mix", summary.class_prior),
        ("Examples from", summary.examples_from),
        ("Made", summary.made),
        ("Time", f"{summary.seconds:.1f} s, {counted(summary.cached, 'item')} from the cache"),
        ("Version", f"sibyl {summary.version}"),
    ]
    preprocessing = encoder.get("preprocessing")
    if isinstance(preprocessing, dict):
        facts.insert(
            4, ("Preprocessing", ", ".join(f"{word.replace('_', ' ')} {_plain(value)}" for word, value in preprocessing.items()))
        )
    return [(word, value) for word, value in facts if value]


def _plain(value: object) -> str:
    """Write a setting of an encoder, numbers with four digits."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _measured(method: str, encoder: str, modality: str) -> tuple[tuple[Measured, ...], str]:
    """Return figures of the encoder used where there are some, all otherwise, and words that say which."""
    known = measured_calibration(method)
    if modality == "table":
        return tuple(one for one in known if one.encoder == "table") or known, "on other tables than yours"
    own = tuple(one for one in known if one.is_of(encoder))
    if own:
        return own, f"with {encoder}"
    yours = "on other features than yours" if modality == "features" else "with other encoders than yours"
    return known, f"{yours}; for yours, no comparison of confidence with the truth is at hand"


def _privacy(shown: ToShow, small: dict[str, Preview]) -> str:
    pictures = sum(bool(one.picture) for one in small.values())
    texts = sum(bool(one.text) for one in small.values())
    sounds = sum(bool(one.sound) for one in small.values())
    rows = sum(bool(one.cells) for one in small.values())
    parts = [counted(pictures, "reduced picture")] if pictures else []
    parts += [f"{counted(texts, 'text')}, cut at {MAX_LETTERS} letters"] if texts else []
    parts += [f"the first {SOUND_SECONDS:.0f} seconds of {counted(sounds, 'clip')}"] if sounds else []
    parts += [f"the cells of {counted(rows, 'row')}"] if rows else []
    parts += [f"{counted(len(small), 'name')} of items, more on the map", "the labels, and the names of the classes"]
    return (
        f"Besides figures, this file holds {', '.join(parts)}. If the data show people or speak of them, so does this file: keep it, share it and "
        "delete it as you would the data. It loads nothing and sends nothing; corrections made on the page stay in this browser until "
        "they are saved or discarded."
    )
