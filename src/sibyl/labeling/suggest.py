"""Which items to label next, and when to stop."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

from sibyl.labeling.novelty import SUSPECTED, excess
from sibyl.tasks import Solution, Task

_CANDIDATES = 2000  # the most valuable items, among which different ones are sought


@dataclass(frozen=True)
class Suggestion:
    """One item whose label would help.

    Parameters
    ----------
    row : int
        Query row.
    value : float
        0 … 1, higher is more worth a person's time.
    first, second : int
        The classes between which it lies.
    may_be_new : bool
        It is unlike every class: perhaps of one that has no example.
    """

    row: int
    value: float
    first: int
    second: int
    may_be_new: bool


def suggest(task: Task, solution: Solution, number: int = 10) -> list[Suggestion]:
    """Choose the queries whose label would help most: unsure or unlike every class, and unlike each other.

    The value of an item is ``1 − margin`` (the doubt between its two likeliest classes), or how far its outlier score stands out if
    that is more: 0 up to two robust deviations, 1 from six on. Items are then taken greedily by ``value · distance``, where the distance is one minus the cosine to the nearest item that
    is labelled or already taken, seen from the mean of all items: a second picture of the same thing teaches little.

    Parameters
    ----------
    task, solution : Task, Solution
        A batch of one.
    number : int
        How many at most.

    Returns
    -------
    list of Suggestion
        Most helpful first.
    """
    n_query = task.query_x.shape[1]
    if not n_query or number < 1:
        return []
    best, order = solution.probabilities[0].topk(2, dim=-1)
    doubt = 1 - (best[:, 0] - best[:, 1])
    new = torch.zeros_like(doubt)
    if solution.outlier_score is not None:
        deviations = torch.from_numpy(excess(solution.outlier_score[0].numpy(), order[:, 0].numpy())).to(doubt)
        new = ((deviations - SUSPECTED) / 4).clamp(0, 1)
    value = torch.maximum(doubt, new)
    rows = value.topk(min(_CANDIDATES, n_query)).indices
    centre = torch.cat([task.support_x[0], task.query_x[0]]).mean(0)
    known, candidates = (normalize(x - centre, dim=-1) for x in (task.support_x[0], task.query_x[0][rows]))
    nearest = (1 - candidates @ known.mT).amin(1)
    taken: list[int] = []
    for _ in range(min(number, len(rows))):
        gain = value[rows] * nearest.clamp_min(1e-6)
        gain[taken] = -1
        here = int(gain.argmax())
        taken.append(here)
        nearest = torch.minimum(nearest, 1 - candidates @ candidates[here])
    chosen = rows[taken].tolist()
    return [
        Suggestion(
            row, float(value[row]), int(order[row, 0]), int(order[row, 1]), bool(new[row] > doubt[row]) and bool(new[row] > 0.5)
        )
        for row in chosen
    ]


def churn(before: Solution, after: Solution) -> float:
    """Share of queries whose label two solutions of the same queries give differently.

    Labels that no longer move are a sign to stop (Bloodgood & Vijay-Shanker 2009, "A method for stopping active learning based on
    stabilizing predictions").
    """
    if not before.logits.shape[1]:
        return 0.0
    return float((before.predictions != after.predictions).float().mean())


def suggestion_words(suggestion: Suggestion, class_names: tuple[str, ...]) -> str:
    """Say why an item is suggested."""
    if suggestion.may_be_new:
        return "unlike every class: perhaps a new one"
    return f"{class_names[suggestion.first]} or {class_names[suggestion.second]}?"
