"""Examples and shards → what is said of a row, wherever it lies: universal SIB as passes over shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sibyl.errors import DataError
from sibyl.labeling.examples import Examples
from sibyl.messages import counted
from sibyl.methods.classifiers import Centred
from sibyl.methods.universal import UniversalSIB
from sibyl.methods.universal.fitted_rows import Fitted
from sibyl.methods.universal.graph import FEW
from sibyl.methods.universal.label_weights import label_weights, weights_in_graph
from sibyl.methods.universal.neighbours import NODES, Nodes
from sibyl.methods.universal.rows import power_rows
from sibyl.methods.universal.sparse_graph import SparseGraph, n_nodes_of
from sibyl.sharding.engine import Engine
from sibyl.sharding.held import Held, Setting
from sibyl.sharding.passes import Answers, Bad, Found, Gather, Keys, Look, Mix, ShardedRows
from sibyl.sharding.solved import Ask, Known, Solved
from sibyl.sources.shards import Shards
from sibyl.tasks import Classifier, ClassPrior, Task, class_shares
from sibyl.threads import torch_threads
from sibyl.transduction.class_prior import NOTHING_NEW, RoughMix, read_class_prior
from sibyl.transduction.conflicts import find_conflicts
from sibyl.transduction.feature_rows import CENTRED, offset_of
from sibyl.transduction.transduce import transduce

Passed = Callable[[], None]


def look(engine: Engine, shards: Shards, examples: Examples, passed: Passed) -> list[Found]:
    """Read all shards and find the labelled items.

    Raises
    ------
    DataError
        If an item is named twice or lies nowhere, or cannot be used.
    """
    found, where = list[Found](), dict[str, str]()
    for number, one in enumerate(_told(engine, Look(frozenset(examples.labels)), len(shards.shards), passed)):
        for name in one.examples:
            if name in where:
                raise DataError(
                    f"{shards.place.uri}: {name!r} is an example, and both {where[name]} and {shards.shards[number].name} hold a row of "
                    "that name; names must differ"
                )
            where[name] = shards.shards[number].name
            if name in one.spoilt:
                raise DataError(f"{shards.place.uri}/{where[name]}: the example {name!r} {one.spoilt[name]}; choose another one")
        found.append(one)
    lost = [name for name in examples.labels if name not in where]
    if lost:
        more = f" ({counted(len(lost), 'such example')})" if len(lost) > 1 else ""
        raise DataError(
            f"{examples.source}: {lost[0]!r} is not a row of {shards.place.uri}{more}; names come from "
            f"{'column ' + repr(shards.layout.id_column) if shards.layout.id_column else 'shard and place, as in part-0.parquet#12'}"
        )
    return found


@torch.no_grad()
@torch_threads()
def solve_shards(
    engine: Engine, shards: Shards, examples: Examples, method: UniversalSIB, class_prior: Any = None, passed: Passed = lambda: None
) -> Solved:
    """Solve the task that examples and shards make.

    Parameters
    ----------
    engine : Engine
        Goes over the shards.
    shards : Shards
        The rows.
    examples : Examples
        Labelled ones among them.
    method : UniversalSIB
        Its passes are maps and sums.
    class_prior : None, "balanced", shares, counts or words
        What is known of the class mix of the unlabelled rows.
    passed : callable
        Called after each shard of each pass.

    Raises
    ------
    DataError
        If an example lies nowhere, or a shard cannot be read.
    """
    found = look(engine, shards, examples, passed)
    number_of = {name: place for place, name in enumerate(examples.class_names)}
    prior = read_class_prior(class_prior, examples.class_names)
    labelled = {number: sorted(place for place, _ in one.examples.values()) for number, one in enumerate(found) if one.examples}
    at = sorted(
        (shards.firsts[number] + place, name, row)
        for number, one in enumerate(found)
        for name, (place, row) in one.examples.items()
    )
    items, support = [name for _, name, _ in at], np.stack([row for _, _, row in at])
    codes = np.array([number_of[examples.labels[name]] for name in items], np.int64)
    given = {
        number: {place: examples.labels[name] for name, (place, _) in one.examples.items()}
        for number, one in enumerate(found)
        if one.examples
    }
    n_usable = shards.n_rows - sum(one.n_bad for one in found)
    n_unlabelled = n_usable - len(items)
    conflicts = find_conflicts(support, codes, len(number_of))
    notes = (conflicts.note(lambda row: repr(items[row])),) if conflicts.groups else ()
    common = {"examples": given, "support_x": support, "items": items}
    if n_unlabelled <= FEW:
        return _in_memory(engine, shards, at, codes, method, prior, common)

    total, square = np.sum([one.total for one in found], 0), sum(one.square for one in found)
    offset = offset_of(total, square, n_usable)
    if offset is not None:
        notes = (*notes, CENTRED)
    kept = np.setdiff1d(np.arange(len(items)), conflicts.dropped)
    support_x = support[kept] if offset is None else support[kept] - offset.astype(np.float32)
    task = Task(
        torch.from_numpy(support_x)[None], torch.from_numpy(codes[kept])[None], torch.zeros(1, 0, shards.layout.dim), len(number_of)
    )
    setting, graph, weights = _setting(engine, shards, labelled, offset, task, method, n_unlabelled, passed)
    there = engine.share(setting)
    rows = ShardedRows(engine, range(len(shards.shards)), setting.key, there, torch.tensor([[float(n_unlabelled)]]), passed)
    fitted, mix = _fit(method, task, rows, setting.nodes, graph, weights, prior)
    shifted = support if offset is None else support - offset.astype(np.float32)
    group_rows = np.stack([shifted[group[0]] for group in conflicts.groups]) if conflicts.groups else shifted[:0]
    classifier: Classifier = fitted.answer
    if offset is not None:
        classifier = Centred(torch.from_numpy(offset.astype(np.float32))[None, None], classifier)
    return Solved(
        Ask(setting.key, there, fitted, conflicts, group_rows), classifier, class_mix=mix, fell_back=bool(fitted.fell_back.all()),
        notes=notes, **common,  # type: ignore[arg-type]
    )  # fmt: skip


def _fit(
    method: UniversalSIB,
    task: Task,
    rows: ShardedRows,
    nodes: Nodes,
    graph: SparseGraph,
    weights: Tensor,
    prior: ClassPrior | RoughMix,
) -> tuple[Fitted, npt.NDArray[np.float64]]:
    def fit(known: ClassPrior) -> tuple[Fitted, npt.NDArray[np.float64], float]:
        fitted = method.fit_rows(task, rows, nodes, graph, weights, class_shares(known, task))
        mix, sure = rows.total(Mix(fitted))
        return fitted, (mix[0] / mix.sum()).numpy(), float(sure.sum() / mix.sum())

    fitted, mix, sure = fit(None if isinstance(prior, RoughMix) else prior)
    if isinstance(prior, RoughMix) and (firmness := prior.firmness(1 - sure)) >= NOTHING_NEW:
        fitted, mix, _ = fit(prior.blended(torch.from_numpy(mix), firmness))
    return fitted, mix


def _setting(
    engine: Engine,
    shards: Shards,
    labelled: dict[int, list[int]],
    offset: npt.NDArray[np.float64] | None,
    task: Task,
    method: UniversalSIB,
    n_unlabelled: int,
    passed: Passed,
) -> tuple[Setting, SparseGraph, Tensor]:
    """Choose nodes by the hashes of all rows, and build the graph over them; of it the workers only need what rows are read off. With it, what a label counts for."""
    exponent, _ = method.power(task)
    n_nodes = min(n_unlabelled, max(NODES, n_nodes_of(shards.n_rows, shards.layout.dim)))
    keys = chosen = np.zeros(0, np.int64)
    for first, (of_rows, at) in zip(
        shards.firsts, _told(engine, Keys(n_nodes, labelled, offset), len(shards.shards), passed), strict=True
    ):
        keys, chosen = np.concatenate([keys, of_rows]), np.concatenate([chosen, first + at])
        order = np.argsort(keys, kind="stable")[:n_nodes]
        keys, chosen = keys[order], chosen[order]
    shard_of, wanted = shards.places(chosen)
    rows = np.empty((len(chosen), shards.layout.dim), np.float32)
    for number, of_shard in zip(wanted, engine.map(Gather(wanted, offset), list(wanted)), strict=True):
        rows[shard_of == number] = of_shard
    unit, place = power_rows(torch.from_numpy(rows)[None], exponent), torch.from_numpy(chosen)[None]
    real = torch.ones(1, len(chosen), dtype=torch.bool)
    nodes = Nodes.over(task, unit[:, :NODES], place[:, :NODES], real[:, :NODES], power_rows(task.support_x, exponent))
    n_graph = n_nodes_of(shards.n_rows, shards.layout.dim)
    weights = label_weights(task, exponent, nodes)
    graph = SparseGraph.over(task, exponent, unit[:, :n_graph], real[:, :n_graph], place[:, :n_graph], weights_in_graph(weights))
    for_workers = graph.thinned(graph.nodes.shape[1])
    return Setting(uuid4().hex, task, exponent, nodes, for_workers, shards.firsts, labelled, offset), graph, weights


def _told(engine: Engine, call: Callable[[Held, int], Any], n_shards: int, passed: Passed) -> Iterator[Any]:
    for one in engine.map(call, range(n_shards)):
        passed()
        yield one


def _in_memory(
    engine: Engine,
    shards: Shards,
    at: list[tuple[int, str, npt.NDArray[np.float32]]],
    codes: npt.NDArray[np.int64],
    method: UniversalSIB,
    prior: Any,
    common: Mapping[str, Any],
) -> Solved:
    """Solve few rows in one place."""
    numbers = range(len(shards.shards))
    everything = {number: np.arange(shards.shards[number].n_rows) for number in numbers}
    X = np.concatenate(list(engine.map(Gather(everything, None), numbers)))
    usable = np.ones(len(X), bool)
    usable[[shards.firsts[number] + place for number, bad in enumerate(engine.map(Bad(), numbers)) for place in bad]] = False
    all_codes = np.full(len(X), -1)
    all_codes[[place for place, _, _ in at]] = codes
    found = transduce(X[usable], all_codes[usable], int(codes.max()) + 1, method, prior)
    answers, solution = Answers.empty(len(X)), found.solution
    answers.best[:], answers.classes[:], answers.alone[:], answers.outlier[:] = 1.0, 0, 0, 0.0
    asked = np.flatnonzero(usable & (all_codes < 0))
    inductive = solution.logits if solution.inductive_logits is None else solution.inductive_logits
    outlier = 1 - solution.probabilities[0].amax(-1) if solution.outlier_score is None else solution.outlier_score[0]
    of_queries = Answers.empty(len(asked))
    of_queries.fill(slice(None), solution.logits[0], inductive[0], outlier)
    for whole, part in (
        (answers.best, of_queries.best),
        (answers.classes, of_queries.classes),
        (answers.alone, of_queries.alone),
        (answers.outlier, of_queries.outlier),
    ):
        whole[asked] = part
    assert solution.class_mix is not None
    return Solved(
        Known(answers), solution.classifier, class_mix=solution.class_mix[0].double().numpy(), fell_back=found.fell_back,
        notes=tuple(found.notes()), **common,
    )  # fmt: skip
