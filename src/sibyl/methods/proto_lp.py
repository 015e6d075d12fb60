"""protoLP: label propagation on a graph between class prototypes and rows, alternating with better prototypes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.errors import DataError
from sibyl.methods.class_mean import assigned_solution
from sibyl.methods.classifiers import class_means, squared_distances
from sibyl.methods.method import Method, Traits
from sibyl.methods.preprocessing import Preparation, PreparedClassifier
from sibyl.methods.sinkhorn import column_potentials
from sibyl.methods.solutions import presumed_shares
from sibyl.methods.task_rows import all_rows
from sibyl.tasks import ClassPrior, Solution, Task

TOLERANCE = 1e-4  # of a class's share within a step, about what the authors stop at; the answer is balanced to the end


@dataclass(frozen=True, eq=False)
class BalancedCentroids:
    """``−λ ‖x − μ_c‖² + v_c``: class prototypes and the potentials of the balanced assignment."""

    prototypes: Float[Tensor, "task way column"]
    scale: float
    potential: Float[Tensor, "task 1 way"]

    def __call__(self, x: Float[Tensor, "task row column"]) -> Float[Tensor, "task row way"]:
        """Return the logits of prepared rows."""
        return self.potential - self.scale * squared_distances(x, self.prototypes)


@dataclass(frozen=True)
class ProtoLP(Method):
    """Prototype-based label propagation (Zhu & Koniusz 2023), which **assumes balanced queries**.

    Rows are power-transformed, scaled to unit length, projected on their 40 leading singular vectors, centred and scaled again.
    From the class means of the support on, repeat

        1. ``Z_Q = Sinkhorn(exp(−λ ‖x_i − μ_c‖²))`` with row sums 1 and column sums π_c |Q|; ``Z_S = Y_S``: row-to-prototype edges
        2. ``L = I − Zᵀ Z Λ⁻¹`` with ``Λ = diag(Zᵀ 1)``: the graph among prototypes
        3. ``A = (Z_Sᵀ Z_S + γ L)⁻¹ Z_Sᵀ Y_S``: the label of each prototype;  ``Ỹ = Sinkhorn(Z A)``
        4. ``μ_c ← μ_c + α (mean of the rows weighted by β Ỹ_c + (1 − β) Z_c − μ_c)``

    and answer with a last Z_Q. π is uniform unless the caller knows the class shares.

    =======  ==============  =============================================
    paper    code            meaning
    =======  ==============  =============================================
    Z        edges           edges between rows and prototypes
    A        labels          soft label of each prototype
    Ỹ        propagated      labels after propagation
    γ        smoothness      weight of the graph against the support
    α, β     learning_rate,  step of the prototypes, share of the
             propagation     propagated labels in it
    λ        scale           inverse width of a class
    =======  ==============  =============================================

    Parameters
    ----------
    scale, smoothness, learning_rate, propagation, n_steps, n_axes
        λ = 10, γ = 1, α = 0.2, β = 0.6, 100 steps and 40 axes, as in the authors' released code.
    power : float
        Of the power transform.

    Notes
    -----
    Step 3's second balancing is over the queries alone; the released code balances all rows while holding those of the support,
    which has the same fixed point. One query says nothing under balance: `single_query` is not declared.

    References
    ----------
    H. Zhu, P. Koniusz, "Transductive Few-Shot Learning with Prototype-Based Label Propagation by Iterative Graph Refinement",
    CVPR 2023, arXiv 2304.11598.
    """

    scale: float = 10.0
    smoothness: float = 1.0
    learning_rate: float = 0.2
    propagation: float = 0.6
    n_steps: int = 100
    n_axes: int = 40
    power: float = 0.5

    name: ClassVar[str] = "proto_lp"
    traits: ClassVar[Traits] = Traits(transductive=True, assumes_balance=True, single_query=False, classifier=True)

    def __post_init__(self) -> None:
        if not (self.scale > 0 and self.smoothness > 0 and 0 <= self.propagation <= 1 and self.n_axes > 0):
            raise DataError(f"scale, smoothness and n_axes must be above 0 and propagation in 0 … 1, got {self}")

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the balanced assignment to the final prototypes."""
        shares = presumed_shares(class_prior, task)
        x, mask, labelled = all_rows(task)
        preparation = Preparation.fit(x, mask, self.power, n_axes=self.n_axes)
        rows = preparation(x)
        n_support = task.support_x.shape[1]
        support_y, query = task.support_one_hot, rows[:, n_support:]
        tiny = torch.finfo(x.dtype).tiny

        prototypes = normalize(class_means(rows, labelled), dim=-1)
        potential = propagated_potential = None

        for _ in range(self.n_steps):
            scores = -self.scale * squared_distances(query, prototypes)
            potential = column_potentials(scores, task.query_mask, shares, potential, tolerance=TOLERANCE)
            assigned = (scores + potential).softmax(-1) * task.query_weight
            edges = torch.cat([support_y, assigned], 1)
            scores = propagate(edges, support_y, self.smoothness)[:, n_support:].clamp_min(tiny).log()
            propagated_potential = column_potentials(scores, task.query_mask, shares, propagated_potential, tolerance=TOLERANCE)
            propagated = (scores + propagated_potential).softmax(-1) * task.query_weight
            mixed = self.propagation * propagated + (1 - self.propagation) * assigned
            estimate = class_means(rows, torch.cat([support_y, mixed], 1))
            prototypes = prototypes + self.learning_rate * (estimate - prototypes)

        scores = -self.scale * squared_distances(query, prototypes)
        potential = column_potentials(scores, task.query_mask, shares, potential)
        classifier = PreparedClassifier(preparation, BalancedCentroids(prototypes, self.scale, potential))
        return assigned_solution(task, classifier(task.query_x), classifier)


def propagate(
    edges: Float[Tensor, "task row way"], support_y: Float[Tensor, "task support way"], smoothness: float
) -> Float[Tensor, "task row way"]:
    """Steps 2 and 3: labels of the prototypes under their graph, read back through the rows' edges (before balancing).

    The support's rows come first in `edges`, and are `support_y`. The system is a diagonally dominant M-matrix, so that labels are
    never negative.
    """
    mass = edges.sum(1, keepdim=True).clamp_min(torch.finfo(edges.dtype).tiny)
    identity = torch.eye(edges.shape[2], dtype=edges.dtype, device=edges.device)
    among = edges.mT @ (edges / mass)
    gram = support_y.mT @ support_y
    labels: Tensor = torch.linalg.solve(gram + smoothness * (identity - among), gram)
    return edges @ labels
