"""The label job from end to end: open, encode, solve, write. Each step is a function of its own elsewhere; here they meet."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sibyl.encoders.chosen import encoder_for
from sibyl.encoders.embed_source import embed_source
from sibyl.encoders.encoder import Encoder
from sibyl.encoders.named import encoder_by_name, is_known
from sibyl.errors import DataError
from sibyl.labeling.class_list import read_classes, with_names
from sibyl.labeling.corrections import without_lost
from sibyl.labeling.examples import check_items_exist, checked
from sibyl.labeling.file_names import check_same_pile
from sibyl.labeling.given import check_named, labels_given
from sibyl.labeling.report import Counts, Summary
from sibyl.labeling.request import LabelRequest
from sibyl.labeling.saved_run import SavedRun, answer_of, kept_classifier, kept_method, plain_prior
from sibyl.labeling.solve import Solved, solve_items
from sibyl.labeling.table import in_source_order, with_columns, with_texts
from sibyl.labeling.wording import examples_from, method_line, notes_of, prior_word, taught_by
from sibyl.memmap import trim
from sibyl.methods.named import DEFAULT_METHOD, method_by_name
from sibyl.sources.open import open_source
from sibyl.sources.source import Source
from sibyl.stages import stage
from sibyl.threads import torch_threads


@dataclass(frozen=True, eq=False)
class Labelling:
    """A table of labels and how it came about.

    Parameters
    ----------
    table : DataFrame
        One row per item found.
    summary : Summary
        Counts, method, encoder, time.
    source : Source
        What was labelled.
    names : tuple of str
        Item of each row of `matrix`.
    matrix : float32 array [item, dim]
        Features.
    class_names : tuple of str
    solved : Solved
        Task and solution.
    run : SavedRun, optional
        What is kept to solve again; None where the method cannot be built again from its name.
    encoder : Encoder, optional
        What read the items; None where they are rows already.
    """

    table: pd.DataFrame
    summary: Summary
    source: Source
    names: tuple[str, ...]
    matrix: npt.NDArray[np.float32]
    class_names: tuple[str, ...]
    solved: Solved
    run: SavedRun | None = None
    encoder: Encoder[Any, Any] | None = None


@torch_threads()
def label_items(request: LabelRequest) -> Labelling:
    """Label items; nothing is written, and `earlier`, `export` and `began` are ignored."""
    started = time.perf_counter()
    source, encoder = _opened(request)
    class_prior, method = request.class_prior, DEFAULT_METHOD if request.method is None else request.method
    if request.folder is not None:
        check_same_pile(request.folder, source.root)
    listed = {} if request.classes is None else read_classes(request.classes)
    given, mended = labels_given(request, source, listed)
    network, choice = encoder_for(source, encoder)
    given = with_names(given, listed, network, source.root)
    if isinstance(method, str) and network is not None and not is_fitted(network):
        method_by_name(method, network.dim, len(given.class_names))  # a wrong name is an error before hours of encoding

    embedded = embed_source(
        source, network, request.cache, first=given.labels, batch_size=request.batch_size, console=request.console
    )
    trim()
    skipped = (*source.skipped, *embedded.skipped)
    reasons = {one.name: one.reason for one in skipped}
    given, lost = without_lost(given, reasons)
    check_items_exist(checked(given), set(embedded.names), reasons)
    if listed and not len(embedded.names):
        raise DataError(f"{source.root}: none of its items can be read, so there is nothing to label")
    solver = method_by_name(method, embedded.matrix.shape[1], len(given.class_names)) if isinstance(method, str) else method
    with stage(request.console, "labelling"):
        solved = solve_items(
            embedded.names, embedded.matrix, given, solver, class_prior, skipped, is_table=source.modality == "table"
        )
    table = in_source_order(solved.table, source.order)
    table = with_columns(table, source.frame) if request.keep_columns else with_texts(table, source)

    trim()
    rebuilt = kept_method(method, solver)
    notes = [choice.note] if choice is not None and choice.better else []
    notes += [*notes_of(source, given, mended, embedded, reasons, solved.fell_back), *lost, *solved.notes]
    if rebuilt is None:
        notes.append(f"method {solver.name} is not one of sibyl's: this run cannot be taken up later")
    summary = Summary(
        Counts.of(table),
        solved.fell_back,
        method_line(solver),
        dict(embedded.encoder) | ({"chosen": choice.remark} if choice is not None and not choice.better else {}),
        embedded.n_cached,
        time.perf_counter() - started,
        notes=tuple(notes),
        method_name=solver.name,
        source=str(source.root),
        modality=source.modality,
        examples_from=examples_from(given, mended),
        understood=f"{source.understood or source.modality}; {taught_by(given, mended)}",
        names=dict(solved.names),
        compared=not solved.fell_back and (solved.solution.inductive_logits is not None or not solver.traits.transductive),
        class_prior=prior_word(class_prior),
        command=request.command,
        version=version("sibyl-learn"),
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %z"),
    )
    run = None
    if rebuilt is not None:
        kept = {
            "root": str(source.root.absolute()),
            "modality": source.modality,
            "encoder": _typed(request.encoder, network),
            "encoder_key": embedded.key,
            "column": request.column,
            "text_column": source.text_column,
            "label_column": request.label_column,
            "id_column": request.id_column,
            "kind": request.kind,
            "ignore": list(request.ignore),
        }
        usable = {item: label for item, label in given.labels.items() if item not in reasons}
        kept_examples = replace(given, labels=usable)
        solution, number = solved.solution, {name: index for index, name in enumerate(given.class_names)}
        codes = np.array([number[usable[name]] if name in usable else -1 for name in embedded.names], np.int64)
        run = SavedRun(
            embedded.names,
            embedded.matrix,
            kept_examples,
            rebuilt,
            plain_prior(class_prior),
            kept,
            embedded.fitted,
            kept_classifier(solution.classifier),
            answer_of(solution, codes, len(number)),
            None if solution.class_mix is None else solution.class_mix[0].double().cpu().numpy(),
            solved.fell_back,
        )
    return Labelling(table, summary, source, embedded.names, embedded.matrix, given.class_names, solved, run, network)


def _opened(request: LabelRequest) -> tuple[Source, str | Path | Encoder[Any, Any] | None]:
    """Open the source; a folder anew where the encoder reads another kind of its files than most of them are. Return the encoder too."""
    source, encoder = request.opened, request.encoder
    if source is request.source or source.matrix is not None or not source.root.is_dir():
        return source, encoder
    if encoder is None or request.kind is not None:
        return source, encoder
    check_named(request)  # before an encoder is loaded
    network = encoder_by_name(str(encoder)) if isinstance(encoder, str | Path) else encoder
    if network.modality == source.modality:
        return source, network
    try:
        return open_source(source.root, exclude=request.no_data, kind=network.modality), network
    except DataError:
        return source, network  # which says that they do not fit


def is_fitted(encoder: Encoder[Any, Any]) -> bool:
    """Whether an encoder is fitted to the items that it reads, so that only those know its dimension."""
    return type(encoder).fitted_to is not Encoder.fitted_to


def _typed(encoder: str | Path | Encoder[Any, Any] | None, network: Encoder[Any, Any] | None) -> str | None:
    """Return what `encoder_by_name` takes to build an encoder again, where that is known."""
    if network is None or isinstance(encoder, Encoder):
        return None
    name = network.name if encoder is None else str(encoder)
    return str(Path(name).absolute()) if Path(name).exists() and not is_known(name) else name
