"""What a label job says of itself, in sentences: notes, where its labels came from, its method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sibyl.encoders.embed import Embedded
from sibyl.labeling.corrections import Corrections
from sibyl.labeling.examples import Examples
from sibyl.labeling.file_names import CORRECTIONS
from sibyl.messages import counted, quoted
from sibyl.methods import Method
from sibyl.sources.naming import is_placeholder
from sibyl.sources.rows import case_twins, spelling_twins
from sibyl.sources.source import Source


def notes_of(
    source: Source, examples: Examples, mended: Corrections, embedded: Embedded, reasons: Mapping[str, str], fell_back: bool
) -> list[str]:
    """Say what a person should know of the items and of who is labelled among them."""
    notes = [*source.notes, *mended.notes]
    notes += [f"classes {one!r} and {other!r} differ only in capitals or blanks" for one, other in case_twins(examples.class_names)]
    notes += [
        f"classes {one!r} and {other!r} differ, capitals aside, in one letter more; if they are one class, write both alike"
        for one, other in spelling_twins(examples.class_names)
    ]
    doubtful = [name for name in examples.class_names if is_placeholder(name)]
    notes += [f"{name!r} is a class here; if it means that an item is not labelled, leave the label blank" for name in doubtful]
    if embedded.problem:
        notes.append(embedded.problem)
    lost = [item for item in examples.labels if item in reasons]
    if lost:
        notes.append(f"{len(lost)} of the examples cannot be used: {lost[0]!r} is skipped ({reasons[lost[0]]})")
    if fell_back:
        notes.append("too few unlabelled items to learn from: the labels are the inductive ones")
    return notes


def _origins(examples: Examples, mended: Corrections) -> dict[str, int]:
    """Return where the labels come from, in words, with the number of each."""
    words = {
        "folder": "sub-folders",
        "column": "a column of labels",
        "correction": " and ".join(mended.files) or CORRECTIONS,
        "example": examples.source,
    }
    counts = {origin: sum(examples.origin(item) == origin for item in examples.labels) for origin in words}
    return {words[origin]: number for origin, number in counts.items() if number}


def examples_from(examples: Examples, mended: Corrections) -> str:
    """Say where the labels come from, and how many."""
    told = ", ".join(f"{where} ({number:,})" for where, number in _origins(examples, mended).items())
    return told or "the names of the classes alone"


def taught_by(examples: Examples, mended: Corrections) -> str:
    """Say how many examples of which classes there are, and where they come from."""
    n, classes = len(examples.labels), examples.class_names
    if not n:
        return f"{len(classes):,} classes ({quoted(classes, 6)}), by their names alone"
    origins = _origins(examples, mended)
    where = next(iter(origins)) if len(origins) == 1 else examples_from(examples, mended)
    given = "given" if where == "examples" else f"from {where}"
    return f"{counted(n, 'example')} of {len(classes):,} classes ({quoted(classes, 6)}), {given}"


def prior_word(class_prior: Any) -> str:
    """Say what was known of the class mix."""
    return "balanced" if isinstance(class_prior, str) else "nothing" if class_prior is None else "given"


def method_line(solver: Method | type[Method]) -> str:
    """Say in words what a method is."""
    kind = "learns from the unlabelled items" if solver.traits.transductive else "looks at the examples alone"
    mix = ", presumes equally frequent classes" if solver.traits.assumes_balance else ""
    return f"{solver.name} ({kind}{mix})"


def applied_line(name: str, earlier: str | Path) -> str:
    """Say that the classifier of an earlier run answers."""
    return f"{name}, as learned in {earlier}; new items are labelled one by one, and not learned from"
