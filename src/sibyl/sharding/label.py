"""Label a folder of shards: open, look for the examples, solve in passes, write shard by shard."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from rich.console import Console

from sibyl.errors import DataError
from sibyl.labeling.examples import Examples, checked, gather_examples, read_given
from sibyl.labeling.file_names import RUN
from sibyl.labeling.report import Summary
from sibyl.labeling.report_page import ToShow, report_html
from sibyl.labeling.saved_run import SavedRun, kept_classifier, plain_prior
from sibyl.labeling.wording import applied_line, method_line, prior_word
from sibyl.memmap import slices
from sibyl.messages import counted
from sibyl.methods import METHODS, Method
from sibyl.methods.named import DEFAULT_METHOD, method_by_name
from sibyl.methods.universal import UniversalSIB
from sibyl.sharding.engine import engine_by_name
from sibyl.sharding.held import Held
from sibyl.sharding.passes import Answers
from sibyl.sharding.solve import solve_shards
from sibyl.sharding.write import SUMMARY, Write, Written, added, check_out, output, write_bytes, write_json
from sibyl.sources.item import Item
from sibyl.sources.shards import Shards, open_shards
from sibyl.sources.source import Source
from sibyl.stages import steps
from sibyl.tasks import Classifier

_SHOWN = 800  # rows that the report is made of


@dataclass(frozen=True, eq=False)
class _AskClassifier:
    """Ask a classifier about the rows of a shard."""

    classifier: Classifier

    def __call__(self, held: Held, number: int) -> Answers:
        x = torch.from_numpy(held.raw(number).matrix)
        answers = Answers.empty(len(x))
        for part in slices(x):
            logits = self.classifier(x[part][None])[0]
            answers.fill(part, logits, logits, 1 - logits.softmax(-1).amax(-1))
        return answers


def label_shards(
    source: str | Path,
    examples: str | Path | Mapping[Any, Any] | None = None,
    out: str | Path | None = None,
    *,
    named: Sequence[tuple[str, str]] = (),
    earlier: str | Path | None = None,
    column: str | None = None,
    id_column: str | None = None,
    method: str | Method | None = None,
    class_prior: Any = None,
    engine: str = "local",
    workers: int | None = None,
    ray_address: str | None = None,
    console: Console | None = None,
    command: str = "",
) -> Summary:
    """Label a folder of parquet shards with features, without ever holding all of it.

    Parameters
    ----------
    source : path or URI
        See `sibyl.sources.shards.open_shards`.
    examples, named
        Labelled items by name; see `sibyl.label`.
    out : path or URI
        Folder for shards of labels, by the names and in the order of the source's, ``summary.json``, ``report.html`` of a sample, and
        ``run.safetensors``. On a disk it appears when all is done.
    earlier : path, optional
        Output of an earlier run, whose classifier labels these rows in one pass.
    column, id_column : str, optional
        Columns of vectors and of names.
    method : str or Method, optional
        Universal SIB, whose passes are sums over shards; no other will do.
    class_prior
        See `sibyl.label`.
    engine : str
        ``local``: threads of this process; ``ray``: actors on a Ray cluster.
    workers : int, optional
        How many.
    ray_address : str, optional
        Of a cluster that runs; one is started here when left out.
    console : Console, optional
        Where progress is shown.
    command : str
        Told in the report.

    Raises
    ------
    UserError
        If the source, the examples, the method, the engine or the output are not as expected; nothing is written then.
    MissingExtra
        If Ray is not installed.
    """
    started = time.perf_counter()
    if out is None:
        raise DataError("shards are labelled into a folder of shards; give one with out")
    if ray_address is not None and engine != "ray":
        raise DataError(f"a Ray address was given, but the engine is {engine!r}; use --engine ray")
    check_out(out)
    shards = open_shards(source, column, id_column)
    run = None if earlier is None else _earlier(earlier, shards, examples, named, method, class_prior)
    given = _examples(examples, named, shards) if run is None else run.examples
    network = None if run is not None else _network(method, shards, given)
    worker = engine_by_name(engine, shards, workers, ray_address)
    try:
        with _progress(console, len(shards.shards)) as passed, output(out) as place:
            saved: SavedRun | None = None
            if run is not None:
                assert run.classifier is not None
                name = run.method if isinstance(run.method, str) else run.method.name
                writing = Write(_AskClassifier(run.classifier), given.class_names, {}, name, place, _shown(shards))
                fell_back, notes, mix = False, shards.notes, None
            else:
                assert network is not None
                solved = solve_shards(worker, shards, given, network, class_prior, passed)
                name, fell_back, notes, mix = network.name, solved.fell_back, (*shards.notes, *solved.notes), solved.class_mix
                writing = Write(solved.answer, given.class_names, solved.examples, name, place, _shown(shards))
                kept = Examples({item: given.labels[item] for item in solved.items}, given.class_names, given.source)
                saved = SavedRun(
                    tuple(solved.items), solved.support_x, kept, name if method is None or isinstance(method, str) else network,
                    plain_prior(class_prior), _kept_source(shards, column, id_column), None, kept_classifier(solved.classifier), None,
                    mix, fell_back,
                )  # fmt: skip
            counts, samples = added([]), list[Written]()
            for one in worker.map(writing, range(len(shards.shards))):
                counts = added([counts, one.counts])
                if len(one.vectors):
                    samples.append(one)
                passed()
            summary = Summary(
                counts, fell_back,
                method_line(METHODS[name]) if earlier is None else applied_line(name, earlier),
                {"name": "none"}, 0, time.perf_counter() - started, output=f"{str(out).rstrip(chr(47))}/*.parquet", notes=notes, method_name=name,
                source=shards.place.uri, modality="features",
                examples_from=f"the run in {earlier}" if earlier is not None else given.source,
                class_prior=prior_word(class_prior),
                understood=f"features of {counted(shards.layout.dim, 'number')} in {counted(len(shards.shards), 'shard')}, "
                f"{shards.n_rows:,} rows; {engine} engine, {counted(worker.n_workers, 'worker')}",
                compared=earlier is None and not fell_back,
                command=command, version=version("sibyl-learn"), made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %z"),
            )  # fmt: skip
            write_bytes(place, "report.html", _report(summary, samples, shards, given.class_names, mix).encode())
            if saved is not None:
                with tempfile.TemporaryDirectory() as folder:
                    saved.write(Path(folder) / RUN)
                    write_bytes(place, RUN, (Path(folder) / RUN).read_bytes())
            summary = replace(summary, seconds=time.perf_counter() - started)
            write_json(place, SUMMARY, summary.to_json())
    finally:
        worker.close()
    return summary


def _shown(shards: Shards) -> dict[int, npt.NDArray[np.int64]]:
    """Choose rows evenly among all, however many shards there are."""
    return shards.places(np.linspace(0, shards.n_rows - 1, min(shards.n_rows, _SHOWN), dtype=np.int64))[1]


def _examples(examples: str | Path | Mapping[Any, Any] | None, named: Sequence[tuple[str, str]], shards: Shards) -> Examples:
    if examples is None and not named:
        raise DataError(f"{shards.place.uri}: no item is labelled; give at least one example of each class with --examples TABLE")
    pairs_root = Path(shards.place.path) if not shards.place.is_remote else Path("/")
    return checked(gather_examples(read_given(examples, named), pairs_root, _Anything()))


class _Anything(frozenset[str]):
    """Every name is one of an item, as it is written: which of them are there is seen when the shards are read."""

    def __contains__(self, name: object) -> bool:
        return True


def _network(method: str | Method | None, shards: Shards, examples: Examples) -> UniversalSIB:
    network = (
        method_by_name(method or DEFAULT_METHOD, shards.layout.dim, len(examples.class_names))
        if isinstance(method, str | None)
        else method
    )
    if not isinstance(network, UniversalSIB):
        raise DataError(
            f"{network.name}: shards are solved by {DEFAULT_METHOD}, whose passes are sums over shards; leave --method out"
        )
    return network


def _earlier(earlier: str | Path, shards: Shards, examples: Any, named: Any, method: Any, class_prior: Any) -> SavedRun:
    if examples is not None or named or method is not None or class_prior is not None:
        raise DataError(f"the examples, the method and the class mix are those of the run in {earlier}; leave them out")
    run = SavedRun.read(earlier, needs_rows=False)
    if run.classifier is None:
        raise DataError(f"{earlier}: holds no classifier; label anew with examples")
    if run.matrix.shape[1] != shards.layout.dim:
        raise DataError(
            f"{shards.place.uri}: {shards.layout.dim} columns of features, but the run in {earlier} has {run.matrix.shape[1]}"
        )
    return run


def _kept_source(shards: Shards, column: str | None, id_column: str | None) -> dict[str, Any]:
    return {
        "root": shards.place.uri, "modality": "features", "encoder": None, "encoder_key": "", "column": column, "text_column": None,
        "label_column": None, "id_column": id_column, "kind": None, "ignore": [],
    }  # fmt: skip


def _report(summary: Summary, samples: Sequence[Written], shards: Shards, class_names: tuple[str, ...], mix: Any) -> str:
    table = pa.concat_tables([one.sample for one in samples]).to_pandas()
    matrix = np.concatenate([one.vectors for one in samples])
    there = np.asarray(table["label"].notna())
    table, matrix = table[there].reset_index(drop=True), matrix[there]
    table[["runner_up", "inductive_label"]] = (
        table[["runner_up", "inductive_label"]].astype(object).where(table[["runner_up", "inductive_label"]].notna(), None)
    )
    names, root = tuple(table["item"]), Path(shards.place.path)
    source = Source("features", root, tuple(Item(name, root) for name in names), matrix=matrix)
    of = f"this page is made of a sample of {len(names):,} of {summary.counts.found - summary.counts.skipped:,} rows"
    told = replace(summary, notes=(of, *summary.notes)) if len(names) < summary.counts.found - summary.counts.skipped else summary
    mix = None if mix is None else list(mix)
    return report_html(ToShow(table, told, source, class_names, names, matrix, mix, in_shards=True))


@contextmanager
def _progress(console: Console | None, n_shards: int) -> Iterator[Callable[[], None]]:
    """Show passes, each as a stage of so many shards."""
    done = 0
    with ExitStack() as shown:
        advance = shown.enter_context(steps(console, "pass 1 over the shards", n_shards))

        def passed() -> None:
            nonlocal done, advance
            number, within = divmod(done, n_shards)
            if not within and number:
                shown.close()
                advance = shown.enter_context(steps(console, f"pass {number + 1} over the shards", n_shards))
            done += 1
            advance(within + 1)

        yield passed
