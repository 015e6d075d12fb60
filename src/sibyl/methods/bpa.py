"""BPA: each row is described by its affinities to all rows of the task, balanced by optimal transport; PT-MAP on top."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.methods.class_mean import assigned_solution
from sibyl.methods.method import Method, Traits
from sibyl.methods.preprocessing import powered
from sibyl.methods.pt_map import PTMAP
from sibyl.methods.task_rows import all_rows, mean_row
from sibyl.tasks import ClassPrior, Solution, Task


def balanced_affinities(
    x: Float[Tensor, "task row dim"],
    mask: Bool[Tensor, "task row"],
    one_hot: Float[Tensor, "task row way"],
    regularisation: float,
    n_rounds: int,
) -> Float[Tensor, "task row row"]:
    """Return the doubly stochastic matrix nearest to ``exp(cos / regularisation)`` without a diagonal, divided by its largest entry.

    Rows of `one_hot` that are not zero are labelled: their affinities to each other are 1 in one class and 0 in two. A row's
    affinity to itself is 1, and padding has none.
    """
    unit = normalize(x, dim=-1)
    pairs = mask[:, None] & mask[:, :, None]
    own = torch.eye(x.shape[1], dtype=torch.bool, device=x.device)
    kernel = (unit @ unit.mT / regularisation).masked_fill(own | ~pairs, -torch.inf)
    kernel = torch.where(mask[:, :, None], kernel, 0.0)  # a padded row needs some finite entry, or its logarithm has no sum
    outside = torch.where(mask, 0.0, -torch.inf).to(x)
    left = right = torch.zeros_like(outside)
    for _ in range(n_rounds):
        left = -(kernel + right[:, None]).logsumexp(2) + outside
        right = torch.where(mask, -(left[:, :, None] + kernel).logsumexp(1), 0.0)
    plan = (left[:, :, None] + kernel + right[:, None]).exp() * pairs
    plan = plan / plan.amax((1, 2), keepdim=True).clamp_min(torch.finfo(x.dtype).tiny)
    labelled = one_hot.sum(-1) > 0
    plan = torch.where(labelled[:, None] & labelled[:, :, None], one_hot @ one_hot.mT, plan)
    return torch.where(own & pairs, 1.0, plan)


@dataclass(frozen=True)
class BPA(Method):
    """PT-MAP on balanced pairwise affinities (Shalam & Korman 2024), without further training of the encoder ("BPA_p").

    **Assumes balanced queries.** Rows are power-transformed and scaled; support and queries are each centred and scaled again, as in
    `PTMAP`. Then, over all n rows of the task, with cosines as ``C = 1 − cos`` and no mass on the diagonal,

        ``W = argmin_W Σ_ij W_ij C_ij − λ H(W)``, row and column sums 1              (Sinkhorn)

    and row i of W, with 1 on the diagonal and known pairs at 0 or 1, is what PT-MAP sees of row i.

    ==========  ================  ===============================
    paper       code              meaning
    ==========  ================  ===============================
    λ           regularisation    weight of the entropy
    W           affinities        transformed features
    ==========  ================  ===============================

    Parameters
    ----------
    regularisation, n_rounds : float, int
        λ = 0.1 and 20 rounds, the released training script's.
    n_steps : int
        Of PT-MAP; 10 in the released code.

    Notes
    -----
    Yields assignments and no classifier: a row's description is its relation to the other rows of the task.

    References
    ----------
    D. Shalam, S. Korman, "The Balanced-Pairwise-Affinities Feature Transform", ICML 2024, arXiv 2407.01467.
    """

    regularisation: float = 0.1
    n_rounds: int = 20
    n_steps: int = 10

    name: ClassVar[str] = "bpa"
    traits: ClassVar[Traits] = Traits(transductive=True, assumes_balance=True, single_query=False)

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with PT-MAP's assignment of the affinities."""
        n_support = task.support_x.shape[1]
        x, mask, one_hot = all_rows(task)
        halves = zip(powered(x, 0.5).tensor_split([n_support], 1), (task.support_mask, task.query_mask), strict=True)
        rows = normalize(torch.cat([half - mean_row(half, own) for half, own in halves], 1), dim=-1)
        affinities = balanced_affinities(rows, mask, one_hot, self.regularisation, self.n_rounds)
        seen = replace(task, support_x=affinities[:, :n_support], query_x=affinities[:, n_support:])
        final = PTMAP(power=1.0, n_steps=self.n_steps, centred=False, unit_length=False).solve(seen, class_prior)
        return assigned_solution(task, final.logits, class_mix=final.class_mix)
