"""The label job from end to end: open, encode, solve, write. Each step is a function of its own elsewhere; here they meet."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sibyl.encoders.catalogue import default_encoder
from sibyl.encoders.embed import Embedded
from sibyl.encoders.embed_source import embed_source
from sibyl.encoders.encoder import Encoder
from sibyl.encoders.named import encoder_by_name, is_known
from sibyl.errors import DataError
from sibyl.labeling.class_list import read_classes, with_names
from sibyl.labeling.corrections import Corrections, read_corrections, with_corrections, without_lost, without_unread
from sibyl.labeling.examples import Examples, check_items_exist, checked, gather_examples
from sibyl.labeling.file_names import CORRECTIONS, check_same_pile
from sibyl.labeling.report import BY_NAMES, Counts, Summary
from sibyl.labeling.request import LabelRequest
from sibyl.labeling.saved_run import SavedRun, answer_of, kept_classifier, kept_method, plain_prior
from sibyl.labeling.solve import Solved, solve_items
from sibyl.labeling.table import in_source_order, with_columns, with_texts
from sibyl.memmap import trim
from sibyl.messages import counted, quoted
from sibyl.methods import Method
from sibyl.methods.named import DEFAULT_METHOD, method_by_name
from sibyl.sources.naming import is_placeholder
from sibyl.sources.open import open_source
from sibyl.sources.rows import case_twins, spelling_twins
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
    """Label items; nothing is written, and `earlier`, `export` and `waited` are ignored."""
    started = time.perf_counter()
    source, encoder = _opened(request)
    class_prior, method = request.class_prior, DEFAULT_METHOD if request.method is None else request.method
    if request.folder is not None:
        check_same_pile(request.folder, source.root)
    listed = {} if request.classes is None else read_classes(request.classes)
    given, mended = _labels_given(request, source, listed)
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
    weak = [note for note in choice if "; better: " in note]
    notes = [*weak, *_notes(source, given, mended, embedded, reasons, solved.fell_back), *lost, *solved.notes]
    if rebuilt is None:
        notes.append(f"method {solver.name} is not one of sibyl's: this run cannot be taken up later")
    summary = Summary(
        Counts.of(table),
        solved.fell_back,
        method_line(solver),
        dict(embedded.encoder) | ({"chosen": choice[0].removeprefix("encoder ")} if choice and not weak else {}),
        embedded.n_cached,
        time.perf_counter() - started,
        notes=tuple(notes),
        method_name=solver.name,
        source=str(source.root),
        modality=source.modality,
        examples_from=_examples_from(given, mended),
        understood=f"{source.understood or source.modality}; {_taught_by(given, mended)}",
        names=dict(solved.names),
        class_prior="balanced" if isinstance(class_prior, str) else "nothing" if class_prior is None else "given",
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


def encoder_for(source: Source, encoder: str | Path | Encoder[Any, Any] | None) -> tuple[Encoder[Any, Any] | None, tuple[str, ...]]:
    """Return the encoder that a source is read with, none where it holds rows already, and what a person should know of the choice.

    Raises
    ------
    DataError
        If the source holds rows and an encoder is named.
    """
    if source.matrix is not None:
        if encoder is not None:
            raise DataError(f"{source.root}: holds rows of numbers, which need no encoder; leave --encoder out")
        return None, ()
    if encoder is None:
        choice = default_encoder(source.modality)
        return choice.encoder, (choice.note,)
    return (encoder_by_name(str(encoder)) if isinstance(encoder, str | Path) else encoder), ()


def _opened(request: LabelRequest) -> tuple[Source, str | Path | Encoder[Any, Any] | None]:
    """Open the source; a folder anew where the encoder reads another kind of its files than most of them are. Return the encoder too."""
    if isinstance(request.source, Source):
        return request.source, request.encoder
    exclude, encoder = request.no_data, request.encoder
    source = open_source(
        request.source, column=request.column, label_column=request.label_column, id_column=request.id_column, exclude=exclude,
        kind=request.kind, ignore=request.ignore,
    )  # fmt: skip
    if encoder is None or request.kind is not None or source.matrix is not None or not source.root.is_dir():
        return source, encoder
    _check_named(request, source)  # before an encoder is loaded
    network = encoder_by_name(str(encoder)) if isinstance(encoder, str | Path) else encoder
    if network.modality == source.modality:
        return source, network
    try:
        return open_source(source.root, exclude=exclude, kind=network.modality), network
    except DataError:
        return source, network  # which says that they do not fit


def _check_named(request: LabelRequest, source: Source) -> None:
    """Refuse examples that lie nowhere in a folder, be it read as images, texts or clips."""
    if request.examples is None and not request.named:
        return
    names, reasons = set(source.names), {one.name: one.reason for one in source.skipped} | dict(source.unread)
    given = gather_examples(request.examples, request.named, source.root, names | reasons.keys(), {}, "", _contents_of(source))
    there = {item for item in given.labels if (source.root / item).is_file()}
    check_items_exist(given, names | there | reasons.keys(), reasons)


def is_fitted(encoder: Encoder[Any, Any]) -> bool:
    """Whether an encoder is fitted to the items that it reads, so that only those know its dimension."""
    return type(encoder).fitted_to is not Encoder.fitted_to


def _typed(encoder: str | Path | Encoder[Any, Any] | None, network: Encoder[Any, Any] | None) -> str | None:
    """Return what `encoder_by_name` takes to build an encoder again, where that is known."""
    if network is None or isinstance(encoder, Encoder):
        return None
    name = network.name if encoder is None else str(encoder)
    return str(Path(name).absolute()) if Path(name).exists() and not is_known(name) else name


def _labels_given(request: LabelRequest, source: Source, listed: Mapping[str, str]) -> tuple[Examples, Corrections]:
    examples, named, folder = request.examples, request.named, request.folder
    names = set(source.names)
    own_origin = "folder" if source.root.is_dir() and source.matrix is None else "column"
    reasons = {**{one.name: one.reason for one in source.skipped}, **source.unread}
    given = gather_examples(
        examples, named, source.root, names | reasons.keys(), {**source.labels, **source.lost}, own_origin, _contents_of(source)
    )
    mended = Corrections({}) if folder is None else read_corrections(folder, source.root, names)
    given = with_corrections(given, mended)
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
    if examples is None and not named and names <= given.labels.keys():
        what = "lie in sub-folders, which count as their classes" if own_origin == "folder" else "have a label in their column"
        raise DataError(
            f"{source.root}: all {len(names):,} items {what}, so nothing is left to label; name the examples with --examples or --example"
        )
    return given, mended


def _contents_of(source: Source) -> Callable[[], Mapping[str, str]] | None:
    """Return what lists the texts of a source with their names; None for other items."""
    if source.modality != "text":
        return None
    return lambda: {item.read().decode("utf-8", "replace").strip(): item.name for item in source.items if item.content is not None}


def _notes(
    source: Source, examples: Examples, mended: Corrections, embedded: Embedded, reasons: Mapping[str, str], fell_back: bool
) -> list[str]:
    notes = [*source.notes, *mended.notes]
    notes += [f"classes {one!r} and {other!r} differ only in capitals or blanks" for one, other in case_twins(examples.class_names)]
    notes += [
        f"classes {one!r} and {other!r} differ in one letter; if they are one class, write both alike"
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


def _examples_from(examples: Examples, mended: Corrections) -> str:
    if not examples.labels:
        return BY_NAMES
    words = {
        "folder": "sub-folders",
        "column": "a column of labels",
        "correction": " and ".join(mended.files) or CORRECTIONS,
        "example": examples.source,
    }
    counts = {origin: sum(examples.origin(item) == origin for item in examples.labels) for origin in words}
    return ", ".join(f"{words[origin]} ({number:,})" for origin, number in counts.items() if number)


def _taught_by(examples: Examples, mended: Corrections) -> str:
    """Say how many examples of which classes there are, and where they come from."""
    n, classes = len(examples.labels), examples.class_names
    if not n:
        return f"{len(classes):,} classes ({quoted(classes, 6)}), by their names alone"
    where = _examples_from(examples, mended)
    if ", " not in where:
        where = where.rpartition(" (")[0]
    given = "given" if where == "examples" else f"from {where}"
    return f"{counted(n, 'example')} of {len(classes):,} classes ({quoted(classes, 6)}), {given}"


def method_line(solver: Method | type[Method]) -> str:
    """Say in words what a method is."""
    kind = "learns from the unlabelled items" if solver.traits.transductive else "looks at the examples alone"
    mix = ", presumes equally frequent classes" if solver.traits.assumes_balance else ""
    return f"{solver.name} ({kind}{mix})"
