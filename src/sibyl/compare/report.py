"""A comparison on disk: Markdown, LaTeX, JSON and pictures beside each other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from sibyl.compare.arena import Row
from sibyl.compare.plots import AXES, draw_accuracy
from sibyl.compare.published import published_table
from sibyl.compare.tables import Table, by_cell, cell_table, escape_markdown, gain_table, overview_table, to_json
from sibyl.errors import DataError, UserError
from sibyl.storage import Json, read_json, write_json, write_text

LEGEND = (
    "Accuracy with its 95 % interval over episodes (Student's t); all methods meet the same episodes. * marks a difference to "
    "{baseline} with p < 0.05 by the paired t-test, corrected by Holm for all comparisons of its cell. Outliers, where there are some, "
    'do not count in the accuracy; AUROC says how well they are told apart. ECE: 15 bins. Settings: "published" are the paper\'s, as far '
    'as they carry over to frozen features (the method\'s docstring says where they do not); "validation classes" were chosen by this '
    'project on validation classes; "meta-trained" methods were trained for the cell\'s way and shots on the training classes of the same '
    'features, and the checkpoint was chosen on their validation classes; "still improving" ones were best at the last of their iterations, '
    'so that longer training may give more; "own defaults" are those of a method that names no paper; "shipped" ones come trained with the package. Tasks/s and peak memory are those of the machine that ran.'
)


def all_tables(rows: Sequence[Row], baseline: str, reference: str) -> list[Table]:
    """Return the tables of a report: an overview of each features' cells, papers' figures, one-shot gains, then every cell."""
    tables = []
    for features in dict.fromkeys(row.cell.features for row in rows):
        own = [row for row in rows if row.cell.features == features]
        tables += [overview_table(own, baseline)] if len(by_cell(own)) > 1 else []
        beside = published_table(own, features)
        tables += [beside] if beside is not None else []
    gains = gain_table(rows, reference)
    tables += [gains] if gains is not None else []
    return tables + [cell_table(group, baseline) for group in by_cell(rows).values()]


def check_replaceable(folder: str | Path, features: Collection[str], stem: str = "compare") -> None:
    """Refuse a folder whose files of these names are of other features, or not of a comparison: nothing of somebody's is replaced.

    Raises
    ------
    UserError
        Naming the file.
    """
    path = Path(folder) / f"{stem}.json"
    others = [one for one in (path.with_suffix(".md"), path.with_suffix(".tex")) if one.exists()]
    if not path.exists() and others:
        raise UserError(f"{others[0]} exists, and no {path.name} says what comparison it is of; choose another --out, or move it")
    if not path.exists():
        return
    try:
        measured = {str(cell["features"]) for cell in read_json(path)["cells"]}
    except (DataError, KeyError, TypeError):
        raise UserError(f"{path} exists and is not of a comparison by sibyl; choose another --out, or move it") from None
    if lost := sorted(measured - set(features)):
        raise UserError(f"{path} holds a comparison on {', '.join(lost)}, which this one would replace; choose another --out")


def write_report(
    rows: Sequence[Row],
    folder: str | Path,
    *,
    baseline: str,
    reference: str,
    stem: str = "compare",
    title: str = "Comparison",
    remarks: Sequence[str] = (),
    arguments: Json | None = None,
) -> dict[str, Path]:
    """Write ``<stem>.md``, ``<stem>.tex``, ``<stem>.json`` and ``<stem>_<axis>.png`` for each axis along which cells differ.

    Parameters
    ----------
    rows : sequence of Row
        What `run_arena` returned.
    folder : path
        Where the files go.
    baseline, reference : str
        Method that differences are taken to; method whose relative gains are tabulated.
    stem : str
        Name of the files.
    title, remarks : str, sequence of str
        Heading and paragraphs of the Markdown file.
    arguments : mapping, optional
        Written into the JSON file: what made the figures.

    Returns
    -------
    dict
        Kind of file → path.
    """
    folder = Path(folder)
    tables = all_tables(rows, baseline, reference)
    legend = LEGEND.format(baseline=baseline)
    paths = {"markdown": folder / f"{stem}.md", "latex": folder / f"{stem}.tex", "json": folder / f"{stem}.json"}
    pictures = []
    for axis in AXES:
        path = folder / f"{stem}_{axis}.png"
        if draw_accuracy(rows, axis, path, baseline=baseline, reference=reference):
            paths[axis] = path
            pictures.append(f"![accuracy against {AXES[axis]}]({path.name})")
    parts = [f"# {title}\n", *(f"{remark}\n" for remark in remarks), f"{escape_markdown(legend)}\n"]
    parts += [table.markdown() for table in tables] + [f"{picture}\n" for picture in pictures]
    write_text(paths["markdown"], "\n".join(parts))
    write_text(paths["latex"], "% needs the package booktabs\n" + "\n".join(table.latex() for table in tables))
    write_json(paths["json"], {"arguments": arguments or {}, "legend": legend, **to_json(rows, baseline, reference)})
    return paths
