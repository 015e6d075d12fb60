"""Labels that were not drawn at random: where labelled rows are plainer than unlabelled ones, each counts for less."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.methods.classifiers import class_means
from sibyl.methods.universal.rows import Rows, Slice, Totals, power_rows
from sibyl.methods.universal.viewpoint import Viewpoint
from sibyl.tasks import Task

CHANCE, CERTAIN = 0.7, 0.8  # shares of plainer labelled rows, half by chance: up to here nothing is done, from there on all
ERRORS = 3.0  # standard errors taken off the share that is found
LEAST_POWER = 0.5  # n labels that were chosen for being plain count as √n


@torch.no_grad()
def label_weights(task: Task, exponent: Float[Tensor, "task 1 1"], rows: Rows) -> Float[Tensor, "task way"] | None:
    """Return what a label of each class counts for, or None where each counts for one.

    A row is plain if its cosine with the nearest class mean is far above that with the next. Of
    labels drawn at random, half are plainer than an unlabelled row. Of labels that a person
    confirmed among the surest answers nearly all are; they lie about the class means, say little of
    the rows that are left, and a class with many of them would outweigh one with few. So n such
    labels count as √n.

    A labelled row is compared with the mean of the *other* labelled rows of its class. So only
    classes with two labels or more are looked at; with one label a class there is nothing to do,
    and no pass over the rows is made.

    Parameters
    ----------
    task : Task
        Only its labelled rows are looked at.
    exponent : float [task, 1, 1]
        Of the power transform.
    rows : Rows
        The unlabelled rows.
    """
    if not bool((task.n_shots > 1).any()):
        return None
    unit, one_hot, shots = power_rows(task.support_x, exponent), task.support_one_hot, task.n_shots
    anchor = class_means(unit, one_hot)
    view = Viewpoint.of(anchor, anchor[:, :1], torch.zeros_like(exponent))
    of_own = one_hot @ shots[..., None]
    others = (one_hot @ (anchor * shots[..., None]) - unit) / (of_own - 1).clamp_min(1)
    middle, own = view.origin, one_hot.mT > 0
    with_others = torch.nn.functional.cosine_similarity(unit - middle, others - middle, dim=-1)[:, None]
    gap = _gap(torch.where(own, with_others, view.cosines(unit)))
    compared = of_own[..., 0] > 1
    found = rows.total(_Plainer(view, gap.masked_fill(~compared, -torch.inf).sort(1).values))
    if not found:
        return None
    n, count = compared.sum(1, keepdim=True), rows.count
    pairs = (n * count).clamp_min(1)
    share = found[0].to(count) / pairs - ERRORS * ((n + count + 1) / (12 * pairs)).sqrt()
    chosen = ((share - CHANCE) / (CERTAIN - CHANCE)).clamp(0, 1)
    return shots.clamp_min(1) ** ((LEAST_POWER - 1) * chosen) if bool((chosen > 0).any()) else None


def _gap(cosine: Float[Tensor, "task way row"]) -> Float[Tensor, "task row"]:
    best = cosine.topk(2, dim=1).values
    return best[:, 0] - best[:, 1]


@dataclass(frozen=True, eq=False)
class _Plainer:
    """How many pairs of a labelled row and a row of a slice there are in which the labelled one is plainer; `gaps` are sorted."""

    view: Viewpoint
    gaps: Float[Tensor, "task support"]

    def __call__(self, part: Slice) -> Totals:
        """Go over one slice."""
        plainer = self.gaps.shape[1] - torch.searchsorted(self.gaps, _gap(self.view.cosines(part.unit)).contiguous(), right=True)
        return ((plainer * part.weight[:, 0]).sum(1, keepdim=True),)
