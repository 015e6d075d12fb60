"""Features × way × shot × mix × outliers × methods, on the same episodes; what was measured once is not measured again.

Each pair of a cell and a method is one file of per-episode results, named by what it depends on: rows and labels of the features, the
cell, the method's settings, parameters and code. A run that was killed goes on after the last finished pair; a further method costs
only its own pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache, partial
from pathlib import Path

import torch
from torch import nn

from sibyl.compare.fingerprints import features_checksum, method_checksum
from sibyl.compare.learners import Outcome, Shape, solve_batch, still_improving
from sibyl.compare.protocols import Cell
from sibyl.episodes import EpisodeSampler
from sibyl.errors import DataError, SibylError, UserError
from sibyl.evaluation import Evaluation, evaluate
from sibyl.features import Features
from sibyl.methods import METHODS, Method, Traits, build_method
from sibyl.methods.named import method_by_name, shipped_methods
from sibyl.storage import content_key

SCORING = 1  # raise it when `evaluate` counts differently: results of another number are measured again
# Methods whose docstring names a default that this project chose on validation classes; the others' defaults are their papers'.
CHOSEN_HERE = frozenset({"anchored_means", "em_dirichlet", "label_spreading", "paddle", "transductive_finetuning"})
BASE_MEAN = "origin"  # the setting of a method that takes the mean feature of the training classes, as its paper has it


def names_a_paper(docstring: str) -> bool:
    """Whether a method's docstring says which paper it, and so its defaults, are from."""
    return any(word in docstring for word in ("References", "arXiv", "et al."))


@dataclass(frozen=True, eq=False)
class Entrant:
    """A method as it enters the arena.

    Parameters
    ----------
    name : str
        Its row in the tables.
    source : str or Method
        Name of a method, path of a checkpoint, or the method itself.
    settings : mapping
        Constructor arguments, for a named method without parameters.
    origin : str
        Where its settings come from; left out, "published" or "validation classes" for a named method at its defaults, "own
        defaults" for one whose docstring names no paper, "shipped"
        for one whose weights come with the package, "checkpoint" for one from a file, and "given" for any other.
    most_episodes : int, optional
        Of a slow method, only so many of a cell's episodes, the first ones; its row says so.
    """

    name: str
    source: str | Method
    settings: Mapping[str, object] = field(default_factory=dict)
    origin: str = ""
    most_episodes: int | None = None

    def meets(self, cell: Cell) -> Cell:
        """Return the cell with the episodes that are solved."""
        return cell if self.most_episodes is None else replace(cell, episodes=min(cell.episodes, self.most_episodes))

    def method(self, cell: Cell, dim: int, trained: Mapping[Shape, Outcome], base_mean: tuple[float, ...] | None = None) -> Method:
        """Return the method for a cell, trained for its features, way and shots where it was; SibylError where it cannot be had.

        A named method that takes the mean feature of the training classes gets it where it is known.
        """
        if isinstance(self.source, Method):
            return self.source
        outcome = trained.get((cell.features, cell.way, cell.shot, self.source), self.source)
        if isinstance(outcome, SibylError):
            raise outcome
        given = {BASE_MEAN: base_mean} if base_mean is not None and self.takes_base_mean else {}
        if self.settings or given:
            return build_method(self.source, given | dict(self.settings))
        return method_by_name(str(outcome), dim, cell.way)

    @property
    def takes_base_mean(self) -> bool:
        """Whether the method has a setting for the mean feature of the training classes."""
        kind = METHODS.get(self.source) if isinstance(self.source, str) else None
        return kind is not None and is_dataclass(kind) and BASE_MEAN in {one.name for one in fields(kind)}

    def origin_in(self, cell: Cell, trained: Mapping[Shape, Outcome]) -> str:
        """Return where the settings in a cell come from, and whether it has fewer episodes than others."""
        few = self.meets(cell).episodes
        return self._origin_in(cell, trained) + (f"; first {few} episodes" if few < cell.episodes else "")

    def _origin_in(self, cell: Cell, trained: Mapping[Shape, Outcome]) -> str:
        if self.origin:
            return self.origin
        if isinstance(self.source, Method) or self.settings:
            return "given"
        if (cell.features, cell.way, cell.shot, self.source) in trained:
            outcome = trained[cell.features, cell.way, cell.shot, self.source]
            return "meta-trained, still improving" if still_improving(outcome) else "meta-trained"
        if self.source in shipped_methods():
            return "shipped"
        if self.source not in METHODS:
            return "checkpoint"
        if self.source in CHOSEN_HERE:
            return "validation classes"
        return "published" if names_a_paper(METHODS[self.source].__doc__ or "") else "own defaults"


@dataclass(frozen=True, eq=False)
class Row:
    """One method in one cell.

    Parameters
    ----------
    cell : Cell
    name, origin : str
        Of the entrant; the origin of a trained method is "meta-trained".
    traits : Traits, optional
        What the method declares; absent where it could not be built.
    result : Evaluation, optional
        Absent where it failed.
    failure : str
        The sentence of the error.
    """

    cell: Cell
    name: str
    origin: str
    traits: Traits | None
    result: Evaluation | None
    failure: str = ""


@dataclass(frozen=True, eq=False)
class _Venue:
    """What the pairs of a run have in common."""

    features: Mapping[str, Features]
    checksums: Mapping[str, str]
    trained: Mapping[Shape, Outcome]
    folder: Path
    batch_size: int
    device: str
    base_means: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def path(self, cell: Cell, method: Method) -> Path:
        """Name the file of a pair by everything its results depend on."""
        batch = solve_batch(type(method), self.batch_size)
        kind = torch.device(self.device).type
        parts = [SCORING, self.checksums[cell.features], cell.settings, method_checksum(method), batch, kind]
        return self.folder / f"{method.name}-{content_key(parts)}.npz"

    def meet(
        self, cell: Cell, entrant: Entrant, sampler: Callable[[], EpisodeSampler], on_batch: Callable[[int, int], None]
    ) -> tuple[Row, bool]:
        """Return the row of a pair, and whether it had to be measured."""
        traits: Traits | None = None
        met = entrant.meets(cell)
        try:
            method = entrant.method(cell, self.features[cell.features].dim, self.trained, self.base_means.get(cell.features))
            traits = method.traits
            path = self.path(met, method)
            known = _known(path)
            if known is not None:
                return Row(cell, entrant.name, entrant.origin_in(cell, self.trained), traits, known), False
            if isinstance(method, nn.Module):
                method.to(self.device)
            result = evaluate(
                method,
                sampler(),
                met.episodes,
                batch_size=solve_batch(type(method), self.batch_size),
                class_prior=cell.class_prior,
                device=self.device,
                on_batch=on_batch,
            )
        except SibylError as error:
            return Row(cell, entrant.name, entrant.origin_in(cell, self.trained), traits, None, str(error)), False
        result.save(path)
        return Row(cell, entrant.name, entrant.origin_in(cell, self.trained), traits, result), True


def _known(path: Path) -> Evaluation | None:
    try:
        return Evaluation.load(path) if path.exists() else None
    except DataError:
        return None  # damaged: measured again and replaced


def run_arena(
    features: Mapping[str, Features],
    cells: Sequence[Cell],
    entrants: Sequence[Entrant],
    folder: str | Path,
    *,
    trained: Mapping[Shape, Outcome] | None = None,
    base_means: Mapping[str, tuple[float, ...]] | None = None,
    batch_size: int = 32,
    device: str = "cpu",
    on_progress: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> tuple[Row, ...]:
    """Measure every entrant in every cell.

    Parameters
    ----------
    features : mapping of str to Features
        What the cells name.
    cells : sequence of Cell
        What is measured.
    entrants : sequence of Entrant
        With different names.
    folder : path
        Where results are kept.
    trained : mapping, optional
        What `sibyl.compare.learners.train_all` returned.
    base_means : mapping of str to floats, optional
        Mean feature of the training classes, by name of the features (`TrainingSet.base_mean`).
    batch_size : int
        Episodes solved at once; methods that mix the episodes of a batch get one at a time.
    device : str
        Where to solve.
    on_progress : callable
        Called with episodes done, episodes in all and a note.

    Returns
    -------
    tuple of Row
        Cells outermost. A method that raises one of Sibyl's errors in a cell is a row with that error; any other exception stops
        the run, and what is finished stays.

    Raises
    ------
    UserError
        If two entrants have one name, or a cell names features that are not there.
    """
    names = [entrant.name for entrant in entrants]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UserError(f"methods must have different names in a comparison; given twice: {', '.join(repeated)}")
    unknown = sorted({cell.features for cell in cells} - set(features))
    if unknown:
        raise UserError(f"cell names features {unknown[0]!r}, but only {', '.join(features)} are given")
    checksums = {name: features_checksum(features[name]) for name in dict.fromkeys(cell.features for cell in cells)}
    venue = _Venue(features, checksums, trained or {}, Path(folder), batch_size, device, base_means or {})
    done, total = 0, sum(entrant.meets(cell).episodes for cell in cells for entrant in entrants)
    rows: list[Row] = []
    for cell in cells:
        # Built when the first method needs it, and once: it may copy the features.
        sampler = cache(partial(cell.sampler, features[cell.features]))
        for entrant in entrants:
            note = f"{entrant.name}, {cell.title}"
            on_progress(done, total, note)

            def on_batch(n: int, of: int, before: int = done, total: int = total, note: str = note) -> None:
                on_progress(before + n, total, note)

            row, measured = venue.meet(cell, entrant, sampler, on_batch)
            # What was known, or failed, took no time; the time left is reckoned without it.
            n = entrant.meets(cell).episodes
            done, total = (done + n, total) if measured else (done, total - n)
            rows.append(row)
    on_progress(done, total, "")
    return tuple(rows)
