"""A pile as the rest of Sibyl opens, solves and labels it. Nothing heavy is imported before a function needs it.

The child process calls it; the server knows `Opening` and `check_path` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sibyl.errors import DataError
from sibyl.messages import counted

if TYPE_CHECKING:
    from sibyl.encoders.encoder import Encoder
    from sibyl.labeling.run import Labelling
    from sibyl.labeling.solve import Solved
    from sibyl.methods import Method
    from sibyl.sources.source import Source

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Opening:
    """What a person asked for; it travels as JSON and is kept in the journal.

    Parameters
    ----------
    path : str
        The pile, or the output folder of an earlier run.
    out : str
        The output folder.
    encoder, examples, column, label_column, id_column, method : str, optional
        As for `sibyl.label`.
    balanced : bool
        Whether all classes are equally frequent.
    cache : str, optional
        Folder of caches.
    """

    path: str
    out: str
    encoder: str | None = None
    examples: str | None = None
    column: str | None = None
    label_column: str | None = None
    id_column: str | None = None
    method: str | None = None
    balanced: bool = False
    cache: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Pile:
    """An opened pile: its items, their features, the labels it comes with.

    Parameters
    ----------
    opening : Opening
        With the path of the pile itself, also where an output folder was named.
    source : Source
    network : Encoder, optional
        None where the items are rows already.
    names : tuple of str
        Item of each row.
    matrix : float32 array [item, dim]
    skipped : list of (name, reason)
    given : mapping of str to str
        Labels that count from the start: those of an examples table, or of an earlier run.
    offered : mapping of str to str
        Labels that the source itself seems to hold: folders, a label column.
    encoder : str
        In words.
    notes : tuple of str
    """

    opening: Opening
    source: Source
    network: Encoder[Any, Any] | None
    names: tuple[str, ...]
    matrix: npt.NDArray[np.float32]
    skipped: list[tuple[str, str]]
    given: Mapping[str, str] = field(default_factory=dict)
    offered: Mapping[str, str] = field(default_factory=dict)
    encoder: str = ""
    notes: tuple[str, ...] = ()

    @property
    def offered_by(self) -> str:
        """Where `offered` comes from, in words."""
        return "sub-folders" if self.source.root.is_dir() else "a column of labels"


def open_pile(opening: Opening, progress: Progress) -> Pile:
    """Open and encode a pile, or the pile of an earlier run.

    Raises
    ------
    UserError
        If it cannot be opened or read.
    """
    from sibyl.encoders.chosen import encoder_for
    from sibyl.encoders.embed_source import embed_source
    from sibyl.encoders.named import named_by_run
    from sibyl.labeling.examples import gather_examples, read_given
    from sibyl.labeling.file_names import RUN, output_files
    from sibyl.labeling.outputs import finish_output
    from sibyl.labeling.saved_run import SavedRun
    from sibyl.sources.open import open_source

    given: Mapping[str, str] = {}
    finish_output(opening.path)
    if (Path(opening.path) / RUN).is_file():
        run = SavedRun.read(opening.path)
        kept = run.source
        given = run.examples.labels
        opening = replace(
            opening,
            path=kept["root"],
            encoder=opening.encoder or (kept["encoder"] and named_by_run(kept["encoder"], opening.path)),
            column=kept.get("column"),
            label_column=kept.get("label_column"),
            id_column=kept.get("id_column"),
            method=opening.method or (run.method if isinstance(run.method, str) else None),
            balanced=opening.balanced or run.class_prior == "balanced",
        )
    leave_out: list[str | Path] = [*output_files(opening.out), *([opening.examples] if opening.examples else [])]
    source = open_source(
        opening.path, column=opening.column, label_column=opening.label_column, id_column=opening.id_column, exclude=leave_out
    )
    given = gather_examples(
        read_given(given if opening.examples is None else opening.examples), source.root, set(source.names)
    ).labels
    network, choice = encoder_for(source, opening.encoder)
    embedded = embed_source(source, network, opening.cache, report=progress)
    skipped = [(one.name, one.reason) for one in (*source.skipped, *embedded.skipped)]
    if not embedded.names:
        first = (
            f"none of its {counted(len(skipped), 'item')} can be read; {skipped[0][0]!r}: {skipped[0][1]}" if skipped else "no item"
        )
        raise DataError(f"{opening.path}: {first}; name another pile")
    known = set(embedded.names)
    return Pile(
        opening,
        source,
        network,
        embedded.names,
        embedded.matrix,
        skipped,
        {item: label for item, label in given.items() if item in known},
        {} if given else {item: label for item, label in source.labels.items() if item in known},
        str(embedded.encoder.get("name", "")),
        (*source.notes, *([choice.note] if choice is not None else [])),
    )


@lru_cache(maxsize=1)
def method_of(name: str, n_columns: int, n_classes: int) -> Method:
    """Build the method that solves a pile; it has no state, so that one serves all solves with as many classes."""
    from sibyl.methods.named import method_by_name

    return method_by_name(name, n_columns, n_classes)


def solve(pile: Pile, labels: Mapping[str, str], aside: Sequence[str] = ()) -> tuple[Solved, npt.NDArray[np.int64]]:
    """Solve exactly what ``sibyl label`` would solve with these examples.

    Returns
    -------
    Solved, int64 array [query]
        The answer, and the row of each query.
    """
    from sibyl.labeling.examples import Examples
    from sibyl.labeling.solve import solve_items
    from sibyl.methods.named import DEFAULT_METHOD

    examples = Examples(labels, tuple(sorted(set(labels.values()))))
    names, matrix, rows = _without(pile, set(aside))
    method = method_of(pile.opening.method or DEFAULT_METHOD, matrix.shape[1], len(examples.class_names))
    solved = solve_items(names, matrix, examples, method, _prior(pile), is_table=pile.source.modality == "table")
    is_query = np.array([name not in labels for name in names], bool)
    return solved, rows[is_query]


def _without(pile: Pile, aside: set[str]) -> tuple[tuple[str, ...], npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    if not aside:
        return pile.names, pile.matrix, np.arange(len(pile.names))
    rows = np.array([row for row, name in enumerate(pile.names) if name not in aside], np.int64)
    return tuple(pile.names[row] for row in rows.tolist()), pile.matrix[rows], rows


def _prior(pile: Pile) -> Any:
    return "balanced" if pile.opening.balanced else None


def labelling_of(pile: Pile, labels: Mapping[str, str], confirmed: Mapping[str, str], aside: Sequence[str]) -> Labelling:
    """Label the pile as ``sibyl label`` does, and let what a person confirmed go before what was guessed.

    Items set aside are told as skipped.
    """
    from sibyl.labeling.report import Counts
    from sibyl.labeling.request import LabelRequest
    from sibyl.labeling.run import label_items
    from sibyl.sources.item import Skipped

    source = pile.source
    if aside:
        away = set(aside)
        kept = [row for row, item in enumerate(source.items) if item.name not in away]
        source = replace(
            source,
            items=tuple(source.items[row] for row in kept),
            skipped=(*source.skipped, *(Skipped(name, "set aside by a person") for name in aside)),
            matrix=None if source.matrix is None else source.matrix[kept],
        )
    opening = pile.opening
    request = LabelRequest(
        source, dict(labels), pile.network, column=opening.column, label_column=opening.label_column, id_column=opening.id_column,
        method=opening.method, class_prior=_prior(pile), cache=opening.cache, command="sibyl review",
    )  # fmt: skip
    labelling = label_items(request)
    table = labelling.table.copy()
    final = table["item"].map({item: label for item, label in confirmed.items() if item not in labels})
    is_final = final.notna() & (table["status"] == "labelled")
    table.loc[is_final, "label"] = final[is_final]
    table.loc[is_final, ["confidence", "margin"]] = 1.0
    table.loc[is_final, "status"] = "confirmed"
    table.loc[is_final, "source"] = "person"
    return replace(labelling, table=table, summary=replace(labelling.summary, counts=Counts.of(table)))


def finish(labelling: Labelling, pile: Pile, formats: Sequence[str]) -> list[str]:
    """Write the table, the report, the summary, the run, and exports; return the paths."""
    from sibyl.labeling.label import write_all

    summary = write_all(pile.opening.out, labelling, formats, pile.opening.cache)
    return [summary.output, *summary.exports]


def check_path(path: str | Path) -> None:
    """Refuse a pile that does not exist, before a process is started for it.

    Raises
    ------
    DataError
    """
    if not Path(path).exists():
        raise DataError(f"{path}: no such file or folder")
