"""Rows, labels and a method → a task, solved, with everything that is said of the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.errors import UserError
from sibyl.memmap import release, slices
from sibyl.messages import counted
from sibyl.methods import Method
from sibyl.methods.class_mean import ClassMean
from sibyl.methods.classifiers import Centred, CosineClassifier
from sibyl.tasks import ClassPrior, Solution, Task
from sibyl.threads import torch_threads
from sibyl.transduction.class_names import NameEvidence, among_rows, weigh_names
from sibyl.transduction.class_prior import NOTHING_NEW, RoughMix
from sibyl.transduction.conflicts import Conflicts, find_conflicts
from sibyl.transduction.feature_rows import CENTRED, Checked, Matrix, checked_rows
from sibyl.transduction.tables import for_table

MEAN_NUMBERS = 1 << 24  # of rows that are added up at once
MIDDLE_ROWS = 4096  # evenly spaced, whose middle stands for that of all


@dataclass(frozen=True, eq=False)
class Transduction:
    """What is said of rows, some of them labelled.

    Parameters
    ----------
    codes : int64 array [row]
        Class of each row; −1 where it is unlabelled.
    task : Task
        A batch of one.
    asked : int64 array [query]
        Row of each query of the task.
    solution : Solution
        Of the task. Inductive logits, class mix and classifier are there, whatever the method leaves out; so is `fell_back`.
    conflicts : Conflicts
        Labelled rows that are equal and have different labels.
    centred : bool
        The mean of all rows was taken off each, because they were of nearly one direction.
    names : NameEvidence, optional
        Which names of classes were believed; None where there were none.
    """

    codes: npt.NDArray[np.int64]
    task: Task
    asked: npt.NDArray[np.int64]
    solution: Solution
    conflicts: Conflicts
    centred: bool
    names: NameEvidence | None = None

    @property
    def fell_back(self) -> bool:
        """Whether the answer is the inductive one, because the unlabelled rows cannot help."""
        return bool(self.solution.fell_back is not None and self.solution.fell_back.all())

    def all_rows(self, of_queries: Tensor, given: Tensor) -> Tensor:
        """Put together what is said of the queries, [query, …], and what is given for the labelled rows, [labelled, …]."""
        values = of_queries
        if len(self.asked) != len(self.codes):
            values = of_queries.new_empty(len(self.codes), *of_queries.shape[1:])
            values[self.asked] = of_queries
        values[np.flatnonzero(self.codes >= 0)] = given.to(values)
        return values

    def notes(self, names: Sequence[str] | None = None) -> list[str]:
        """Say what a person should know of the rows; `names` are theirs, numbers where left out."""
        notes = []
        if self.conflicts.groups:
            notes.append(self.conflicts.note((lambda row: f"row {row}") if names is None else lambda row: repr(names[row])))
        if self.centred:
            notes.append(CENTRED)
        return notes


def can_solve(method: Method, n_unlabelled: int) -> bool:
    """Whether a method can be given so few unlabelled rows: a sum over slices may be empty, and an inductive method needs none."""
    traits = method.traits
    return not traits.transductive or n_unlabelled > 1 or traits.chunked or (n_unlabelled == 1 and traits.single_query)


@torch.no_grad()
@torch_threads()
def transduce(
    X: Matrix,
    codes: npt.NDArray[np.int64],
    n_way: int,
    method: Method,
    class_prior: ClassPrior | RoughMix = None,
    *,
    names: Sequence[str] | None = None,
    device: torch.device | str = "cpu",
    in_place: bool = False,
    class_vectors: npt.NDArray[np.float32] | None = None,
    is_table: bool = False,
) -> Transduction:
    """Solve the task that labelled and unlabelled rows make.

    Where the method cannot work on so few unlabelled rows, the class mean takes its place, and `fell_back` is true; so it is where a
    method that learns from unlabelled rows finds none.

    Parameters
    ----------
    X : float array [row, dim]
        Features, in memory or in a file.
    codes : int64 array [row]
        Class of each row, 0 … n_way − 1; −1 where it is unlabelled.
    n_way : int
        Number of classes; each has a labelled row or a name.
    method : Method
        What solves the task.
    class_prior : None, "balanced", shares [class] or RoughMix
        What is known of the class mix of the unlabelled rows. Known roughly, the task is solved twice: untold, and told the blend of
        both.
    names : sequence of str, optional
        Item of each row, for messages.
    device : device
        Where the task is solved.
    in_place : bool
        Give a method that works in passes over slices all rows as they lie, the labelled ones masked; `asked` then names all rows. The
        others get the unlabelled rows alone.
    class_vectors : float32 array [class, dim], optional
        Names of the classes as rows of the same space, zeros where a class has none. Those that `weigh_names` believes teach as one
        more labelled row each.
    is_table : bool
        Rows are the columns of a table and not an encoder's features; see `for_table`.

    Raises
    ------
    InputError
        If a row is not finite.
    UserError
        If the method's answer for a row is not a distribution.
    """
    rows = checked_rows(X, names, "X" if names is None else "features")
    method = for_table(method, X.shape[1]) if is_table else method
    conflicts = find_conflicts(X, codes, n_way)
    task, asked = _task(rows, codes, n_way, conflicts, in_place and method.traits.chunked)
    evidence = None
    if class_vectors is not None:
        task, evidence = _with_names(task, class_vectors, rows)
    task = task.to(device)
    n_unlabelled = int((codes < 0).sum())
    solver = method if can_solve(method, n_unlabelled) else ClassMean()
    solution = _told_roughly(solver, task, class_prior) if isinstance(class_prior, RoughMix) else solver.solve(task, class_prior)
    _check(solution, solver, asked, task.query_mask[0], names)
    told = solver is method and (n_unlabelled > 0 or not method.traits.transductive)
    fell_back = not told or bool(solution.fell_back is not None and solution.fell_back.all())
    inductive = ClassMean().solve(task).logits if solution.inductive_logits is None else solution.inductive_logits
    solution = replace(solution, inductive_logits=inductive, fell_back=torch.tensor([fell_back]))
    _answer_conflicts(solution, conflicts, rows, asked)
    if solution.class_mix is None or not n_unlabelled or conflicts.alike:
        solution = replace(solution, class_mix=_class_mix(solution, task))
    classifier = _class_means(solution, task) if solution.classifier is None else solution.classifier
    if rows.offset is not None:
        classifier = Centred(task.support_x.new_tensor(rows.offset)[None, None], classifier)
    return Transduction(codes, task, asked, replace(solution, classifier=classifier), conflicts, rows.offset is not None, evidence)


def _task(
    rows: Checked, codes: npt.NDArray[np.int64], n_way: int, conflicts: Conflicts, in_place: bool
) -> tuple[Task, npt.NDArray[np.int64]]:
    """Return a batch of one task, and the row of each of its queries."""
    known = np.flatnonzero(codes >= 0)
    support = np.setdiff1d(known, conflicts.dropped)
    if in_place:
        query_x, asked, mask = rows.shared(), np.arange(len(codes)), torch.from_numpy(codes < 0)
    else:
        query_x, asked = rows.without(known), np.flatnonzero(codes < 0)
        mask = torch.ones(len(asked), dtype=torch.bool)
    support_y = torch.from_numpy(codes[support])
    task = Task(rows.copied(support)[None], support_y[None], query_x[None], n_way, query_mask=mask[None])
    release(rows.X)
    return task, asked


def _with_names(task: Task, class_vectors: npt.NDArray[np.float32], rows: Checked) -> tuple[Task, NameEvidence]:
    """Put the names that are believed behind the labelled rows."""
    offset = 0 if rows.offset is None else rows.offset
    vectors = np.where((class_vectors != 0).any(1, keepdims=True), class_vectors - offset, 0).astype(np.float32)
    labelled, codes = task.support_x[0].numpy(), task.support_y[0].numpy()
    evidence = weigh_names(vectors, labelled, codes)
    believed = np.flatnonzero(evidence.believed)
    some = np.unique(np.linspace(0, len(rows.X) - 1, MIDDLE_ROWS).astype(np.int64))
    vectors = among_rows(vectors, evidence, labelled, codes, rows.copied(some).numpy())
    support_x = torch.cat([task.support_x, torch.from_numpy(vectors[believed])[None].to(task.support_x)], 1)
    support_y = torch.cat([task.support_y, torch.from_numpy(believed)[None]], 1)
    return Task(support_x, support_y, task.query_x, task.n_way, query_mask=task.query_mask), evidence


def _told_roughly(solver: Method, task: Task, known: RoughMix) -> Solution:
    """Solve untold, and again told a blend of what is known and what the rows said, unless they know better."""
    untold, n_queries = solver.solve(task), int(task.query_mask.sum())
    if not n_queries:
        return untold
    sure = sum(float(_distributions(untold, task, part).amax(-1).sum()) for part in _parts(task))
    firmness = known.firmness(1 - sure / n_queries)
    if firmness < NOTHING_NEW:
        return untold
    return solver.solve(task, known.blended(_class_mix(untold, task)[0], firmness))


def _check(solution: Solution, solver: Method, asked: npt.NDArray[np.int64], mask: Tensor, names: Sequence[str] | None) -> None:
    wrong = []
    for part in slices(solution.logits[0]):
        bad = solution.logits[0, part].softmax(-1).sum(-1).isnan()
        if solution.outlier_score is not None:
            bad |= solution.outlier_score[0, part].isnan()
        wrong += (part.start + (bad & mask[part]).nonzero()[:, 0]).tolist()
    if wrong:
        row = int(asked[wrong[0]])
        name = "" if names is None else f" ({names[row]!r})"
        raise UserError(
            f"method {solver.name!r} gave no probabilities for {counted(len(wrong), 'row')}, the first of them row {row}{name}; choose "
            "another method, or standardise the columns"
        )


def _answer_conflicts(solution: Solution, conflicts: Conflicts, rows: Checked, asked: npt.NDArray[np.int64]) -> None:
    if conflicts.groups:
        group_of = conflicts.twins(rows.X)[asked]
        for logits in (solution.logits, solution.inductive_logits):
            assert logits is not None
            conflicts.divide(logits[0], group_of)


def _distributions(solution: Solution, task: Task, part: slice) -> Float[Tensor, "row way"]:
    """Return the probabilities of some queries; zero for those that are masked."""
    return solution.logits[0, part].float().softmax(-1) * task.query_mask[0, part, None]


def _parts(task: Task) -> Iterator[slice]:
    return slices(task.query_x[0], max(1, MEAN_NUMBERS // task.query_x.shape[2]))


def _class_mix(solution: Solution, task: Task) -> Float[Tensor, "1 way"]:
    """Return the mean of the queries' probabilities, or the shares of the labelled rows where there are none."""
    n_queries = int(task.query_mask.sum())
    if not n_queries:
        return task.n_shots.double() / task.n_shots.sum()
    parts = (_distributions(solution, task, part).double().sum(0, keepdim=True) for part in _parts(task))
    return sum(parts, task.query_x.new_zeros(1, task.n_way, dtype=torch.float64)) / n_queries


def _class_means(solution: Solution, task: Task) -> CosineClassifier:
    """Return the class means, by cosine, of all rows weighted by their assignments: for methods that end in no classifier."""
    labelled = normalize(task.support_x, dim=-1)
    total, weight = task.support_one_hot.mT @ labelled, task.n_shots
    for part in _parts(task):
        share = _distributions(solution, task, part)[None]
        total, weight = total + share.mT @ normalize(task.query_x[:, part], dim=-1), weight + share.sum(1)
    means = total / weight.clamp_min(1e-12)[..., None]
    return CosineClassifier(means, means.new_tensor(ClassMean().scale), means.new_zeros(()))
