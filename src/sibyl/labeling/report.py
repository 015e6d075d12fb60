"""What a labelling run says of itself on the terminal and in summary.json: counts, method, encoder, time."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from sibyl.messages import counted, printable
from sibyl.storage import Json

_NAMED = 3  # skipped items that are named for each reason
_NUMBER = re.compile(r"\d[\d.,]*\b")


@dataclass(frozen=True)
class Counts:
    """How the items of a table of labels divide; ``found = labelled + examples + confirmed + skipped``.

    Parameters
    ----------
    found, labelled, examples, skipped : int
        Numbers of items.
    corrections : int
        Examples that came from corrections.
    changed : int
        Labelled items whose label the unlabelled data changed.
    classes : mapping of str to int
        Labelled items per class, most frequent first.
    reasons : mapping of str to int
        Skipped items per reason, most frequent first.
    confirmed : int
        Items whose label a person confirmed in ``sibyl review``, and which are no examples.
    skipped_names : mapping of str to list of str
        The first few of them by name, per reason; the table names them all.
    """

    found: int
    labelled: int
    examples: int
    skipped: int
    corrections: int
    changed: int
    classes: dict[str, int]
    reasons: dict[str, int]
    skipped_names: dict[str, list[str]]
    confirmed: int = 0

    @classmethod
    def of(cls, table: pd.DataFrame) -> Counts:
        """Count the rows of a table of labels."""
        labelled = table[table["status"] == "labelled"]
        lost = table[table["status"].str.startswith("skipped: ")]
        reasons = _without_numbers([status.removeprefix("skipped: ") for status in lost["status"]])
        named: dict[str, list[str]] = {}
        for name, reason in zip(lost["item"], reasons, strict=True):
            if len(named.setdefault(reason, [])) < _NAMED:
                named[reason].append(name)
        return cls(
            found=len(table),
            labelled=len(labelled),
            examples=int((table["status"] == "example").sum()),
            skipped=len(reasons),
            corrections=int((table["source"] == "correction").sum()),
            changed=int(labelled["changed"].astype(bool).sum()),
            classes=dict(Counter(str(label) for label in labelled["label"]).most_common()),
            reasons=dict(Counter(reasons).most_common()),
            skipped_names=named,
            confirmed=int((table["status"] == "confirmed").sum()),
        )

    def skipped_lines(self, most: int) -> list[str]:
        """Say for each of the `most` frequent reasons how many items it holds and which, and how many more reasons there are."""
        lines = []
        for reason, number in list(self.reasons.items())[:most]:
            names = ", ".join(self.skipped_names[reason])
            more = number - len(self.skipped_names[reason])
            lines.append(f"{number:,}: {reason} ({names}{f' and {more:,} more' if more else ''})")
        if len(self.reasons) > most:
            further = self.skipped - sum(list(self.reasons.values())[:most])
            lines.append(f"{further:,}: for {counted(len(self.reasons) - most, 'further reason')}; the table of labels names each")
        return lines


def _without_numbers(reasons: list[str]) -> list[str]:
    """Make one of those reasons that differ in their numbers alone: a size, the byte where a file is damaged."""
    alike: dict[str, set[str]] = {}
    kinds = [_NUMBER.sub("…", reason) for reason in reasons]
    for kind, reason in zip(kinds, reasons, strict=True):
        alike.setdefault(kind, set()).add(reason)
    common = {}
    for kind, spellings in alike.items():
        numbers = zip(*(_NUMBER.findall(reason) for reason in spellings), strict=True)
        shown = iter([same[0] if len(set(same)) == 1 else "…" for same in numbers])
        common[kind] = _NUMBER.sub(lambda _, shown=shown: next(shown), next(iter(spellings)))  # type: ignore[misc]
    return [common[kind] for kind in kinds]


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Parameters
    ----------
    counts : Counts
        Of the table.
    fell_back : bool
        The labels are the inductive ones: there were too few unlabelled items.
    method : str
        What solved the task.
    encoder : mapping
        Description of the encoder.
    cached : int
        Items whose features were there already.
    seconds : float
        From opening the folder to the table.
    output : str
        Where the table was written; empty if it was not.
    exports : tuple of str
        What was written for other tools.
    notes : tuple of str
        What a person should know: fallbacks, features that could not be kept.
    understood : str
        What was found and which parts of it are used, in one line.
    method_name, source, modality, examples_from, class_prior, command, version, made : str
        How the run was made: what solved it, what was labelled, where the examples came from, what
        was known of the class mix, the command, the version of sibyl, and when.
    names : mapping of str to str
        Class → whether its name was used; empty where no class has a name.
    compared : bool
        Whether the labels were set beside those that the examples alone give; elsewhere it says
        nothing that none is changed.
    """

    counts: Counts
    fell_back: bool
    method: str
    encoder: dict[str, Any]
    cached: int
    seconds: float
    output: str = ""
    exports: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    method_name: str = ""
    source: str = ""
    modality: str = ""
    examples_from: str = ""
    class_prior: str = ""
    understood: str = ""
    command: str = ""
    version: str = ""
    made: str = ""
    names: dict[str, str] = field(default_factory=dict)
    compared: bool = False

    def to_json(self) -> Json:
        """Return the fields as JSON can hold them, the counts among the others."""
        fields = asdict(self) | {"exports": list(self.exports), "notes": list(self.notes)}
        if not self.exports:  # summary.json is written before them
            del fields["exports"]
        if not self.names:
            del fields["names"]
        counts: Json = fields.pop("counts")
        return counts | fields


def print_summary(console: Console, summary: Summary, max_classes: int = 30, max_reasons: int = 20) -> None:
    """Show on a terminal what a run did."""

    def line(text: str) -> None:
        console.print(printable(text), highlight=False, markup=False, soft_wrap=True)

    counts = summary.counts
    confirmed = f"{counts.confirmed:,} confirmed + " if counts.confirmed else ""
    parts = f"{counts.labelled:,} labelled + {counted(counts.examples, 'example')} + {confirmed}{counts.skipped:,} skipped"
    is_folder = not summary.source or Path(summary.source).is_dir()
    what = "row" if summary.modality == "features" else "file" if is_folder else "item"
    line(f"{counted(counts.found, what)} found = {parts}")
    if summary.understood:
        line(f"understood as {summary.understood}")
    table = Table("class", "labelled", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for name, number in list(counts.classes.items())[:max_classes]:
        table.add_row(printable(name).replace("[", r"\["), f"{number:,}")
    if len(counts.classes) > max_classes:
        table.add_row(f"… {len(counts.classes) - max_classes} more", "")
    console.print(table)
    for lost in counts.skipped_lines(max_reasons):
        line(f"skipped {lost}")
    line(f"method   {summary.method}")
    line(f"encoder  {_encoder_line(summary)}")
    if counts.labelled and summary.compared:  # 0 is an answer, too
        line(f"the unlabelled items changed {counted(counts.changed, 'label')} ({counts.changed / counts.labelled:.0%})")
    for note in summary.notes:
        line(f"note: {note}")
    if summary.modality == "table" and counts.labelled:
        line("it is not known how far this table's confidence can be trusted: check some at random")
    report = (
        f"{summary.output.rpartition('/')[0]}/report.html"
        if "://" in summary.output
        else Path(summary.output).parent / "report.html"
    )
    line(f"{summary.seconds:.1f} s" + (f", written to {summary.output}; to look at it, open {report}" if summary.output else ""))
    if summary.exports:
        line(f"exported {', '.join(summary.exports)}")


def _encoder_line(summary: Summary) -> str:
    encoder = summary.encoder
    side = encoder.get("preprocessing", {}).get("input_size")
    size = f", {side} × {side} pixels" if side else ""
    source = f" ({encoder['preprocessing_from']})" if "preprocessing_from" in encoder and "chosen" not in encoder else ""
    cached = f"; {counted(summary.cached, 'item')} came from the cache" if summary.cached else ""
    return f"{encoder.get('chosen') or encoder.get('name', 'features')}{size}{source}{cached}"
