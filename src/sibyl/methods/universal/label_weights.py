"""Labels that were not drawn at random: where labelled rows have larger margins than unlabelled ones, each counts for less."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.methods.classifiers import class_means
from sibyl.methods.universal.neighbours import Nodes
from sibyl.methods.universal.rows import power_rows
from sibyl.methods.universal.viewpoint import Viewpoint, best_and_margin
from sibyl.tasks import Task

NOTHING_BELOW, ALL_FROM = 0.7, 0.8  # shares of pairs in which the labelled row has the larger margin; half by chance
ERRORS = 3.0  # standard errors taken off the share that is found
LEAST_POWER = 0.5  # n labels that were chosen for their large margins count as √n


@torch.no_grad()
def label_weights(task: Task, exponent: Float[Tensor, "task 1 1"], nodes: Nodes) -> Float[Tensor, "task way"]:
    """Return what a label of each class counts for: one, or less where labels were not drawn at random.

    The margin of a row is its cosine with the nearest class mean less that with the next. Of labels
    drawn at random, half have a larger margin than an unlabelled row. Of labels that a person
    confirmed among the surest answers nearly all have; they lie about the class means, say little
    of the rows that are left, and a class with many of them would outweigh one with few. So n such
    labels count as √n.

    A labelled row is compared with the mean of the *other* labelled rows of its class. So only
    classes with two labels or more are looked at; with one label a class, or without unlabelled
    rows, every label counts for one.

    Parameters
    ----------
    task : Task
        Only its labelled rows are looked at.
    exponent : float [task, 1, 1]
        Of the power transform.
    nodes : Nodes
        Those that are unlabelled stand for all unlabelled rows.
    """
    shots, ones = task.n_shots, torch.ones_like(task.n_shots)
    unlabelled = nodes.real & (nodes.place >= 0)
    if not bool((shots > 1).any()) or not bool(unlabelled.any()):
        return ones
    unit, one_hot = power_rows(task.support_x, exponent), task.support_one_hot
    anchor = class_means(unit, one_hot)
    view = Viewpoint.of(anchor, anchor[:, :1], torch.zeros_like(exponent))
    of_own = one_hot @ shots[..., None]
    others = (one_hot @ (anchor * shots[..., None]) - unit) / (of_own - 1).clamp_min(1)
    middle, own = view.origin, one_hot.mT > 0
    with_others = torch.nn.functional.cosine_similarity(unit - middle, others - middle, dim=-1)[:, None]
    _, of_labelled = best_and_margin(torch.where(own, with_others, view.cosines(unit)))
    compared = of_own[..., 0] > 1
    ordered = of_labelled[:, 0].masked_fill(~compared, -torch.inf).sort(1).values
    _, of_nodes = best_and_margin(view.cosines(nodes.unit))
    smaller = torch.searchsorted(ordered, of_nodes[:, 0].contiguous(), right=True)
    n_larger = ((ordered.shape[1] - smaller) * unlabelled).sum(1, keepdim=True)
    n, count = (one.sum(1, keepdim=True).to(shots) for one in (compared, unlabelled))
    pairs = (n * count).clamp_min(1)
    share = n_larger / pairs - ERRORS * ((n + count + 1) / (12 * pairs)).sqrt()
    chosen = ((share - NOTHING_BELOW) / (ALL_FROM - NOTHING_BELOW)).clamp(0, 1)
    return torch.where(chosen > 0, shots.clamp_min(1) ** ((LEAST_POWER - 1) * chosen), ones)


def weights_in_graph(weights: Float[Tensor, "task way"]) -> Float[Tensor, "task way"]:
    """Return what a label counts for where labels are spread over a pile: of n that were chosen for their margins, 1 / n.

    There a class with many labels floods what lies between it and one with few. With √n, images
    whose surest third was confirmed are 44 to 53 % right by the graph alone, with one 59 to 74
    (validation classes, docs/log.md).

    Parameters
    ----------
    weights : float [task, way]
        What a label counts for elsewhere.
    """
    return weights.square()
