"""The dense similarity graph of label propagation: Gaussian affinities between all rows of a task, and their width.

Affinities are kept as logarithms, so that none underflows however far apart two rows are.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sibyl.methods.classifiers import squared_distances
from sibyl.tasks import Task


def pairwise_squared_distances(x: Float[Tensor, "task row dim"], mask: Bool[Tensor, "task row"]) -> Float[Tensor, "task row row"]:
    """Squared distances between rows in double precision; infinite from a row to itself and to padding, so that no edge is there."""
    exact = x.double()
    blocked = torch.eye(x.shape[1], dtype=torch.bool, device=x.device) | ~(mask[:, None] & mask[..., None])
    return squared_distances(exact, exact).masked_fill(blocked, torch.inf)


MANY_ROWS = 256  # above, sweeps over all pairs of rows cost more than a task at a time
SAME = 1e-10  # of the largest squared distance: rows that are closer are taken for equal
NARROWEST = 1e-2  # of the usual squared distance to the nearest other row: no bridge is shorter


def first_bridge(squared: Float[Tensor, "task row row"], one_hot: Float[Tensor, "task row way"]) -> Float[Tensor, " task"]:
    """Squared length of the first edge that joins two classes when edges are added in the order of their length.

    This is the edge d⁰ of Zhu & Ghahramani (2002, section 2.3): the longest edge on the path between labelled rows of different
    classes whose longest edge is shortest. Such bottleneck paths from each class to all rows come from Bellman–Ford sweeps with
    (max, min) in place of (plus, min); minima and maxima are exact, so the sweeps end where nothing changes any more.

    Equal rows of two classes would make it zero, and the graph's width with it. So it is at least `NARROWEST` times the median, over
    rows, of the squared distance to the nearest row that is not equal.

    Returns
    -------
    float [task]
        1 where fewer than two classes have a labelled row, or all rows are equal.
    """
    labelled = one_hot > 0
    bridge = _bridges(squared, labelled)
    apart = squared.masked_fill(squared <= SAME * squared.masked_fill(squared.isinf(), 0).amax((1, 2), keepdim=True), torch.inf)
    nearest = apart.amin(2)
    floor = NARROWEST * nearest.masked_fill(nearest.isinf(), torch.nan).nanmedian(1).values
    bridge = torch.maximum(bridge, floor.nan_to_num(0.0))
    return torch.where(bridge > 0, bridge, 1.0)


def _bridges(squared: Float[Tensor, "task row row"], labelled: Bool[Tensor, "task row way"]) -> Float[Tensor, " task"]:
    if squared.shape[1] > MANY_ROWS:
        return squared.new_tensor([_bridge_of(one, labels) for one, labels in zip(squared, labelled, strict=True)])
    reach = torch.where(labelled.mT, -torch.inf, torch.inf).to(squared)  # [task, way, row]: bottleneck of the best path so far
    for _ in range(squared.shape[1]):
        step = torch.stack([torch.maximum(squared, row[:, :, None]).amin(1) for row in reach.unbind(1)], 1)
        step = torch.minimum(step, reach)
        if torch.equal(step, reach):
            break
        reach = step
    other = labelled.any(2)[:, None] & ~labelled.mT  # rows labelled as another class than the path's
    bridge = reach.masked_fill(~(other & labelled.any(1)[..., None]), torch.inf).amin((1, 2))
    return torch.where(bridge.isfinite(), bridge, 1.0)


def _bridge_of(squared: Float[Tensor, "row row"], labelled: Bool[Tensor, "row way"]) -> float:
    """Find the first bridge of one large task by single linkage, which joins rows in the order of their edges."""
    from scipy.cluster.hierarchy import linkage  # slow to import, and seldom needed
    from scipy.spatial.distance import squareform

    real = squared.isfinite().any(1)
    if int(real.sum()) < 2:
        return 1.0
    class_of = torch.where(labelled.any(1), labelled.int().argmax(1), -1)[real].tolist()
    square = squared[real][:, real].double().fill_diagonal_(0).cpu().numpy()
    for left, right, length, _ in linkage(squareform(square, checks=False), "single").tolist():
        first, second = class_of[int(left)], class_of[int(right)]
        if first >= 0 and second >= 0 and first != second:
            return float(length)
        class_of.append(max(first, second))
    return 1.0


def class_mass_normalised(
    probabilities: Float[Tensor, "task query way"], task: Task, shares: Float[Tensor, "#task way"] | None
) -> Float[Tensor, "task query way"]:
    """Rescale columns so that their masses over the queries are in the proportion of `shares`, then rows to sum one.

    Class mass normalisation (Zhu, Ghahramani & Lafferty 2003, equation 9); with `shares` None only the rows are rescaled.
    """
    if shares is not None:
        mass = (probabilities * task.query_weight).sum(1, keepdim=True)
        probabilities = probabilities * shares[:, None] / mass.clamp_min(torch.finfo(mass.dtype).tiny)
    return probabilities / probabilities.sum(-1, keepdim=True).clamp_min(torch.finfo(probabilities.dtype).tiny)
