"""From rows, labels and a method to an answer for every row: the functional part of the estimators."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from sibyl.errors import UserError
from sibyl.estimators.feature_rows import Matrix, float_rows, shared_rows
from sibyl.estimators.labels import Labels
from sibyl.methods import Method
from sibyl.methods.class_mean import ClassMean
from sibyl.methods.classifiers import CosineClassifier, class_means
from sibyl.tasks import Classifier, ClassPrior, Task
from sibyl.wording import counted

SLICE_ROWS = 65_536


@dataclass(frozen=True, eq=False)
class Answer:
    """What is said of every row, labelled ones included.

    Parameters
    ----------
    codes, inductive : int64 [row]
        Class with and without the other unlabelled rows; a labelled row keeps its own.
    distributions : float32 [row, class]
        Probabilities; one-hot for labelled rows.
    outlier_score : float32 [row]
        The method's, or one minus the largest probability; 0 for labelled rows.
    class_mix : float64 [class]
        Estimated shares among the unlabelled rows; those of the labelled rows where there are no others.
    fell_back : bool
        The answer is the inductive one.
    classifier : callable
        For new rows.
    """

    codes: npt.NDArray[np.int64]
    inductive: npt.NDArray[np.int64]
    distributions: npt.NDArray[np.float32]
    outlier_score: npt.NDArray[np.float32]
    class_mix: npt.NDArray[np.float64]
    fell_back: bool
    classifier: Classifier


def can_solve(method: Method, n_unlabelled: int) -> bool:
    """Whether a method can be given so few unlabelled rows: a sum over slices may be empty, and an inductive method needs none."""
    traits = method.traits
    return not traits.transductive or n_unlabelled > 1 or traits.chunked or (n_unlabelled == 1 and traits.single_query)


@torch.no_grad()
def answer_rows(X: Matrix, labels: Labels, method: Method, class_prior: ClassPrior, device: torch.device) -> Answer:
    """Solve the task that the labelled and unlabelled rows make.

    A method that works in passes over slices gets all rows as they lie in memory or on disk, with the labelled ones masked; any other
    gets a copy of the unlabelled ones.

    Raises
    ------
    UserError
        If the method's answer for a row is not a distribution.
    """
    n_way, known, asked = len(labels.classes), labels.labelled, labels.unlabelled
    solver = method if can_solve(method, len(asked)) else ClassMean()
    support_y = torch.from_numpy(labels.codes[known])[None]
    if solver.traits.chunked:
        query_x, mask = shared_rows(X)[None], torch.from_numpy(labels.codes < 0)[None]
    else:
        query_x, mask = float_rows(X, asked)[None], torch.ones(1, len(asked), dtype=torch.bool)
    task = Task(float_rows(X, known)[None], support_y, query_x, n_way, query_mask=mask).to(device)
    solution = solver.solve(task, class_prior)

    start = ClassMean().solve(task).logits if solution.inductive_logits is None else solution.inductive_logits
    inductive = _all_rows(start[0].argmax(-1).cpu(), support_y[0], labels)
    del start
    solution = replace(solution, inductive_logits=None)  # as large as the answer itself: not kept longer than needed
    answered = _softmax_in_place(solution.logits[0].float().cpu())
    doubt = 1 - answered.amax(-1) if solution.outlier_score is None else solution.outlier_score[0].float().cpu()
    mix = None if solution.class_mix is None or not len(asked) else solution.class_mix[0].double().cpu().numpy()
    told = solver is method and (len(asked) > 0 or not method.traits.transductive)
    fell_back = not told or (solution.fell_back is not None and bool(solution.fell_back.all()))
    classifier = solution.classifier
    del solution

    distributions = _all_rows(answered, one_hot(support_y[0], n_way).float(), labels)
    wrong = distributions.sum(1).isnan().nonzero()
    if len(wrong):
        raise UserError(
            f"method {solver.name!r} gave no probabilities for {counted(len(wrong), 'row')}, the first of them row {int(wrong[0])}; choose another "
            "method, or standardise the columns"
        )
    if mix is None:
        mix = distributions[asked if len(asked) else known].double().mean(0).numpy()
    if classifier is None:
        means = class_means(normalize(float_rows(X, slice(None)), dim=-1)[None], distributions[None]).to(device)
        classifier = CosineClassifier(means, means.new_tensor(ClassMean().scale), means.new_zeros(()))
    codes = distributions.argmax(-1).numpy()
    outlier = _all_rows(doubt, doubt.new_zeros(len(known)), labels).numpy()
    return Answer(codes, inductive.numpy(), distributions.numpy(), outlier, mix, fell_back, classifier)


def _softmax_in_place(logits: Tensor) -> Tensor:
    """Turn logits [row, class] into probabilities, a slice of rows at a time, where they are."""
    for part in logits.split(SLICE_ROWS):
        part.copy_(part.softmax(-1))
    return logits


def _all_rows(values: Tensor, given: Tensor, labels: Labels) -> Tensor:
    """Put together what is said of the unlabelled rows, or of all, and what is given for the labelled ones."""
    if len(values) != len(labels.codes):
        full = values.new_empty(len(labels.codes), *values.shape[1:])
        full[labels.unlabelled] = values
        values = full
    values[labels.labelled] = given.to(values)
    return values
