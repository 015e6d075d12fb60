"""Messages between rows: at every step each row sees what its neighbours were assigned to in the step before."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from sibyl.memmap import gather_rows
from sibyl.methods.universal.landmarks import landmarks
from sibyl.methods.universal.rows import Slice, power_rows
from sibyl.methods.universal.viewpoint import Viewpoint
from sibyl.tasks import Task

NODES = 512  # query rows that messages come from; of more, as many are chosen by their content


@dataclass(frozen=True, eq=False)
class Nodes:
    """The rows that messages come from: some or all of the queries, then the labelled rows.

    Parameters
    ----------
    unit : float [task, node, dim]
        Prepared rows.
    place : int [task, node]
        Where each stands among the queries; −1 for labelled rows.
    real : bool [task, node]
        False for padding.
    y : float [task, way, support]
        Labels of the labelled rows, one-hot.
    """

    unit: Float[Tensor, "task node dim"]
    place: Int[Tensor, "task node"]
    real: Bool[Tensor, "task node"]
    y: Float[Tensor, "task way support"]

    @classmethod
    def of(cls, task: Task, exponent: Float[Tensor, "task 1 1"], support: Float[Tensor, "task support dim"]) -> Nodes:
        """Choose the nodes of a batch of tasks; `support` holds the labelled rows, prepared."""
        n_query = task.query_x.shape[1]
        if n_query <= NODES:
            place = torch.arange(n_query, device=support.device).expand(task.n_tasks, n_query)
            chosen = task.query_x
        else:
            place = landmarks(task, NODES)
            chosen = gather_rows(task.query_x, place)
        return cls.over(task, power_rows(chosen, exponent), place, task.query_mask.gather(1, place), support)

    @classmethod
    def over(
        cls,
        task: Task,
        chosen: Float[Tensor, "task chosen dim"],
        place: Int[Tensor, "task chosen"],
        is_real: Bool[Tensor, "task chosen"],
        support: Float[Tensor, "task support dim"],
    ) -> Nodes:
        """Take chosen queries, prepared, that stand at `place`, and the labelled rows, prepared."""
        unit, real = torch.cat([chosen, support], 1), torch.cat([is_real, task.support_mask], 1)
        return cls(unit, pad(place, (0, support.shape[1]), value=-1), real, task.support_one_hot.mT)

    def products(self, unit: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row node"]:
        """Return the scalar products of rows with the nodes: what all steps need of them."""
        return unit @ self.unit.mT

    def excluded(self, first: int, n_rows: int) -> Bool[Tensor, "task row node"]:
        """Return which nodes are no neighbours of queries ``first … first + n_rows − 1``: themselves and padding."""
        own = self.place[:, None] == torch.arange(first, first + n_rows, device=self.place.device)[:, None]
        return own | ~self.real[:, None]

    def collect(self, assigned: Float[Tensor, "task way row"], first: int) -> Float[Tensor, "task way chosen"]:
        """Return what queries from `first` on that are nodes were assigned to; 0 for the others."""
        n_rows, place = assigned.shape[2], self.place[:, None, : self.place.shape[1] - self.y.shape[2]] - first
        inside = (place >= 0) & (place < n_rows)
        return assigned.gather(2, place.clamp(0, n_rows - 1).expand(-1, assigned.shape[1], -1)) * inside

    def messages(
        self,
        part: Slice,
        view: Viewpoint,
        sharpness: Float[Tensor, "task 1 1"],
        assigned: Float[Tensor, "task way chosen"],
    ) -> tuple[Float[Tensor, "task way row"], Float[Tensor, "task 1 row"]]:
        """Return the mean assignment of each row's neighbours, and how dense the rows lie around it.

        A neighbour counts by ``exp(t cos)``, the angle seen from the origin of `view`.
        """
        origin = view.origin
        own, theirs = part.unit @ origin.mT, self.unit @ origin.mT
        square = origin.square().sum(-1, keepdim=True)
        length, far = ((1 - 2 * along + square).clamp_min(1e-4).rsqrt() for along in (own, theirs))
        products = self.products(part.unit) if part.products is None else part.products
        excluded = self.excluded(part.first, part.unit.shape[1]) if part.excluded is None else part.excluded
        cosine = (products - (own - square) - theirs.mT) * length * far.mT
        affinity = (sharpness * cosine).masked_fill(excluded, -torch.inf)
        total = affinity.logsumexp(2, keepdim=True)
        count = self.real.sum(1).clamp_min(1)[:, None, None]
        attention = (affinity - total.clamp_min(-1e4)).exp()  # zero for a row that has no neighbour
        message = torch.cat([assigned, self.y], 2) @ attention.mT
        density = (total - count.log()).clamp_min(-20).mT
        return message, density


def density_feature(density: Float[Tensor, "task 1 row"], sharpness: Float[Tensor, "task 1 1"]) -> Float[Tensor, "task 1 row"]:
    """Scale the log density to about one."""
    return density / sharpness.clamp_min(1.0) * 3
