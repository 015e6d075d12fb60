"""New items, labelled by the classifier of an earlier run: ``sibyl label NEW --with out/``."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sibyl.encoders.chosen import encoder_for
from sibyl.encoders.embed_source import embed_source
from sibyl.encoders.encoder import Encoder
from sibyl.encoders.named import encoder_by_name, encoder_of_run
from sibyl.errors import DataError
from sibyl.labeling.corrections import Corrections, read_corrections, with_corrections
from sibyl.labeling.examples import Examples
from sibyl.labeling.file_names import check_same_pile
from sibyl.labeling.report import Counts, Summary
from sibyl.labeling.request import LabelRequest
from sibyl.labeling.run import Labelling, is_fitted
from sibyl.labeling.saved_run import SavedRun
from sibyl.labeling.solve import Solved, solve_items
from sibyl.labeling.table import in_source_order, labels_table, with_columns, with_texts
from sibyl.labeling.wording import applied_line
from sibyl.memmap import allocate_beside, release, slices
from sibyl.messages import counted
from sibyl.sources.objects import held_in, place_of
from sibyl.sources.open import open_source
from sibyl.sources.source import Source
from sibyl.sources.table_files import ENDINGS, RawTable, read_table
from sibyl.tasks import Classifier, Solution, Task
from sibyl.threads import torch_threads
from sibyl.transduction.feature_rows import Checked, checked_rows

_NOT_KEPT = "the earlier run was made by a version of sibyl that did not keep what {} was fitted to; run sibyl label on it again"
_OLD = "\0"  # in front of the names of the earlier run's items, which new ones may share


@torch_threads()
def label_with(request: LabelRequest) -> Labelling:
    """Label new items without examples of their own: ``request.earlier`` is a run, or a file that an estimator saved.

    The earlier run's classifier is asked about the new rows. Corrections of new items count as
    examples beside those of the earlier run, which is then solved again. The encoder and the column
    of texts are the earlier run's when left out; labels in a column are ignored.

    Raises
    ------
    DataError
        If the folder holds no run, the new items are of another kind or read with another encoder,
        or the encoder cannot judge items that it has not seen.
    """
    started, earlier = time.perf_counter(), request.earlier
    assert earlier is not None
    run, source = SavedRun.read(earlier, needs_rows=False), request.source
    if not isinstance(source, Source):
        source = _opened(run, request)
    elif run.names and source.modality == run.source["modality"] == "table":
        raise DataError(f"{source.root}: give the path of a later table, so that it is read with what the run in {earlier} learned")
    if request.folder is not None:
        check_same_pile(request.folder, source.root)
    network = _same_encoder(run, earlier, source, request.encoder)
    embedded = embed_source(source, network, request.cache, batch_size=request.batch_size, console=request.console)
    if len(embedded.names) and embedded.matrix.shape[1] != run.matrix.shape[1]:
        raise DataError(
            f"{source.root}: {embedded.matrix.shape[1]} columns of features, but the run in {earlier} has {run.matrix.shape[1]}; "
            "make both with the same encoder"
        )
    names = set(embedded.names)
    mended = Corrections({}) if request.folder is None else read_corrections(request.folder, source.root, names)
    row_of = {name: row for row, name in enumerate(embedded.names)}
    labelled = sorted(row_of[name] for name in mended.labels)
    taught = _taught(run, earlier, mended, embedded.matrix[[row_of[name] for name in mended.labels]])
    method, class_names = run.method if isinstance(run.method, str) else run.method.name, taught.class_names
    later_rows = checked_rows(embedded.matrix, embedded.names, "features").X
    queries = Checked(later_rows).without(np.array(labelled, np.int64))[None]
    solution = _classified(queries, taught.classifier, len(class_names))
    skipped = (*source.skipped, *embedded.skipped)
    own = Examples(mended.labels, class_names, str(earlier), dict.fromkeys(mended.labels, "correction"))
    table = in_source_order(labels_table(embedded.names, own, solution, skipped, method), source.order)
    table = with_columns(table, source.frame) if request.keep_columns else with_texts(table, source)
    summary = Summary(
        Counts.of(table),
        False,
        applied_line(method, earlier),
        dict(embedded.encoder),
        embedded.n_cached,
        time.perf_counter() - started,
        notes=(*source.notes, *mended.notes, *([embedded.problem] if embedded.problem else []), *_labels_unused(source, earlier)),
        method_name=method,
        source=str(source.root),
        modality=source.modality,
        examples_from=f"the run in {earlier}",
        understood=f"{source.understood or source.modality}; examples from the run in {earlier}",
        command=request.command,
        version=version("sibyl-learn"),
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %z"),
    )
    task = Task(taught.support_x, taught.support_y, queries, len(class_names))
    return Labelling(
        table, summary, source, embedded.names, embedded.matrix, class_names, Solved(table, task, solution), None, network
    )


@dataclass(frozen=True, eq=False)
class _Taught:
    """What the earlier run knows of its classes, with the corrections of new items added."""

    class_names: tuple[str, ...]
    classifier: Classifier
    support_x: Float[Tensor, "1 support dim"]
    support_y: Int[Tensor, "1 support"]


def _taught(run: SavedRun, earlier: str | Path, mended: Corrections, rows: npt.NDArray[np.float32]) -> _Taught:
    """Take the classifier as it is; where there are corrections, `rows` are theirs, or no file can hold it, solve again."""
    if run.classifier is not None and not mended.labels:
        number = {name: index for index, name in enumerate(run.examples.class_names)}
        labels = run.examples.labels
        known = [row for row, name in enumerate(run.names) if name in labels]
        support_y = torch.tensor([[number[labels[run.names[row]]] for row in known]], dtype=torch.long)
        return _Taught(run.examples.class_names, run.classifier, torch.from_numpy(run.matrix[known])[None], support_y)
    if not run.names:
        raise DataError(f"{earlier}: holds a classifier without its items, so corrections cannot teach it; label together instead")
    old = run.examples
    known_before = Examples(
        {_OLD + item: label for item, label in old.labels.items()}, old.class_names, str(earlier), vectors=old.vectors
    )
    examples = with_corrections(known_before, mended)
    names = [*(_OLD + name for name in run.names), *mended.labels]
    matrix = np.concatenate([run.matrix, rows]) if mended.labels else run.matrix
    method = replace(run, examples=examples).build_method()
    solved = solve_items(names, matrix, examples, method, run.class_prior, is_table=run.is_table)
    assert solved.solution.classifier is not None
    return _Taught(examples.class_names, solved.solution.classifier, solved.task.support_x, solved.task.support_y)


@torch.no_grad()
def _classified(queries: Float[Tensor, "1 query dim"], classifier: Classifier, n_way: int) -> Solution:
    """Ask a classifier about rows, slice by slice."""
    n_query = queries.shape[1]
    logits, mix = allocate_beside(queries, (1, n_query, n_way)), queries.new_zeros(1, n_way)
    for part in slices(queries[0]):
        of_part = classifier(queries[:, part])
        logits[:, part], mix = of_part, mix + of_part.softmax(-1).sum(1)
        release(logits)
    return Solution(logits, classifier=classifier, class_mix=mix / n_query if n_query else None)


def _labels_unused(source: Source, earlier: str | Path) -> list[str]:
    if not source.labels or source.root.is_dir():
        return []
    return [
        f"the labels of {counted(len(source.labels), 'row')} in {source.root.name} are ignored: the examples are those of the run in "
        f"{earlier}; labels of new items count from corrections.csv beside the output"
    ]


def _opened(run: SavedRun, request: LabelRequest) -> Source:
    """Open the new items as the earlier ones were; columns are the earlier run's where none are named."""
    pile = Path(request.source) if isinstance(request.source, str) else request.source
    path, column, label_column = place_of(pile), request.column, request.label_column
    if (isinstance(pile, Path) and path.is_dir()) or not run.names:
        return open_source(
            pile, column=column, id_column=request.id_column, exclude=request.no_data, kind=request.kind, ignore=request.ignore
        )
    if run.source["modality"] == "table":
        if run.fitted is None:
            raise DataError(f"{path}: {_NOT_KEPT.format('its table')}")
        if column is not None:
            raise DataError(f"{path}: the earlier run read a table of values, which has no column of texts; leave --column out")
    elif label_column is None:
        label_column = _same_column(pile, run.source.get("label_column"))
    return open_source(
        pile,
        column=column or run.source["column"] or _same_column(pile, run.source.get("text_column")),
        label_column=label_column,
        id_column=request.id_column or run.source.get("id_column"),
        exclude=request.no_data,
        kind=request.kind or run.source.get("kind"),
        ignore=request.ignore or [name for name in run.source.get("ignore") or () if _same_column(pile, name)],
        fitted=run.fitted if run.source["modality"] == "table" else None,
    )


def _same_column(pile: Any, earlier: str | None) -> str | None:
    """Return the name of a column of the earlier table if this one has it, too."""
    if earlier is None or (isinstance(pile, Path) and pile.suffix.lower() not in ENDINGS):
        return None
    held = read_table(pile) if isinstance(pile, Path) else held_in(pile)
    return earlier if isinstance(held, RawTable) and earlier in held.frame.columns else None


def _same_encoder(
    run: SavedRun, earlier: str | Path, source: Source, encoder: str | Path | Encoder[Any, Any] | None
) -> Encoder[Any, Any] | None:
    if not run.names:
        return _encoder_for_rows(earlier, source, encoder)
    if source.modality != run.source["modality"]:
        raise DataError(f"{source.root}: holds {source.modality}, but the run in {earlier} labelled {run.source['modality']}")
    if source.matrix is not None:
        if encoder is not None:
            raise DataError(f"{source.root}: holds rows of numbers, which need no encoder; leave --encoder out")
        return None
    name = run.source["encoder"] if encoder is None else encoder
    if name is None and run.fitted is not None:
        name = run.fitted.kind
    if name is None:
        raise DataError(f"{earlier}: its encoder was given as an object; give the same one again")
    if encoder is not None:
        network = encoder_by_name(str(encoder)) if isinstance(encoder, str | Path) else encoder
    else:
        network = encoder_of_run(str(name), earlier)
    if is_fitted(network) and network.fitted is None:
        if run.fitted is not None and run.fitted.kind == network.name:
            network = network.fitted_as(run.fitted)
        elif run.source["encoder"] == network.name:
            raise DataError(f"{earlier}: {_NOT_KEPT.format(f'the encoder {network.name}')}")
    if network.key != run.source["encoder_key"]:
        raise DataError(f"{earlier}: was read with another encoder than {network.name}, or its file has changed; use the same one")
    return network


def _encoder_for_rows(
    earlier: str | Path, source: Source, encoder: str | Path | Encoder[Any, Any] | None
) -> Encoder[Any, Any] | None:
    """Return the encoder for a classifier of an estimator, which knows nothing of where its rows came from."""
    if source.modality == "table":
        raise DataError(
            f"{source.root}: is a table, but {earlier} is a classifier of rows of features; give features, such as an npy file"
        )
    if source.matrix is None and encoder is None:
        raise DataError(f"{earlier}: is a classifier of rows of features; name the encoder that made them with --encoder")
    network, _ = encoder_for(source, encoder)
    return network
