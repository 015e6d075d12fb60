"""Messages between rows: at every step each row sees what its neighbours were assigned to in the step before."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from sibyl.memmap import gather_rows
from sibyl.methods.universal.landmarks import landmarks
from sibyl.methods.universal.rows import Slice, power_rows
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
        n_chosen = self.place.shape[1] - self.y.shape[2]
        collected = assigned.new_zeros(*assigned.shape[:2], n_chosen)
        task, row, node = self._inside(first, assigned.shape[2])
        collected[task, :, node] = assigned[task, :, row]
        return collected

    def _inside(self, first: int, n_rows: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return task, row and node of those queries ``first … first + n_rows − 1`` that are nodes."""
        if len(self.place) == 1:  # a pile has many slices, and its nodes are sorted once
            numbers, places, nodes = self._sorted
            inside = slice(bisect_left(numbers, first), bisect_left(numbers, first + n_rows))
            return torch.zeros_like(nodes[inside]), places[inside] - first, nodes[inside]
        row = self.place - first
        task, node = ((row >= 0) & (row < n_rows)).nonzero(as_tuple=True)
        return task, row[task, node], node

    @cached_property
    def _sorted(self) -> tuple[list[int], Tensor, Tensor]:
        places, nodes = self.place[0].sort()
        return places.tolist(), places, nodes

    def seen_from(self, origin: Float[Tensor, "task 1 dim"]) -> SeenNodes:
        """Return the nodes as they are seen from a point."""
        square, along = origin.square().sum(-1, keepdim=True), self.unit @ origin.mT
        far = (1 - 2 * along + square).clamp_min(1e-4).rsqrt()
        return SeenNodes(self, origin, ((self.unit - origin) * far).mT, square, along.mT, far.mT)


@dataclass(frozen=True, eq=False)
class SeenNodes:
    """What all slices of a step need of the nodes.

    Parameters
    ----------
    nodes : Nodes
    origin : float [task, 1, dim]
        Where they are seen from.
    direction : float [task, dim, node]
        Unit vectors from there.
    square : float [task, 1, 1]
        Squared length of the origin.
    along, far : float [task, 1, node]
        Scalar products of nodes and origin; one over the distances.
    """

    nodes: Nodes
    origin: Float[Tensor, "task 1 dim"]
    direction: Float[Tensor, "task dim node"]
    square: Float[Tensor, "task 1 1"]
    along: Float[Tensor, "task 1 node"]
    far: Float[Tensor, "task 1 node"]

    def messages(
        self,
        part: Slice,
        own: Float[Tensor, "task row 1"],
        sharpness: Float[Tensor, "task 1 1"],
        assigned: Float[Tensor, "task way chosen"],
    ) -> tuple[Float[Tensor, "task way row"], Float[Tensor, "task 1 row"]]:
        """Return the mean assignment of each row's neighbours, and how dense the rows lie around it.

        A neighbour counts by ``exp(t cos)``, the angle seen from `origin`.

        Parameters
        ----------
        part : Slice
            Some queries.
        own : float [task, row, 1]
            Scalar products of its rows and the origin.
        sharpness : float [task, 1, 1]
            t.
        assigned : float [task, way, chosen]
            What the queries among the nodes were assigned to.
        """
        nodes, affinity = self.nodes, self._affinity(part, own, sharpness)
        peak = affinity.detach().amax(2, keepdim=True).clamp_min(-1e4)
        attention = affinity.sub_(peak).exp_()
        total = attention.sum(2, keepdim=True)
        count = nodes.real.sum(1).clamp_min(1)[:, None, None]
        message = torch.cat([assigned, nodes.y], 2) @ attention.mT / total.mT.clamp_min(1e-30)  # zero for a row without neighbours
        density = (total.log() + peak - count.log()).clamp_min(-20).mT
        return message, density

    def _affinity(
        self, part: Slice, own: Float[Tensor, "task row 1"], sharpness: Float[Tensor, "task 1 1"]
    ) -> Float[Tensor, "task row node"]:
        """Return ``t cos``; −∞ for nodes that are excluded for a row."""
        length = (1 - 2 * own + self.square).clamp_min(1e-4).rsqrt()
        if part.products is not None and part.excluded is not None:
            cosine = part.products - (own - self.square)
            cosine -= self.along
            if torch.is_grad_enabled():
                return (sharpness * (cosine * length * self.far)).masked_fill(part.excluded, -torch.inf)
            return cosine.mul_(length).mul_(self.far).mul_(sharpness).masked_fill_(part.excluded, -torch.inf)
        affinity = ((part.unit - self.origin) * (sharpness * length)) @ self.direction
        task, row, node = self.nodes._inside(part.first, part.unit.shape[1])
        affinity[task, row, node] = -torch.inf
        return affinity if bool(self.nodes.real.all()) else affinity.masked_fill_(~self.nodes.real[:, None], -torch.inf)


def density_feature(density: Float[Tensor, "task 1 row"], sharpness: Float[Tensor, "task 1 1"]) -> Float[Tensor, "task 1 row"]:
    """Scale the log density to about one."""
    return density / sharpness.clamp_min(1.0) * 3
