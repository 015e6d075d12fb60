"""What one pass over the query rows adds up, slice by slice, and what the next step reads off it."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

TINY = 1e-9
MANY_WAYS = 200  # the most classes that the networks have been shown: more look the same to them


def log_of(x: Tensor) -> Tensor:
    """Logarithm that bears zeros."""
    return x.clamp_min(1e-6).log()


def row_entropy(probability: Float[Tensor, "task way row"]) -> Float[Tensor, "task 1 row"]:
    """Entropy of each row's class probabilities, as a share of the largest possible."""
    entropy: Tensor = -torch.special.xlogy(probability, probability.clamp_min(TINY)).sum(1, keepdim=True)
    return entropy / torch.log(probability.new_tensor(probability.shape[1]))


@dataclass(eq=False)
class Sums:
    """Sums over the queries; slices add up to the whole.

    Parameters
    ----------
    count : float [task, 1]
        Query rows.
    n_way : int
    mass, cosine : float [task, way, 1]
        Of each class: assigned rows; their cosines with the class mean.
    rows : float [task, 3]
        Row entropy, largest cosine, mean of the squared cosines.
    nodes : float [task, way, chosen]
        What the queries that messages come from were assigned to.
    pull : float [task, way, dim]
        Σ_i ξ_ic u_i, where a pass computes gradients.
    push : float [task, way, 1]
        Σ_i ξ_ic.
    """

    count: Float[Tensor, "task 1"]
    n_way: int
    mass: Tensor = field(init=False)
    cosine: Tensor = field(init=False)
    rows: Tensor = field(init=False)
    nodes: Tensor = field(init=False)
    pull: Tensor | float = 0.0
    push: Tensor | float = 0.0

    def __post_init__(self) -> None:
        self.mass = self.cosine = self.nodes = self.count.new_zeros(len(self.count), self.n_way, 1)
        self.rows = self.count.new_zeros(len(self.count), 3)

    def add(
        self,
        assigned: Float[Tensor, "task way row"],
        probability: Float[Tensor, "task way row"],
        cosine: Float[Tensor, "task way row"],
        weight: Float[Tensor, "task 1 row"],
    ) -> None:
        """Add a slice: rows assigned to classes, class probabilities, cosines, and which rows are real."""
        self.mass = self.mass + assigned.sum(2, keepdim=True)
        self.cosine = self.cosine + (assigned * cosine).sum(2, keepdim=True)
        of_rows = torch.cat([row_entropy(probability), cosine.amax(1, keepdim=True), cosine.square().mean(1, keepdim=True)], 1)
        self.rows = self.rows + (of_rows * weight).sum(2)

    @property
    def share(self) -> Float[Tensor, "task way 1"]:
        """Estimated share of each class."""
        smoothed = self.mass + 1e-3
        share: Tensor = smoothed / smoothed.sum(1, keepdim=True)
        return share

    @property
    def compactness(self) -> Float[Tensor, "task way 1"]:
        """Mean cosine of the rows of each class with its mean."""
        compactness: Tensor = self.cosine / (self.mass + 1e-2)
        return compactness

    @property
    def typical(self) -> Float[Tensor, "task 3"]:
        """Means over the rows of what `rows` sums."""
        return self.rows / self.count.clamp_min(1)

    @property
    def state(self) -> Float[Tensor, "task descriptor"]:
        """Six numbers for the control network: how even the class mix is, how decided the rows are, how close to the means."""
        share = self.share[..., 0]
        relative = share * self.n_way
        evenness = -torch.special.xlogy(share, share).sum(1, keepdim=True) / torch.log(share.new_tensor(self.n_way))
        entropy, top, square = self.typical.split(1, 1)
        extremes = [log_of(relative.amin(1, keepdim=True) + 0.02), log_of(relative.amax(1, keepdim=True))]
        return torch.cat([evenness, *extremes, entropy, 3 * top, self.n_way * square], 1)
