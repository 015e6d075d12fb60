"""`sibyl.label`: label a pile of data, and write what comes out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from sibyl.encoders.encoder import Encoder
from sibyl.errors import DataError, SibylError
from sibyl.export.formats import check_format, check_place, export_items
from sibyl.export.labelled_items import labelled_items
from sibyl.labeling.apply_run import label_with
from sibyl.labeling.classifier_file import write_classifier
from sibyl.labeling.file_names import RUN, check_output, check_replaceable_outputs, output_place
from sibyl.labeling.outputs import NAMES, finish_output, write_outputs
from sibyl.labeling.report import Summary
from sibyl.labeling.report_page import ToShow, report_html
from sibyl.labeling.request import LabelRequest
from sibyl.labeling.run import Labelling, label_items
from sibyl.labeling.suggest import suggest, suggestion_words
from sibyl.memmap import trim
from sibyl.methods import Method
from sibyl.sources.objects import place_of
from sibyl.stages import stage
from sibyl.storage import cache_folder, write_errors
from sibyl.threads import torch_threads
from sibyl.together import together

ONNX = "onnx"


def label(
    source: Any,
    examples: Any = None,
    encoder: str | Path | Encoder[Any, Any] | None = None,
    out: str | Path | None = None,
    *,
    earlier: str | Path | None = None,
    export: Sequence[str] = (),
    column: str | None = None,
    label_column: str | None = None,
    id_column: str | None = None,
    kind: str | None = None,
    ignore: Sequence[str] = (),
    keep_columns: bool = False,
    method: str | Method | None = None,
    class_prior: Any = None,
    classes: str | Path | Sequence[str] | Mapping[str, str] | None = None,
    cache: str | Path | None = None,
    batch_size: int = 32,
    console: Console | None = None,
) -> pd.DataFrame:
    """Label a folder, texts, clips, a table or features from a few labelled items.

    Parameters
    ----------
    source : path, object or Source
        What `open_source` opens (a folder, a file, a DataFrame, an array with a row per item, a
        list of PIL images or of texts, a Hugging Face ``Dataset``), or what it gave.
    examples : path, mapping or Series, optional
        A table with the columns ``item,label`` (or what Label Studio exports), or item → label;
        items of a frame are called by its index, those of arrays and lists by their position from
        0. Left out, the labels that the source itself holds: the sub-folders that items lie in, or
        a column of labels with blanks.
    encoder : str, path or Encoder, optional
        What `encoder_by_name` knows. A table and features need none.
    out : path, optional
        Folder for ``labels.csv``, ``report.html``, ``summary.json`` and ``run.safetensors``;
        ``out/labels.jsonl`` and ``out/labels.parquet`` choose the table's format.
        ``corrections.csv`` in that folder goes before all other labels. Nothing is written when
        left out.
    earlier : path, optional
        Output folder of an earlier run: its classifier labels the items, and there are no examples.
    export : sequence of str
        What to write for other tools beside the table: names of `sibyl.export.formats.FORMATS`, or
        ``onnx`` for the classifier.
    column, label_column, id_column : str, optional
        Columns of a table with the texts, the labels and the names of items.
    kind : str, optional
        ``image``, ``audio``, ``text``, ``table`` or ``features``, where the source could be taken
        for several.
    ignore : sequence of str
        Columns of a table that are not looked at.
    keep_columns : bool
        The table of labels has the columns of the table that is labelled, too.
    method : str or Method, optional
        A name of `sibyl.METHODS`, a checkpoint, or a method; the universal SIB when left out.
    class_prior : None, "balanced", shares or mapping of class to share, count or word
        What is known of the class mix of the unlabelled items; nothing by default. Shares sum to 1
        and count as exact; counts of a random sample (``{"cat": 9, "dog": 6}``) and words
        (``{"fraud": "rare"}``) are enforced softly.
    classes : str, path, sequence or mapping, optional
        Names of the classes as evidence, for encoders that read names too (sentence encoders):
        ``"travel,billing"``, a table ``class,description``, a list, or name → description. Classes
        without an example, or none with one, are allowed then. Names that disagree with the
        examples are not used.
    cache : path, optional
        Folder of the feature cache; ``$SIBYL_CACHE`` or the platform's own when left out.
    batch_size : int
        Items per run of the encoder.
    console : rich Console, optional
        Where progress is shown.

    Returns
    -------
    DataFrame
        One row per item found: ``item``, ``label``, ``confidence`` (of the label), ``margin`` (to
        the runner-up), ``runner_up``, ``inductive_label`` (without the other unlabelled items),
        ``changed`` (whether they differ), ``outlier_score`` (higher: more likely none of the
        classes), ``status`` (``example``, ``labelled``, ``skipped: why``), ``source`` (where the
        label comes from).

    Raises
    ------
    UserError
        If the source, the examples, the encoder or the output are not as expected; nothing is
        written then.
    MissingExtra
        If a library is not installed.
    """
    request = LabelRequest(
        source, examples, encoder, out, earlier, export, column, label_column, id_column, kind, ignore, keep_columns, method,
        class_prior, classes, cache, batch_size, console,
    )  # fmt: skip
    labelling, _ = label_and_write(request)
    return labelling.table


def label_and_write(request: LabelRequest) -> tuple[Labelling, Summary]:
    """Do what `label` does, and return all of it."""
    began = time.perf_counter() if request.began is None else request.began
    _check_output(request)
    if request.earlier is None:
        labelling = label_items(request)
    else:
        _check_applies(request)
        labelling = label_with(request)
    labelling = replace(labelling, summary=replace(labelling.summary, seconds=time.perf_counter() - began))
    if request.out is None:
        return labelling, labelling.summary
    with stage(request.console, "writing labels and report"):
        return labelling, write_all(request.out, labelling, request.export, request.cache)


def _check_output(request: LabelRequest) -> None:
    """Refuse an output or an export that cannot be written before hours are spent on encoding."""
    files = [name for name in request.export if name != ONNX]
    for name in files:
        check_format(name)
    if request.folder is None or request.out is None:
        if request.export:
            raise DataError("an export is written into the output folder; give one with out")
        return
    check_output(request.folder)
    finish_output(request.folder)
    root = place_of(request.source)
    check_replaceable_outputs(request.out, [root, *request.inputs])
    for name in files:
        check_place(request.folder / name, root)


def _check_applies(request: LabelRequest) -> None:
    """Refuse what an earlier run has settled."""
    earlier = request.earlier
    assert earlier is not None
    if request.examples is not None or request.named or request.classes is not None:
        raise DataError(
            f"the examples and classes are those of the run in {earlier}; leave them out, and correct labels with corrections.csv"
        )
    if request.method is not None or request.class_prior is not None:
        raise DataError(
            f"the method and the class prior are those of the run in {earlier}; leave them out, or label anew with examples"
        )
    if request.folder is not None and request.folder.resolve() == Path(earlier).resolve():
        raise DataError(f"{earlier}: would be replaced by the labels of the new items; choose another output folder")


def write_all(out: str | Path, labelling: Labelling, export: Sequence[str], cache: str | Path | None = None) -> Summary:
    """Write the outputs and the exports of a run; all take their places together.

    Raises
    ------
    UserError
        If the folder cannot be written; or if an export cannot be made, when the outputs and the
        other exports are there all the same.
    MissingExtra
        If a library for an export is not installed; as before.
    """
    folder, written, failed = output_place(out)[0], [], None
    with write_errors(folder), together(folder, NAMES):
        summary = write_labelling(out, labelling, cache)
        for name in dict.fromkeys(export):
            try:
                written.append(write_export(name, folder, labelling))
            except SibylError as error:  # the labels must not be lost by it
                failed = failed or error
    if failed is not None:
        raise failed
    return replace(summary, exports=tuple(map(str, written)))


def write_export(name: str, folder: Path, labelling: Labelling) -> Path:
    """Write labels for another tool into ``folder/NAME``, or the classifier into ``folder/classifier.onnx``; return which."""
    if name != ONNX:
        row_of = {name: row for row, name in enumerate(labelling.names)}
        rows = [row_of[name] for name in labelling.source.names if name in row_of]
        items = labelled_items(
            labelling.table,
            labelling.source,
            labelling.class_names,
            tuple(labelling.names[row] for row in rows),
            labelling.matrix[rows],
            labelling.solved.solution.probabilities[0].numpy(),
            labelling.summary.method_name,
        )
        export_items(name, folder / name, items)
        return folder / name
    return write_classifier(folder, labelling)


@torch_threads()
def write_labelling(out: str | Path, labelling: Labelling, cache: str | Path | None = None, n_first: int = 12) -> Summary:
    """Write the table, the report, the summary and the run to a folder, all or nothing.

    Parameters
    ----------
    out : path
        As for `label`.
    labelling : Labelling
        Of `label_items`.
    cache : path, optional
        Folder where the report's map is kept.
    n_first : int
        Items that the report suggests to label next.

    Returns
    -------
    Summary
        Of the run, with the output's place and the time that writing took.
    """
    started = time.perf_counter()
    folder, table_name = output_place(out)
    shown = to_show(labelling, n_first)
    until_now = labelling.summary.seconds + time.perf_counter() - started
    shown = replace(shown, summary=replace(shown.summary, output=str(folder / table_name), seconds=until_now))
    trim()
    document = report_html(shown, cache=Path(cache_folder() if cache is None else cache))
    trim()
    others: dict[str, Callable[[Path], None]] = {"report.html": lambda path: _write(path, document)}
    if labelling.run is not None:
        others[RUN] = labelling.run.write
    seconds = labelling.summary.seconds + time.perf_counter() - started
    summary = replace(labelling.summary, output=str(folder / table_name), seconds=seconds)
    gone = () if labelling.run is not None else (RUN,)  # an older run there is not what the table says
    write_outputs(folder, labelling.table, summary, others, table_name, gone)
    return summary


def to_show(labelling: Labelling, n_first: int = 12) -> ToShow:
    """Gather what the report of a run shows."""
    solved = labelling.solved
    examples = set(labelling.table.loc[labelling.table["status"] == "example", "item"])
    queries = [name for name in labelling.names if name not in examples]
    first = [
        (queries[one.row], suggestion_words(one, labelling.class_names)) for one in suggest(solved.task, solved.solution, n_first)
    ]
    mix = solved.solution.class_mix
    return ToShow(
        labelling.table,
        labelling.summary,
        labelling.source,
        labelling.class_names,
        labelling.names,
        labelling.matrix,
        None if mix is None else [float(share) for share in mix[0].tolist()],
        first,
    )


def _write(path: Path, document: str) -> None:
    path.write_text(document, encoding="utf-8", newline="")
