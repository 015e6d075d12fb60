"""A page for a model hub's Space: upload a table whose label column is mostly blank, get labels for all rows and the report."""

from __future__ import annotations

import tempfile
from pathlib import Path

import sibyl


def label_table(table: str, label_column: str) -> tuple[str, str, str]:
    """Label the rows of a table.

    Parameters
    ----------
    table : str
        Path of a csv, tsv, jsonl or parquet file.
    label_column : str
        The column with the labels that are known; empty for the usual names.

    Returns
    -------
    labels, report, message : str
        Paths of the table of labels and of the page, and what to say; both paths are empty if it cannot be labelled.
    """
    out = Path(tempfile.mkdtemp(prefix="sibyl-")) / "out"
    try:
        labels = sibyl.label(table, label_column=label_column.strip() or None, out=out)
    except sibyl.UserError as error:
        return "", "", str(error).replace(str(Path(table).parent) + "/", "")
    given = int((labels["status"] == "example").sum())
    made = int((labels["status"] == "labelled").sum())
    return str(out / "labels.csv"), str(out / "report.html"), f"{given} rows were labelled, {made} more are now."


def main() -> None:
    """Serve the page."""
    import gradio

    def answer(table: str, label_column: str) -> tuple[str | None, str | None, str]:
        labels, report, message = label_table(table, label_column)
        return labels or None, report or None, message

    page = gradio.Interface(
        answer,
        [gradio.File(label="Table", type="filepath"), gradio.Textbox(label="Column of labels", placeholder="label")],
        [gradio.File(label="labels.csv"), gradio.File(label="report.html"), gradio.Textbox(label="Result")],
        title="Sibyl",
        description="Label a few rows of each class and leave the others blank.",
    )
    page.launch()


if __name__ == "__main__":
    main()
