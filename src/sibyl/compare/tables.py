"""Rows of the arena → tables of text, and those as Markdown, LaTeX and JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sibyl.compare.arena import Row
from sibyl.compare.protocols import Cell
from sibyl.compare.statistics import Difference, differences, relative_gain
from sibyl.evaluation import Evaluation
from sibyl.methods import Traits
from sibyl.storage import Json

ABSENT = "–"
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "±": r"$\pm$", "−": "$-$", "–": "--", "×": r"$\times$", "θ": r"$\theta$", "λ": r"$\lambda$", "α": r"$\alpha$", "\n": " ",
}  # fmt: skip
_MARKDOWN = {"\\": "\\\\", "|": "\\|", "*": "\\*", "<": "&lt;", "\n": " "}


@dataclass(frozen=True)
class Table:
    """A table of finished text.

    Parameters
    ----------
    title : str
        Stands above it.
    columns : tuple of str
        The first is left-aligned, the others to the right.
    rows : tuple of tuples of str
        One entry per column.
    notes : tuple of str
        Sentences below the table.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self, level: int = 2) -> str:
        """Return the table as Markdown under a heading of the given level."""
        lines = [f"{'#' * level} {escape_markdown(self.title)}", ""]
        lines.append("| " + " | ".join(map(escape_markdown, self.columns)) + " |")
        lines.append("|---|" + "---:|" * (len(self.columns) - 1))
        lines += ["| " + " | ".join(map(escape_markdown, row)) + " |" for row in self.rows]
        lines += [line for note in self.notes for line in ("", escape_markdown(note))]
        return "\n".join(lines) + "\n"

    def latex(self) -> str:
        """Return the table as a LaTeX ``table`` (needs the package booktabs)."""
        lines = [r"\begin{table}", r"\centering", rf"\caption{{{escape_latex(self.title)}}}"]
        lines += [r"\begin{tabular}{l" + "r" * (len(self.columns) - 1) + "}", r"\toprule"]
        lines += [" & ".join(map(escape_latex, self.columns)) + r" \\", r"\midrule"]
        lines += [" & ".join(map(escape_latex, row)) + r" \\" for row in self.rows]
        lines += [r"\bottomrule", r"\end{tabular}"]
        lines += [rf"\par\footnotesize {escape_latex(note)}" for note in self.notes]
        return "\n".join([*lines, r"\end{table}"]) + "\n"


def escape_markdown(text: str) -> str:
    """Escape what would end a cell or start markup; underscores inside words need nothing."""
    return "".join(_MARKDOWN.get(letter, letter) for letter in text)


def escape_latex(text: str) -> str:
    """Escape LaTeX's special characters and spell out the signs that the tables use."""
    return "".join(_LATEX.get(letter, letter) for letter in text)


def by_cell(rows: Iterable[Row]) -> dict[Cell, list[Row]]:
    """Group rows, cells in the order in which they come."""
    cells: dict[Cell, list[Row]] = {}
    for row in rows:
        cells.setdefault(row.cell, []).append(row)
    return cells


def kind(traits: Traits | None) -> str:
    """Say whether a method is inductive or transductive."""
    return ABSENT if traits is None else "transductive" if traits.transductive else "inductive"


def balance(traits: Traits | None) -> str:
    """Say whether a method presumes balanced queries."""
    return ABSENT if traits is None else "yes" if traits.assumes_balance else "no"


def share(mean: float, half: float | None = None, *, signed: bool = False) -> str:
    """Format a share in per cent, with half its interval where given."""
    if math.isnan(mean):
        return ABSENT
    text = f"{100 * mean:{'+' if signed else ''}.2f}".replace("-", "−")
    return text if half is None or math.isnan(half) else f"{text} ± {100 * half:.2f}"


def cell_differences(rows: Sequence[Row], baseline: str) -> dict[str, Difference]:
    """Compare the methods of one cell with the baseline, where both have results of two episodes or more."""
    accuracies = {row.name: row.result.accuracy for row in rows if row.result is not None and row.cell.episodes > 1}
    return differences(accuracies, baseline)


def _failures(rows: Iterable[Row]) -> tuple[str, ...]:
    """Say why methods failed, those with one sentence together."""
    sentences: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.failure:
            sentences.setdefault(row.failure, {})[row.name] = None
    return tuple(f"Failed: {', '.join(names)}: {sentence}." for sentence, names in sentences.items())


def cell_table(rows: Sequence[Row], baseline: str) -> Table:
    """Return every figure of one cell, best method first; a method that failed stands last, with its sentence below the table."""
    found = cell_differences(rows, baseline)
    summaries = {row.name: row.result.summary() for row in rows if row.result is not None}
    outliers = any("auroc" in summary for summary in summaries.values())
    ranking = ("AUROC (%)",) if outliers else ()
    columns = (
        "method", "accuracy (%)", f"against {baseline}", "kind", "assumes balance", "ECE (%)", "NLL", *ranking, "tasks/s", "peak MB",
        "settings",
    )  # fmt: skip
    lines = []
    for row in sorted(rows, key=lambda row: -summaries[row.name]["accuracy"] if row.name in summaries else math.inf):
        if row.name not in summaries:
            lines.append(
                (row.name, "failed", ABSENT, kind(row.traits), balance(row.traits), *(ABSENT,) * (len(columns) - 6), row.origin)
            )
            continue
        figures, gap = summaries[row.name], found.get(row.name)
        against = ABSENT if gap is None else share(gap.mean, gap.half, signed=True) + (" *" if gap.significant else "")
        line = [row.name, share(figures["accuracy"], figures["interval"]), against, kind(row.traits), balance(row.traits)]
        line += [share(figures["ece"]), f"{figures['nll']:.3f}"]
        if outliers:
            line.append(share(figures.get("auroc", math.nan), figures.get("auroc_interval")))
        line += [f"{figures['tasks_per_second']:,.0f}", f"{figures['peak_memory_mb']:,.0f}", row.origin]
        lines.append(tuple(line))
    cell = rows[0].cell
    return Table(f"{cell.title}, {cell.episodes:,} episodes", columns, tuple(lines), _failures(rows))


def overview_table(rows: Sequence[Row], baseline: str) -> Table:
    """Return the accuracies of all methods (rows) in all cells (columns) of one set of features, best on average first."""
    cells = by_cell(rows)
    found = {cell: cell_differences(group, baseline) for cell, group in cells.items()}
    columns = ("method", "kind", "assumes balance", *(cell.describe() for cell in cells))
    lines, order = [], []
    for name in dict.fromkeys(row.name for row in rows):
        own = {row.cell: row for row in rows if row.name == name}
        traits = next((row.traits for row in own.values() if row.traits is not None), None)
        texts = []
        means = []
        for cell in cells:
            result = own[cell].result if cell in own else None
            if result is None:
                texts.append(ABSENT)
                continue
            summary = result.summary()
            means.append(summary["accuracy"])
            gap = found[cell].get(name)
            texts.append(share(summary["accuracy"], summary["interval"]) + (" *" if gap is not None and gap.significant else ""))
        lines.append((name, kind(traits), balance(traits), *texts))
        order.append((len(cells) - len(means), -sum(means) / max(len(means), 1)))
    ranked = tuple(line for _, line in sorted(zip(order, lines, strict=True), key=lambda pair: pair[0]))
    return Table(f"{rows[0].cell.features}: accuracy (%)", columns, ranked, _failures(rows))


def gain_table(rows: Sequence[Row], reference: str) -> Table | None:
    """Return the relative gain of `reference` over every other method at one shot, inductive ones first; None without such cells."""
    cells = {
        cell: {row.name: row for row in group if row.result is not None} for cell, group in by_cell(rows).items() if cell.shot == 1
    }
    cells = {cell: group for cell, group in cells.items() if reference in group}
    if not cells:
        return None
    traits: Mapping[str, Traits | None] = {row.name: row.traits for group in cells.values() for row in group.values()}
    lines = []
    for name in sorted(traits, key=lambda name: (kind(traits[name]), name)):
        if name == reference:
            continue
        texts = []
        for group in cells.values():
            ours, other = group[reference].result, group[name].result if name in group else None
            assert ours is not None
            texts.append(ABSENT if other is None else share(*_gain(ours, other), signed=True))
        lines.append((name, kind(traits[name]), *texts))
    title = f"One shot: relative gain of {reference} over each inductive, then each transductive method (%)"
    return Table(title, ("over", "kind", *(cell.title for cell in cells)), tuple(lines))


def _gain(ours: Evaluation, other: Evaluation) -> tuple[float, float]:
    """Return the relative gain over the episodes that both have: of a slow method perhaps the first ones alone."""
    n = min(len(ours.accuracy), len(other.accuracy))
    return relative_gain(ours.accuracy[:n], other.accuracy[:n])


def _plain(value: object) -> object:
    """Replace NaN, which JSON does not know, by null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def to_json(rows: Sequence[Row], baseline: str, reference: str) -> Json:
    """Return all figures: cells with their rows, paired differences with p-values as they come and corrected, relative gains."""
    cells = []
    for cell, group in by_cell(rows).items():
        found = cell_differences(group, baseline)
        ours = next((row.result for row in group if row.name == reference), None)
        entries = []
        for row in group:
            entry: Json = {"method": row.name, "kind": kind(row.traits), "settings": row.origin}
            entry["assumes_balance"] = None if row.traits is None else row.traits.assumes_balance
            if row.result is None:
                entries.append(entry | {"failure": row.failure})
                continue
            entry |= row.result.summary()
            if row.name in found:
                gap = found[row.name]
                entry["difference"] = {"mean": gap.mean, "interval": gap.half, "p": gap.p_value, "p_holm": gap.holm}
            if ours is not None and row.name != reference:
                gain, half = _gain(ours, row.result)
                entry["relative_gain_of_reference"] = {"mean": gain, "interval": half}
            entries.append(entry)
        cells.append({"features": cell.features, **cell.settings, "rows": entries})
    plain = _plain({"baseline": baseline, "reference": reference, "cells": cells})
    assert isinstance(plain, dict)
    return plain
