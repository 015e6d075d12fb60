"""PT-MAP: power-transformed features, and class means that alternate with a balanced assignment of the queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.methods.classifiers import CentroidClassifier, class_means
from sibyl.methods.method import Method, Traits
from sibyl.methods.preprocessing import powered
from sibyl.methods.row_span import RowSpan
from sibyl.methods.sinkhorn import column_potentials
from sibyl.methods.solutions import presumed_shares, query_mix
from sibyl.tasks import ClassPrior, Solution, Task


@dataclass(frozen=True, eq=False)
class PTMAPClassifier:
    """``−λ ‖x' − μ_c‖² + v_c`` where x' is x after power transform, centring on the queries' mean, and scaling to unit length.

    v are the potentials of the last balanced assignment, so that the softmax is that assignment on the queries themselves.

    Parameters
    ----------
    centroids : CentroidClassifier
        Means μ and the origin.
    potential : float [task, 1, way]
    power : float
        Of the power transform; 1 leaves features as they are.
    unit_length : bool
        Scale rows to unit length after the power transform.
    """

    centroids: CentroidClassifier
    potential: Float[Tensor, "task 1 way"]
    power: float
    unit_length: bool

    def __call__(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row way"]:
        """Return the logits of rows of features."""
        return self.centroids(powered(x, self.power, self.unit_length)) + self.potential


@dataclass(frozen=True)
class PTMAP(Method):
    """Power transform and maximum a posteriori (Hu, Gripon & Pateux 2021).

    **Assumes balanced queries.** Features are power-transformed and scaled to unit length; support and queries are each centred on their own mean and scaled
    again. From the class means of the support on, repeat

        ``P = argmax_P Σ_ic P_ic (−λ ‖x_i − μ_c‖²) + H(P)``, row sums 1, column sums π_c |Q|   (equation 3, Sinkhorn)
        ``μ_c ← μ_c + α ( (Σ_S y_ic x_i + Σ_Q P_ic x_i) / (Σ_S y_ic + Σ_Q P_ic) − μ_c )``   (equation 6)

    with π uniform unless the caller knows the class shares. The answer is the assignment of a last balancing, which the final means
    and column potentials give for any row: the classifier.

    ========  =================  ===========================================
    paper     code               meaning
    ========  =================  ===========================================
    β         power              exponent of the power transform
    λ         regularisation     inverse width of a class
    α         learning_rate      share of the new estimate in each step
    n_steps   n_steps            steps
    ========  =================  ===========================================

    Parameters
    ----------
    power, regularisation, learning_rate, n_steps
        β = 0.5, λ = 10, α = 0.2 and 20 steps, as in the authors' released code.
    centred : bool
        Centre support and queries on their means; the first half of the published preprocessing without it.
    unit_length : bool
        Scale to unit length after the power transform. Peers that leave both out are matched by switching both off.

    Notes
    -----
    One query centred on itself is zero, and balance leaves nothing to say about it: `single_query` is not declared.

    References
    ----------
    Y. Hu, V. Gripon, S. Pateux, "Leveraging the Feature Distribution in Transfer-based Few-Shot Learning", ICANN 2021,
    arXiv 2006.03806.
    """

    power: float = 0.5
    regularisation: float = 10.0
    learning_rate: float = 0.2
    n_steps: int = 20
    centred: bool = True
    unit_length: bool = True

    name: ClassVar[str] = "pt_map"
    traits: ClassVar[Traits] = Traits(transductive=True, assumes_balance=True, single_query=False, classifier=True)

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the balanced assignment."""
        shares = presumed_shares(class_prior, task)
        n_support, y, shots, real = task.support_x.shape[1], task.support_one_hot, task.n_shots[:, None], task.query_weight
        # One tensor through all steps of the preprocessing: fresh memory costs more than the arithmetic.
        rows = powered(torch.cat([task.support_x, task.query_x], 1), self.power, self.unit_length)
        support, query = rows[:, :n_support], rows[:, n_support:]
        inductive = CentroidClassifier(class_means(support, y), self.regularisation)(query)

        origin = None
        if self.centred:
            labelled = task.support_mask[..., None].to(real)
            origin = real.mT @ query / real.sum(1, keepdim=True).clamp_min(1)
            support -= labelled.mT @ support / labelled.sum(1, keepdim=True)
            query -= origin
            rows /= torch.linalg.vector_norm(rows, dim=-1, keepdim=True).clamp_min(1e-12)

        span = RowSpan.of(rows)
        # Inside the loop the rows lie along the last axis: [task, way, row] (see RowSpan).
        y_by_class, smallest = y.mT.contiguous(), torch.finfo(y.dtype).tiny
        combination = torch.cat([y_by_class / shots.mT.clamp_min(1), y.new_zeros(task.n_tasks, task.n_way, query.shape[1])], 2)
        scores, potential = self._balance(span, combination, n_support, task, shares, None)
        for _ in range(self.n_steps):
            weight = torch.cat([y_by_class, (scores + potential).softmax(1) * real.mT], 2)
            estimate = weight / weight.sum(2, keepdim=True).clamp_min(smallest)
            combination = combination.lerp(estimate, self.learning_rate)
            scores, potential = self._balance(span, combination, n_support, task, shares, potential)

        means = CentroidClassifier(span.vectors(combination.mT), self.regularisation, origin, normalised=self.centred)
        classifier = PTMAPClassifier(means, potential.mT, self.power, self.unit_length)
        # What the classifier says of the queries, from the products at hand.
        logits = (scores + potential).mT - self.regularisation * torch.linalg.vector_norm(query, dim=-1, keepdim=True).square()
        return Solution(logits, inductive, classifier, query_mix(task, logits.softmax(-1)))

    def _balance(
        self,
        span: RowSpan,
        combination: Float[Tensor, "task way row"],
        n_support: int,
        task: Task,
        shares: Float[Tensor, "#task way"],
        start: Float[Tensor, "task way 1"] | None,
    ) -> tuple[Float[Tensor, "task way query"], Float[Tensor, "task way 1"]]:
        """Return the queries' scores under the current means, and the potentials that balance them."""
        products, squared = (part.mT for part in span.products(combination.mT))
        scores = self.regularisation * (2 * products[:, :, n_support:] - squared)
        return scores, column_potentials(scores.mT, task.query_mask, shares, None if start is None else start.mT).mT
