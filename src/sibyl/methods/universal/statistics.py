"""Sufficient statistics: what one pass over the query rows adds up, slice by slice, and what the next step reads off it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.methods.universal.rows import Slice, Totals

TINY = 1e-9
MANY_WAYS = 200  # the most classes that the networks have been shown: more look the same to them


def log_of(x: Tensor) -> Tensor:
    """Logarithm that bears zeros."""
    return x.clamp_min(1e-6).log()


def row_entropy(probability: Float[Tensor, "task way row"]) -> Float[Tensor, "task 1 row"]:
    """Entropy of each row's class probabilities, as a share of the largest possible."""
    entropy: Tensor = -torch.special.xlogy(probability, probability.clamp_min(TINY)).sum(1, keepdim=True)
    return entropy / torch.log(probability.new_tensor(probability.shape[1]))


def slice_statistics(
    assigned: Float[Tensor, "task way row"],
    probability: Float[Tensor, "task way row"],
    cosine: Float[Tensor, "task way row"],
    part: Slice,
    nodes: Float[Tensor, "task way chosen"],
) -> Totals:
    """Return what a slice adds to the last four fields of `Statistics`: rows assigned to classes, probabilities, cosines."""
    of_rows = torch.cat([row_entropy(probability), cosine.amax(1, keepdim=True), cosine.square().mean(1, keepdim=True)], 1)
    return (
        assigned.sum(2, keepdim=True),
        (assigned * cosine).sum(2, keepdim=True),
        (of_rows * part.weight).sum(2),
        nodes,
    )


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sufficient statistics of the queries; those of slices add up to the whole.

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
    """

    count: Float[Tensor, "task 1"]
    n_way: int
    mass: Tensor
    cosine: Tensor
    rows: Tensor
    nodes: Tensor

    @classmethod
    def of(cls, count: Float[Tensor, "task 1"], n_way: int, totals: Totals) -> Statistics:
        """Take the first of the totals of a pass, or zeros where there were no rows."""
        if totals:
            return cls(count, n_way, *(one.to(count.dtype) for one in totals[:4]))
        empty = count.new_zeros(len(count), n_way, 1)
        return cls(count, n_way, empty, empty, count.new_zeros(len(count), 3), empty)

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
    def descriptors(self) -> Float[Tensor, "task descriptor"]:
        """Six numbers for the control network: how even the class mix is, how decided the rows are, how close to the means."""
        share = self.share[..., 0]
        relative = share * self.n_way
        evenness = -torch.special.xlogy(share, share).sum(1, keepdim=True) / torch.log(share.new_tensor(self.n_way))
        entropy, top, square = self.typical.split(1, 1)
        extremes = [log_of(relative.amin(1, keepdim=True) + 0.02), log_of(relative.amax(1, keepdim=True))]
        return torch.cat([evenness, *extremes, entropy, 3 * top, self.n_way * square], 1)
