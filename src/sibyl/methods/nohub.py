"""noHub: rows placed anew on a sphere, spread out evenly but near to those they were near to; then any method of the package."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.errors import DataError
from sibyl.methods.class_mean import ClassMean, assigned_solution
from sibyl.methods.method import Method, Traits
from sibyl.methods.preprocessing import leading_axes
from sibyl.methods.simple_shot import SimpleShot
from sibyl.methods.task_rows import all_rows, mean_row
from sibyl.methods.tim import TIM
from sibyl.tasks import ClassPrior, Solution, Task

SEARCHES = 20  # halvings and doublings of a row's width, as in the released code
CLOSE = 1e-2  # of the wanted entropy
MOST = 0.6  # of a task's rows that one is near to: 5-way tasks of 15 queries keep the published 45
FAR = -1e9  # similarity of two labelled rows of one class in the even spread: they need no room between them
FOLLOWED_BY: dict[str, type[Method]] = {"class_mean": ClassMean, "simple_shot": SimpleShot, "tim": TIM}


@dataclass(frozen=True)
class NoHub(Method):
    """noHub-S as a preprocessing (Trosten et al. 2023), here before TIM.

    From the principal components of the rows on the unit sphere, Adam minimises over the new rows z, scaled to unit length each step,

        ``−w κ Σ_ij p_ij z_i·z_j + (1 − w) log Σ_ij exp(κ s_ij)``

    where ``p_{j|i} ∝ exp(β_i cos(x_i, x_j))`` has the wanted perplexity in each row and p is its symmetric mean. With `labels`
    (noHub-S) labelled rows of one class have cosine 1 and those of two have −1 in p; in the even spread s_ij = z_i·z_j leaves the
    first out and counts the second ``exaggeration`` times.

    ===========  =============  ====================================
    paper        code           meaning
    ===========  =============  ====================================
    κ            kappa          concentration on the sphere
    α            weight, w      weight of staying near
    P            perplexity     neighbours each row stays near to
    ε            exaggeration   how strongly two classes push apart
    ===========  =============  ====================================

    Parameters
    ----------
    then : "tim", "class_mean" or "simple_shot"
        What answers on the new rows.
    labels : bool
        noHub-S; off, noHub, which does not look at the labels.
    kappa, perplexity, weight, exaggeration, n_dims
        0.5, 45, 0.3, 8 and 400, the released settings of noHub-S at one shot on mini-ImageNet.
    n_steps, learning_rate
        150 steps of Adam at 0.1, the released code's for noHub-S (50 for noHub).

    Notes
    -----
    The authors' components are those of the training classes; here they are the task's own. Yields no classifier: new rows
    join the queries of a new call.

    References
    ----------
    D. Trosten et al., "Hubs and Hyperspheres: Reducing Hubness and Improving Transductive Few-shot Learning with Hyperspherical
    Embeddings", CVPR 2023, arXiv 2303.09352.
    """

    then: str = "tim"
    labels: bool = True
    kappa: float = 0.5
    perplexity: float = 45.0
    weight: float = 0.3
    exaggeration: float = 8.0
    n_dims: int = 400
    n_steps: int = 150
    learning_rate: float = 0.1

    name: ClassVar[str] = "nohub"
    traits: ClassVar[Traits] = Traits(transductive=True, assumes_balance=True, single_query=False)

    def __post_init__(self) -> None:
        if self.then not in FOLLOWED_BY:
            raise DataError(f"then of nohub must be one of {', '.join(FOLLOWED_BY)}, got {self.then!r}")

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer as the method that follows does on the new rows."""
        n_support = task.support_x.shape[1]
        x, mask, one_hot = all_rows(task)
        placed = self.place(x, mask, one_hot if self.labels else torch.zeros_like(one_hot))
        seen = replace(task, support_x=placed[:, :n_support], query_x=placed[:, n_support:])
        final = FOLLOWED_BY[self.then]().solve(seen, class_prior)
        return assigned_solution(task, final.logits, class_mix=final.class_mix)

    def place(
        self, x: Float[Tensor, "task row dim"], mask: Bool[Tensor, "task row"], one_hot: Float[Tensor, "task row way"]
    ) -> Float[Tensor, "task row column"]:
        """Return the new rows, of unit length; those of `one_hot` that are not zero are labelled."""
        labelled = one_hot.sum(-1) > 0
        known = labelled[:, None] & labelled[:, :, None]
        same = (one_hot @ one_hot.mT > 0) & known
        pairs = mask[:, None] & mask[:, :, None]
        unit = normalize(x, dim=-1)
        cosine = torch.where(known, torch.where(same, 1.0, -1.0).to(x), unit @ unit.mT)
        near = near_probabilities(cosine, mask, self.perplexity)
        strength = torch.where(known & ~same, self.exaggeration, 1.0).to(x)
        apart = torch.where(same, FAR, 0.0).to(x).masked_fill(~pairs, -torch.inf)

        # The components are of centred rows; like the authors, they are applied to the rows as they are.
        real = mask[..., None].to(x)
        centred = (x - mean_row(x, mask)) * real
        axes = leading_axes(centred, min(self.n_dims, x.shape[1], x.shape[2])).flip(-1)
        z = normalize(x @ axes, dim=-1) * real
        mean, square = torch.zeros_like(z), torch.zeros_like(z)
        for step in range(1, self.n_steps + 1):
            even = (self.kappa * strength * (z @ z.mT) + apart).flatten(1).softmax(1).reshape(pairs.shape)
            pull = (1 - self.weight) * even * strength - self.weight * near
            slope = 2 * self.kappa * (pull @ z)
            mean.lerp_(slope, 0.1)
            square.mul_(0.999).addcmul_(slope, slope, value=0.001)
            correction = (1 - 0.999**step) ** 0.5
            moved = z.addcdiv(mean, square.sqrt() + 1e-8 * correction, value=-self.learning_rate * correction / (1 - 0.9**step))
            z = normalize(moved, dim=-1) * real
        return z


def near_probabilities(
    cosine: Float[Tensor, "task row row"], mask: Bool[Tensor, "task row"], perplexity: float
) -> Float[Tensor, "task row row"]:
    """Symmetric probabilities of pairs, each row's own of entropy ``log perplexity``; zero for padding.

    Of few rows the perplexity is at most `MOST` of their number: a row near to all others alike says nothing. A row is taken for as
    far from itself as can be (cosine −1), as in the released code.
    """
    own = torch.eye(cosine.shape[1], dtype=torch.bool, device=cosine.device)
    scores = cosine.masked_fill(own, -1.0).masked_fill(~mask[:, None], -torch.inf)
    wanted = (MOST * mask.sum(1)).clamp(2, perplexity).to(cosine)[:, None, None].log()
    beta = torch.ones_like(cosine[..., :1])
    lowest, highest = torch.full_like(beta, torch.nan), torch.full_like(beta, torch.nan)
    for _ in range(SEARCHES):
        log_p = (beta * scores).log_softmax(-1)
        excess = -(log_p.exp() * log_p.clamp_min(-1e9)).sum(-1, keepdim=True) - wanted
        wide, narrow = excess > CLOSE * wanted, excess < -CLOSE * wanted
        lowest, highest = torch.where(wide, beta, lowest), torch.where(narrow, beta, highest)
        sharper = torch.where(highest.isnan(), 2 * beta, (beta + highest) / 2)
        flatter = torch.where(lowest.isnan(), beta / 2, (beta + lowest) / 2)
        beta = torch.where(wide, sharper, torch.where(narrow, flatter, beta))
    p = (beta * scores).softmax(-1) * mask[..., None]
    p = p + p.mT
    return p / p.sum((1, 2), keepdim=True)
