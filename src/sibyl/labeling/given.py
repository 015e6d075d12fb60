"""Who is labelled before the job begins: what a person gives, the source holds and corrections say, gathered and checked.

Nothing that solves or encodes is imported, so that a slip is told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from sibyl.errors import DataError
from sibyl.labeling.corrections import Corrections, perhaps_misspelt, read_corrections, with_corrections, without_unread
from sibyl.labeling.examples import Examples, check_items_exist, checked, gather_examples
from sibyl.labeling.request import LabelRequest
from sibyl.sources.source import Source


def check_named(request: LabelRequest) -> None:
    """Refuse examples that lie nowhere in the source, be a folder read as images, texts or clips.

    Raises
    ------
    DataError
        If there is such an example, or the source or the list of examples cannot be read.
    """
    if request.examples is None and not request.named:
        return
    source = request.opened
    names, reasons = set(source.names), _unusable(source)
    given = gather_examples(request.given, source.root, names | reasons.keys(), contents=_contents_of(source))
    there = {item for item in given.labels if (source.root / item).is_file()}
    check_items_exist(given, names | there | reasons.keys(), reasons)


def labels_given(request: LabelRequest, source: Source, listed: Collection[str]) -> tuple[Examples, Corrections]:
    """Gather who is labelled; `listed` are classes that have a name, and need no example.

    Raises
    ------
    DataError
        If there are fewer than two classes, an item lies nowhere or cannot be used, or nothing is left to label.
    """
    names, reasons = set(source.names), _unusable(source)
    own_origin = "folder" if source.root.is_dir() and source.matrix is None else "column"
    given = gather_examples(
        request.given, source.root, names | reasons.keys(), {**source.labels, **source.lost}, own_origin, _contents_of(source)
    )
    mended = Corrections({}) if request.folder is None else read_corrections(request.folder, source.root, names)
    doubts = perhaps_misspelt(mended, {*given.class_names, *listed})
    given = with_corrections(given, mended)
    mended = replace(mended, notes=(*mended.notes, *doubts))
    if not given.labels and not listed:
        column = " or, where a column holds labels, --label-column NAME" if source.root.is_file() else ""
        raise DataError(
            f"{source.root}: no item is labelled; give at least one example of each class with --examples TABLE or --example CLASS=ITEM"
            f"{column}"
        )
    checked(replace(given, class_names=tuple(sorted({*given.class_names, *listed}))))
    check_items_exist(given, names - source.unread.keys(), reasons)
    given, unread = without_unread(given, source.unread)
    mended = replace(mended, notes=(*mended.notes, *unread))
    if request.given is None and names <= given.labels.keys():
        what = "lie in sub-folders, which count as their classes" if own_origin == "folder" else "have a label in their column"
        raise DataError(
            f"{source.root}: all {len(names):,} items {what}, so nothing is left to label; name the examples with --examples or --example"
        )
    return given, mended


def _unusable(source: Source) -> dict[str, str]:
    return {one.name: one.reason for one in source.skipped} | dict(source.unread)


def _contents_of(source: Source) -> Callable[[], Mapping[str, str]] | None:
    """Return what lists the texts of a source with their names; None for other items."""
    if source.modality != "text":
        return None
    return lambda: {item.read().decode("utf-8", "replace").strip(): item.name for item in source.items if item.content is not None}
