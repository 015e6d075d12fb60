"""PADDLE: k-means with a partial labelling whose class count is penalised by the description length of the assignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.errors import DataError
from sibyl.methods.class_mean import assigned_solution
from sibyl.methods.classifiers import LinearClassifier
from sibyl.methods.method import Method, Traits
from sibyl.methods.row_span import RowSpan
from sibyl.methods.task_rows import all_rows, mean_row
from sibyl.tasks import ClassPrior, Solution, Task, class_shares

SMALL = 1e-6  # the authors' ε inside the logarithm
TOLERANCE = 1e-4  # a task is done when none of its assignments moves by more


@dataclass(frozen=True)
class Paddle(Method):
    """Partially assigned description length (Martin et al. 2022): few classes are used unless the features insist.

    From the class means of the support on, minimise over the queries' assignments u (rows on the simplex) and the means w, with the
    mix ``û_c = Σ_n u_nc / |Q|``,

        ``½ Σ_nc u_nc ‖z_n − w_c‖² + Σ_nc u_nc log u_nc − λ Σ_c û_c log û_c``      (equations 3 to 5)

    by the block updates of Algorithm 1

        ``u_n = softmax_c(−½ ‖z_n − w_c‖² + (λ/|Q|) v_c)``
        ``v_c = log û_c + 1``
        ``w_c = (Σ_S y_nc z_n + Σ_Q u_nc z_n) / (Σ_S y_nc + Σ_Q u_nc)``.

    =======  ============  ==========================================
    paper    code          meaning
    =======  ============  ==========================================
    u        assigned      soft assignment of each query
    v        dual          linearised entropy of the mix
    w        means         class means (as combinations of the rows)
    λ        penalty·|Q|   weight of the mix's entropy
    =======  ============  ==========================================

    Parameters
    ----------
    penalty : float
        λ/|Q|; the paper sets λ = |Q|, so 1.
    temperature : float, optional
        z are rows scaled to length √temperature; 60 was chosen on validation classes of CIFAR-FS, Conv-4. None scales columns by their range over the queries instead, as the paper does: how much distances weigh
        against the penalty then depends on the number of columns, and on those features all queries end in one class.
    n_steps : int
        Most iterations; the authors run 1,000. The iteration ends earlier when the assignments stand still.

    Notes
    -----
    With a `class_prior` the mix is known and v is its logarithm, held fixed.

    References
    ----------
    S. Martin, M. Boudiaf, E. Chouzenoux, J.-C. Pesquet, I. Ben Ayed, "Towards Practical Few-Shot Query Sets: Transductive Minimum
    Description Length Inference", NeurIPS 2022, arXiv 2210.14545.
    """

    penalty: float = 1.0
    temperature: float | None = 60.0
    n_steps: int = 1000

    name: ClassVar[str] = "paddle"
    traits: ClassVar[Traits] = Traits(transductive=True, classifier=True)

    def __post_init__(self) -> None:
        if not self.penalty >= 0 or self.n_steps < 1:
            raise DataError(f"penalty must be at least 0 and n_steps at least 1, got {self.penalty} and {self.n_steps}")
        if self.temperature is not None and not self.temperature > 0:
            raise DataError(f"temperature must be above 0, or None for the paper's scaling by range; got {self.temperature}")

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the scores of the final means and mix."""
        x, mask, labelled = all_rows(task)
        rows = x if self.temperature is None else normalize(x, dim=-1)
        scale = query_range(task).reciprocal() if self.temperature is None else x.new_full((1, 1, 1), self.temperature**0.5)
        # Distances do not depend on the origin; products of centred rows lose fewer digits.
        origin = mean_row(rows, mask)
        span = RowSpan.of((rows - origin) * scale)
        n_support, n_query = task.support_x.shape[1], task.query_weight.sum(1).clamp_min(1)
        shares = class_shares(class_prior, task)
        tiny = torch.finfo(x.dtype).tiny

        weight = labelled
        assigned = torch.zeros_like(labelled[:, n_support:])
        dual = labelled.new_zeros(task.n_tasks, task.n_way)
        if shares is not None:
            dual = dual + shares.clamp_min(SMALL).log()
        moving = torch.ones_like(task.query_mask[:, :1, None])
        for _ in range(self.n_steps):
            products, squared = span.products(weight / weight.sum(1, keepdim=True).clamp_min(tiny))
            update = (products - squared / 2 + self.penalty * dual[:, None])[:, n_support:].softmax(-1) * task.query_weight
            # A task that stands still is left as it is, so that its answer does not depend on the others of the batch.
            change = (update - assigned).abs().amax((1, 2), keepdim=True)
            assigned = torch.where(moving, update, assigned)
            moving = moving & (change > TOLERANCE)
            if shares is None:
                dual = (assigned.sum(1) / n_query + SMALL).log() + 1
            weight = torch.cat([labelled[:, :n_support], assigned], 1)
            if not bool(moving.any()):
                break

        means = span.vectors(weight / weight.sum(1, keepdim=True).clamp_min(tiny))
        # −½‖z − w‖² without the part that all classes share is linear in z, and the columns' scale goes into the weights.
        weights = means * scale
        offset = means.square().sum(-1) / 2 + (weights @ origin.mT)[..., 0]
        classifier = LinearClassifier(weights, self.penalty * dual - offset, normalised=self.temperature is not None)
        return assigned_solution(task, classifier(task.query_x), classifier)


def query_range(task: Task) -> Float[Tensor, "task 1 dim"]:
    """Range of each column over the real queries; 1 where it is zero."""
    padding = ~task.query_mask[..., None]
    highest = task.query_x.masked_fill(padding, -torch.inf).amax(1, keepdim=True)
    lowest = task.query_x.masked_fill(padding, torch.inf).amin(1, keepdim=True)
    spread = highest - lowest
    return torch.where(spread > 0, spread, 1.0)
