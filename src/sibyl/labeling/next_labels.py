"""What ``sibyl suggest`` says of an output folder: the items to label next, and whether to stop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sibyl.labeling.calibration import expected_accuracy
from sibyl.labeling.corrections import Corrections, read_corrections, with_corrections
from sibyl.labeling.examples import checked
from sibyl.labeling.file_names import CORRECTIONS, RUN
from sibyl.labeling.outputs import finish_output
from sibyl.labeling.saved_run import SavedRun
from sibyl.labeling.solve import Solved, solve_items
from sibyl.labeling.suggest import suggest, suggestion_words
from sibyl.threads import torch_threads

BATCH = 10  # corrections whose effect decides
SETTLED = 0.01  # share of labels that they may move


@dataclass(frozen=True)
class NextLabel:
    """An item to label.

    Parameters
    ----------
    item : str
    label : str
        What it is labelled now.
    confidence : float
    why : str
    """

    item: str
    label: str
    confidence: float
    why: str


@dataclass(frozen=True)
class NextLabels:
    """What to do next.

    Parameters
    ----------
    items : tuple of NextLabel
        Most helpful first.
    corrections : int
        Corrections so far.
    churn : float, optional
        Share of labels that the last corrections moved; None before there are any.
    expected : float, optional
        Share of labels that are likely right; None where such claims were not measured, see
        `expected_accuracy`.
    stop : bool
        Whether more labels are likely to change little.
    advice : str
        The same in a sentence.
    """

    items: tuple[NextLabel, ...]
    corrections: int
    churn: float | None
    expected: float | None
    stop: bool
    advice: str


def holds_run(path: str | Path) -> bool:
    """Whether a folder is the output of an earlier run, and no pile."""
    path = Path(path)
    finish_output(path)
    return (path / RUN).is_file() or (path / "summary.json").is_file()


@torch_threads()
def next_labels(out: str | Path, number: int = 10) -> NextLabels:
    """Choose what to label next in the folder of a run; its ``corrections.csv`` counts, whether the run has seen it or not.

    The advice is to stop when the last ten corrections moved at most one label in a hundred. That
    an item looks unlike every class is told, but alone never forbids stopping: with weak encoders
    most items that look so are of a known class.

    Raises
    ------
    DataError, CheckpointError
        If the folder holds no run, or a damaged one.
    """
    run = SavedRun.read(out)
    mended = read_corrections(out, run.source["root"], set(run.names))
    now = _solved(run, mended)
    corrected = [item for item in {**run.examples.origins, **mended.labels} if item in mended.labels]
    churn = _churn(run, mended, now) if mended.labels else None
    class_names = with_corrections(run.examples, mended).class_names
    labelled = now.table.set_index("item")
    queries = [name for name in run.names if labelled.loc[name, "status"] == "labelled"]
    suggestions = suggest(now.task, now.solution, number)
    items = tuple(
        NextLabel(
            queries[one.row],
            class_names[one.first],
            float(now.solution.probabilities[0, one.row, one.first]),
            suggestion_words(one, class_names),
        )
        for one in suggestions
    )
    new = sum(one.may_be_new for one in suggestions)
    settled = churn is not None and len(corrected) >= BATCH and churn <= SETTLED
    return NextLabels(
        items,
        len(corrected),
        churn,
        expected_accuracy(now.table, run.build_method().name, run.source["encoder"] or run.source["modality"]),
        settled or not items,
        _advice(len(corrected), churn, new, bool(items)),
    )


def _solved(run: SavedRun, mended: Corrections) -> Solved:
    taught = replace(run, examples=checked(with_corrections(run.examples, mended)))
    return solve_items(run.names, run.matrix, taught.examples, taught.build_method(), run.class_prior, is_table=run.is_table)


def _churn(run: SavedRun, mended: Corrections, now: Solved) -> float:
    """Share of the labels that the last corrections moved: the run with and without them."""
    last = set(list(mended.labels)[-BATCH:])
    examples = run.examples
    kept = {item: label for item, label in examples.labels.items() if not (item in last and examples.origin(item) == "correction")}
    before = examples.relabelled(kept)  # without the examples of a class that the last corrections brought, that class is gone
    fewer = Corrections({item: label for item, label in mended.labels.items() if item not in last})
    then = _solved(replace(run, examples=before), fewer).table.set_index("item")["label"]
    after = now.table[now.table["status"] == "labelled"].set_index("item")["label"]
    return float((then.loc[after.index] != after).mean()) if len(after) else 0.0


def _advice(n_corrections: int, churn: float | None, new: int, any_left: bool) -> str:
    if not any_left:
        return "You can stop: every item has a label from a person."
    looks = "1 of these items looks" if new == 1 else f"{new} of these items look"
    remark = f" {looks} unlike every class; if a class has no example yet, label one item of it." if new else ""
    if churn is None:
        written = (
            f"write labels of these items into {CORRECTIONS} in the output folder, columns item,label, and run sibyl label again"
        )
        return f"Keep labelling: there are no corrections yet; {written}. After {BATCH} corrections it can be said when to stop.{remark}"
    recent = min(BATCH, n_corrections)
    moved = f"the last {'correction' if recent == 1 else f'{recent} corrections'} changed {churn:.1%} of the labels"
    if n_corrections < BATCH:
        return f"Keep labelling: {moved}, and {BATCH} are needed to tell whether more would help.{remark}"
    return f"You can stop: {moved}; more would change little.{remark}" if churn <= SETTLED else f"Keep labelling: {moved}.{remark}"
