"""Outlier refinement, once every row has a first score: the scores of a row's neighbours, and class means without suspected outliers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from sibyl.methods.universal.neighbours import Nodes
from sibyl.methods.universal.rows import Rows, Slice, Totals
from sibyl.methods.universal.viewpoint import Viewpoint, best_and_margin

if TYPE_CHECKING:
    from sibyl.methods.universal.classifier import UniversalClassifier

SHARPNESS = (6.0, 15.0)  # inverse temperatures of the angles between neighbours: a wide circle and a narrow one
ITSELF = 1 - 1e-5  # a node closer than that, as a cosine, is the row itself or a copy of it, and no neighbour of it
N_REFINEMENT_FEATURES = 8  # beside those of the first score


@dataclass(frozen=True, eq=False)
class _RefinementStatistics:
    """Sums of the first scores over a slice."""

    first: UniversalClassifier
    nodes: Nodes

    def __call__(self, part: Slice) -> Totals:
        """Return the sums over one slice."""
        _, odds, probability = self.first.first_outlier_logits(part.unit)
        suspicion = odds[:, None]
        sure = torch.sigmoid(-suspicion) * part.weight
        assigned = probability * sure
        return (
            assigned @ part.unit,
            assigned.sum(2, keepdim=True),
            sure.sum(2),
            self.nodes.collect(suspicion, part.first),
        )


@dataclass(frozen=True, eq=False)
class OutlierRefinement:
    """Outlier scores, corrected once every row has one.

    Outliers of one kind lie together: a row among rows that resemble no class is more likely an
    outlier than one that stands alone. And outliers draw the class means towards themselves: here
    they are left out of them.

    Parameters
    ----------
    around : Viewpoint
        Means of the rows of each class, every row weighed by how sure it is to be one of the
        classes; seen from the queries' mean.
    direction : float [task, node, dim]
        Rows that may be neighbours, seen from there, of unit length.
    is_neighbour : bool [task, node]
        False for padding and labelled rows.
    odds : float [task, node, 1]
        Their log odds of being an outlier, from the first score.
    inliers : float [task, 1, 1]
        Estimated share of the queries that belong to a class.
    network : module
        Numbers of a row → the change of its log odds.
    """

    around: Viewpoint
    direction: Float[Tensor, "task node dim"]
    is_neighbour: Bool[Tensor, "task node"]
    odds: Float[Tensor, "task node 1"]
    inliers: Float[Tensor, "task 1 1"]
    network: nn.Module

    @classmethod
    def of(
        cls,
        first: UniversalClassifier,
        support: Float[Tensor, "task support dim"],
        y: Float[Tensor, "task support way"],
        rows: Rows,
        nodes: Nodes,
        network: nn.Module,
    ) -> OutlierRefinement:
        """Make one more pass over the rows, with the first scores; without rows there are no neighbours."""
        pull, mass, count = y.mT @ support, y.sum(1)[..., None], rows.count
        inliers, n_chosen = torch.zeros_like(count), nodes.place.shape[1] - support.shape[1]
        odds = support.new_zeros(len(support), 1, n_chosen)
        totals = rows.total(_RefinementStatistics(first, nodes))
        if totals:
            of_rows, of_classes, inliers, odds = (one.to(pull.dtype) for one in totals)
            pull, mass = pull + of_rows, mass + of_classes
        inliers = torch.where(count > 0, inliers / count.clamp_min(1), 1.0)
        origin = first.around.origin
        return cls(
            Viewpoint.around(pull / mass.clamp_min(1e-6), origin),
            normalize(nodes.unit[:, :n_chosen] - origin, dim=-1),
            nodes.real[:, :n_chosen] & (count > 0),
            odds.mT, inliers[..., None], network,
        )  # fmt: skip

    def logits(
        self,
        unit: Float[Tensor, "task row dim"],
        columns: Float[Tensor, "task row number"],
        odds: Float[Tensor, "task row"],
        probability: Float[Tensor, "task way row"],
    ) -> Float[Tensor, "task row"]:
        """Return log odds of prepared rows from what the first score saw of them, its log odds, and the class probabilities."""
        cosine, own = self.around.cosines(unit), odds[..., None]
        best, margin = best_and_margin(cosine)
        angle = normalize(unit - self.around.origin, dim=-1) @ self.direction.mT
        excluded = (angle > ITSELF) | ~self.is_neighbour[:, None]
        alone = excluded.all(2, keepdim=True)  # such a row keeps its own score
        around = [torch.where(alone, own, (t * angle).masked_fill(excluded, -1e9).softmax(2) @ self.odds) for t in SHARPNESS]
        seen = (best, margin, cosine.mean(1, keepdim=True), (probability * cosine).sum(1, keepdim=True))
        more = [own / 3, *(one / 3 for one in around), *(3 * one.mT for one in seen), self.inliers.expand_as(own)]
        change: Tensor = self.network(torch.cat([columns, *more], -1))
        return odds + change[..., 0]

    def where(self, chosen: Bool[Tensor, " task"], other: OutlierRefinement) -> OutlierRefinement:
        """Return this for the chosen tasks and `other` for the rest."""
        pick = chosen[:, None, None]
        return replace(
            self,
            around=self.around.where(pick, other.around),
            direction=torch.where(pick, self.direction, other.direction),
            is_neighbour=torch.where(chosen[:, None], self.is_neighbour, other.is_neighbour),
            odds=torch.where(pick, self.odds, other.odds),
            inliers=torch.where(pick, self.inliers, other.inliers),
        )
