"""PEMnE-BMS: class weights that alternate with an assignment in which no class may fall below a minimum size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import one_hot

from sibyl.errors import DataError
from sibyl.methods.class_mean import assigned_solution
from sibyl.methods.method import Method, Traits
from sibyl.methods.preprocessing import Preparation
from sibyl.methods.row_span import RowSpan
from sibyl.methods.sinkhorn import column_potentials
from sibyl.methods.task_rows import all_rows
from sibyl.tasks import ClassPrior, Solution, Task, class_shares


@dataclass(frozen=True)
class BMS(Method):
    """Boosted min-size Sinkhorn on "PEME" features (Hu, Pateux & Gripon 2022).

    Rows are power-transformed, scaled to unit length, centred and scaled again. From the class means of the support on, repeat

        ``P_ic ∝ exp(λ cos(x_i, w_c))`` over classes;
        P ← 50 rounds of: rows to sum 1; columns below k_min up to sum k_min       (algorithm 1)
        ``k_min`` ← size of the smallest class among the hard assignments, the support counted with (at first: the shots)
        ``w_c ← Σ_S y_ic x_i + Σ_Q P_ic x_i``, scaled to unit length

    and answer with the last P. Where the caller knows the class shares, P has exactly those columns instead: "BMS*" of the paper,
    which is what its balanced tables show.

    =======  =============  ============================================
    paper    code           meaning
    =======  =============  ============================================
    W        combination    class weights, as combinations of the rows
    P, L     assigned       assignment of the queries
    λ        scale          inverse temperature
    k_min    smallest       minimum size of a class
    n_steps  n_steps        steps
    =======  =============  ============================================

    Parameters
    ----------
    scale, n_steps, n_rounds : float, int, int
        λ = 8.5, 20 steps, 50 rounds, as in the authors' released code, whose default leaves out the further training of W by SGD.
    power : float
        Of the power transform.

    Notes
    -----
    Yields assignments and no classifier. A minimum size says nothing about one query: `single_query` is not declared.

    References
    ----------
    Y. Hu, S. Pateux, V. Gripon, "Squeezing Backbone Feature Distributions to the Max for Efficient Few-Shot Learning",
    Algorithms 15(5):147, 2022, arXiv 2110.09446.
    """

    scale: float = 8.5
    n_steps: int = 20
    n_rounds: int = 50
    power: float = 0.5

    name: ClassVar[str] = "bms"
    traits: ClassVar[Traits] = Traits(transductive=True, single_query=False)

    def __post_init__(self) -> None:
        if not (self.scale > 0 and self.n_steps > 0 and self.n_rounds > 0):
            raise DataError(f"scale, n_steps and n_rounds must be above 0, got {self}")

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the last assignment."""
        shares = class_shares(class_prior, task)
        x, mask, labelled = all_rows(task)
        span = RowSpan.of(Preparation.fit(x, mask, self.power)(x))
        n_support, shots = task.support_x.shape[1], task.n_shots

        assigned = labelled.new_zeros(*task.query_mask.shape, task.n_way)
        smallest, potential = shots.amin(1), None
        # Only the directions of the class weights matter: they are sums of rows, divided by the shots to stay of size one.
        combination = labelled / shots[:, None].clamp_min(1)
        for _ in range(self.n_steps):
            products, squared = span.products(combination)
            scores = self.scale * products[:, n_support:] / squared.clamp_min(torch.finfo(x.dtype).tiny).sqrt()
            if shares is None:
                assigned = boost_min_size(scores.softmax(-1) * task.query_weight, smallest, self.n_rounds)
                hard = one_hot(assigned.argmax(-1), task.n_way) * task.query_mask[..., None]
                smallest = (hard.sum(1) + shots).amin(1)
            else:
                potential = column_potentials(scores, task.query_mask, shares, potential)
                assigned = (scores + potential).softmax(-1) * task.query_weight
            weight = torch.cat([task.support_one_hot, assigned], 1)
            combination = weight / weight.sum(1, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny)

        logits = assigned.clamp_min(torch.finfo(x.dtype).tiny).log()
        return assigned_solution(task, logits)


def boost_min_size(
    assigned: Float[Tensor, "task query way"], smallest: Float[Tensor, " task"], n_rounds: int
) -> Float[Tensor, "task query way"]:
    """Scale rows to sum one and too small columns up to sum `smallest`, in turn; columns that are large enough are left alone."""
    tiny = torch.finfo(assigned.dtype).tiny
    floor = smallest[:, None, None].to(assigned.dtype)
    by_class = assigned.mT.contiguous()  # sums are many times faster across the long axis than along the short one
    for _ in range(n_rounds):
        by_class = by_class / by_class.sum(1, keepdim=True).clamp_min(tiny)
        size = by_class.sum(2, keepdim=True)
        by_class = by_class * (floor / size.clamp_min(tiny)).clamp_min(1)
    return by_class.mT.contiguous()
