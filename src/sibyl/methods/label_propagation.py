"""Label propagation: labelled rows pass their class along a similarity graph until nothing changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import normalize

from sibyl.errors import DataError
from sibyl.methods.class_mean import assigned_solution
from sibyl.methods.gaussian_graph import class_mass_normalised, first_bridge, pairwise_squared_distances
from sibyl.methods.method import Method, Traits
from sibyl.methods.solutions import query_mix
from sibyl.methods.task_rows import all_rows
from sibyl.tasks import ClassPrior, Solution, Task, class_shares

LEAK = 1e-9  # share of each step's mass that comes from all classes alike: decides rows that no label reaches
FLOOR = 1e-9  # least probability; below it rounding in the solver would decide the logits


@dataclass(frozen=True)
class LabelPropagation(Method):
    """The fixed point of propagating labels and clamping the labelled rows (Zhu & Ghahramani 2002).

    On L2-normalised rows, with

        ``w_ij = exp(−‖x_i − x_j‖² / σ²)``                              (equation 1)
        ``T_ij = w_ij / Σ_k w_kj``, then ``T̄_ij = T_ij / Σ_k T_ik``     (equation 2, section 2.2)
        ``f_U = (I − T̄_UU)⁻¹ T̄_UL Y_L``                                (equation 5)

    Self-loops are left out. The width follows the paper's rule σ = d⁰ / 3, where d⁰ is the first edge that joins two classes as
    the minimum spanning tree grows (section 2.3). Columns of f_U are then rescaled so that each class has its share of the queries (class
    mass normalisation, section 2.4): the share that `class_prior` states, else the same for all: **assumes balanced queries**.

    ==========  ============  ======================================
    paper       code          meaning
    ==========  ============  ======================================
    σ           sigma         width of the affinity
    T̄           transition    normalised transition matrix
    f_U         spread        class probabilities of the queries
    ==========  ============  ======================================

    Parameters
    ----------
    sigma : float, optional
        Width of the affinity on rows of unit length; None takes the paper's rule.
    class_mass : bool
        Rescale columns where no `class_prior` is given too. Without it the class whose label is best connected takes most queries.

    Notes
    -----
    Yields assignments and no classifier: new rows are to be solved together with the others. Class mass says nothing about one query:
    `single_query` is not declared.

    References
    ----------
    X. Zhu, Z. Ghahramani, "Learning from Labeled and Unlabeled Data with Label Propagation", CMU-CALD-02-107, 2002.
    X. Zhu, Z. Ghahramani, J. Lafferty, "Semi-Supervised Learning Using Gaussian Fields and Harmonic Functions", ICML 2003.
    """

    sigma: float | None = None
    class_mass: bool = True

    name: ClassVar[str] = "label_propagation"
    traits: ClassVar[Traits] = Traits(transductive=True, assumes_balance=True, single_query=False)

    def __post_init__(self) -> None:
        if self.sigma is not None and not self.sigma > 0:
            raise DataError(f"sigma must be a width above 0, or None for the paper's rule; got {self.sigma}")

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the harmonic solution."""
        x, mask, one_hot = all_rows(task)
        n_support = task.support_x.shape[1]
        squared = pairwise_squared_distances(normalize(x, dim=-1), mask)
        width = first_bridge(squared, one_hot) / 9 if self.sigma is None else squared.new_tensor([self.sigma**2])
        log_affinity = -squared / width.clamp_min(torch.finfo(squared.dtype).tiny)[:, None, None]
        # nan_to_num: a padding row has no edge at all, so that its softmax is 0 / 0.
        log_transition = log_affinity.log_softmax(1).nan_to_num(nan=-torch.inf)
        transition = log_transition.softmax(2).nan_to_num(nan=0.0)

        among, from_labels = transition[:, n_support:, n_support:], transition[:, n_support:, :n_support]
        system = (1 + LEAK) * torch.eye(among.shape[1], dtype=among.dtype, device=among.device) - among
        spread = torch.linalg.solve(system, from_labels @ one_hot[:, :n_support].double() + LEAK / task.n_way).clamp_min(0)
        shares = class_shares("balanced" if class_prior is None and self.class_mass else class_prior, task)
        spread = class_mass_normalised(spread, task, shares).to(task.query_x.dtype)

        return assigned_solution(task, spread.clamp_min(FLOOR).log(), class_mix=query_mix(task, spread))
