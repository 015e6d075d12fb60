"""iLPC: propagate labels, balance them, and let only the cleanest join the labelled rows, round after round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from sibyl.errors import DataError
from sibyl.methods.class_mean import assigned_solution
from sibyl.methods.knn_graph import nearest_neighbours
from sibyl.methods.method import Method, Traits
from sibyl.methods.preprocessing import Preparation
from sibyl.methods.sinkhorn import column_potentials
from sibyl.methods.solutions import presumed_shares
from sibyl.methods.task_rows import all_rows
from sibyl.tasks import ClassPrior, Solution, Task

FLOOR = 1e-9  # least propagated probability, so that logarithms stay finite
TASKS_AT_ONCE = 32  # whose Gram matrices fit a processor's cache together while the small classifier trains


@dataclass(frozen=True)
class ILPC(Method):
    """Iterative label cleaning (Lazarou, Stathaki & Avrithis 2021), which **assumes balanced queries**.

    Rows are power-transformed, scaled to unit length, centred and scaled again. Until every query has a label:

        1. ``W_ij = max(x_i·x_j, 0)³`` for the k nearest j of i, ``W ← W + Wᵀ``, ``S = D^{−½} W D^{−½}``       (equations 2 and 3)
        2. ``Z = (I − α S)⁻¹ Y`` with Y the labels so far, rows scaled to sum one                              (equations 4 and 5)
        3. P: ``Z^τ`` of the unlabelled rows, balanced to row sums 1 and to the queries each class still lacks (section 3.3)
        4. pseudo-labels ``argmax_c P_ic``; a linear classifier, imprinted with the labelled rows' class means, is trained on all
           rows; the rows of least mean loss over that training are the cleanest                              (section 3.4)
        5. the cleanest three of each class keep their pseudo-labels and count as labelled from now on

    When a round finds fewer rows than there are classes, the rest keeps the pseudo-labels of that round.

    =======  ===============  ===============================================
    paper    code             meaning
    =======  ===============  ===============================================
    k, γ     n_neighbours, 3  neighbours and exponent of the graph
    α        alpha            share taken from the neighbours
    τ        sharpness        power before balancing
    =======  ===============  ===============================================

    Parameters
    ----------
    n_neighbours, alpha, sharpness, n_cleanest : int, float, float, int
        k = 15, which the authors have for ResNet-12 at one shot (released default: 20), α = 0.8, τ = 3, three rows per class and round.
    n_training_steps, learning_rate, momentum, weight_decay
        Training in step 4: 1,000 steps of SGD at 0.1, 0.9, 5·10⁻⁴, as released. The bias starts at 0 instead of a random draw.
    power : float
        Of the power transform.

    Notes
    -----
    The classifier of step 4 stays in the span of the rows, so that it is trained on their Gram matrix: the same steps, cheaper. The
    logits of a query are ``log P`` of the round that labelled it. Yields assignments and no classifier. One query says nothing under
    balance: `single_query` is not declared.

    References
    ----------
    M. Lazarou, T. Stathaki, Y. Avrithis, "Iterative Label Cleaning for Transductive and Semi-Supervised Few-Shot Learning",
    ICCV 2021, arXiv 2012.07962.
    """

    n_neighbours: int = 15
    alpha: float = 0.8
    sharpness: float = 3.0
    n_cleanest: int = 3
    n_training_steps: int = 1000
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    power: float = 0.5

    name: ClassVar[str] = "ilpc"
    traits: ClassVar[Traits] = Traits(transductive=True, assumes_balance=True, single_query=False)

    def __post_init__(self) -> None:
        if not (0 < self.alpha < 1 and self.n_neighbours > 0 and self.n_cleanest > 0 and self.n_training_steps > 0):
            raise DataError(f"alpha must lie in 0 … 1 and the counts above 0, got {self}")

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the pseudo-labels' probabilities."""
        shares = presumed_shares(class_prior, task)
        x, mask, labels = all_rows(task)
        n_support = task.support_x.shape[1]
        rows = Preparation.fit(x, mask, self.power)(x) * mask[..., None]
        gram = rows @ rows.mT
        diffusion = self._diffusion(rows, mask)
        is_query = mask & (torch.arange(x.shape[1], device=x.device) >= n_support)
        lacking = shares * task.query_weight.sum(1)  # queries that each class has still to get

        unlabelled, answer = is_query, torch.zeros_like(labels)
        while bool(unlabelled.any()):
            probability = self._balanced(diffusion @ labels, unlabelled, is_query, lacking, shares)
            answer = torch.where(unlabelled[..., None], probability, answer)
            pseudo = torch.where(unlabelled[..., None], one_hot(probability.argmax(-1), task.n_way).to(labels), labels)
            loss = self._mean_losses(gram, labels, pseudo, mask)
            chosen = cleanest(loss, pseudo.argmax(-1), unlabelled, task.n_way, self.n_cleanest)
            # A round that finds fewer rows than classes is the task's last.
            chosen = torch.where((chosen.sum(1) < task.n_way)[:, None], unlabelled, chosen)
            newly = pseudo * chosen[..., None]
            labels, unlabelled = labels + newly, unlabelled & ~chosen
            lacking = (lacking - newly.sum(1)).clamp_min(0)

        logits = answer[:, n_support:].clamp_min(FLOOR).log()
        return assigned_solution(task, logits)

    def _diffusion(self, rows: Float[Tensor, "task row dim"], mask: Bool[Tensor, "task row"]) -> Float[Tensor, "task row row"]:
        """``(I − α S)⁻¹`` of the symmetric nearest-neighbour graph; it stays the same over the rounds."""
        index, squared = nearest_neighbours(rows, mask, self.n_neighbours)
        # Rows have unit length: x_i · x_j = 1 − ½ ‖x_i − x_j‖².
        edges = (1 - squared / 2).clamp_min(0).pow(3) * mask[..., None]
        weight = rows.new_zeros(*mask.shape, mask.shape[1]).scatter(2, index, edges)
        weight = weight + weight.mT
        degree = weight.sum(2)
        scale = torch.where(degree > 0, degree, 1.0).rsqrt()
        smoother = scale[:, None] * weight * scale[..., None]
        diffusion: Tensor = torch.linalg.inv(torch.eye(mask.shape[1], dtype=rows.dtype, device=rows.device) - self.alpha * smoother)
        return diffusion

    def _balanced(
        self,
        spread: Float[Tensor, "task row way"],
        unlabelled: Bool[Tensor, "task row"],
        is_query: Bool[Tensor, "task row"],
        lacking: Float[Tensor, "#task way"],
        shares: Float[Tensor, "#task way"],
    ) -> Float[Tensor, "task row way"]:
        """Step 3. Tasks that have no unlabelled row left are balanced over all their queries, which nobody reads."""
        done = ~unlabelled.any(1, keepdim=True)
        total = lacking.sum(1, keepdim=True)
        wanted = torch.where(done | (total <= 0), shares, lacking / total.clamp_min(torch.finfo(lacking.dtype).tiny))
        spread = spread.clamp_min(0)
        scores = self.sharpness * (spread / spread.sum(-1, keepdim=True).clamp_min(FLOOR)).clamp_min(FLOOR).log()
        return (scores + column_potentials(scores, torch.where(done, is_query, unlabelled), wanted)).softmax(-1)

    def _mean_losses(
        self,
        gram: Float[Tensor, "task row row"],
        labels: Float[Tensor, "task row way"],
        pseudo: Float[Tensor, "task row way"],
        mask: Bool[Tensor, "task row"],
    ) -> Float[Tensor, "task row"]:
        pieces = zip(*(tensor.split(TASKS_AT_ONCE) for tensor in (gram, labels, pseudo, mask)), strict=True)
        return torch.cat([self._train(*piece) for piece in pieces])

    def _train(
        self,
        gram: Float[Tensor, "task row row"],
        labels: Float[Tensor, "task row way"],
        pseudo: Float[Tensor, "task row way"],
        mask: Bool[Tensor, "task row"],
    ) -> Float[Tensor, "task row"]:
        """Step 4: train ``w_c = Σ_i a_ci x_i`` and a bias on the pseudo-labels, and return each row's loss averaged over the steps.

        Classes come before rows here: softmax is many times faster across the long axis than along the short one.
        """
        by_class, target = labels.mT.contiguous(), pseudo.mT.contiguous()
        length = (by_class * (by_class @ gram)).sum(2, keepdim=True).clamp_min(FLOOR).sqrt()
        weight, bias = by_class / length, torch.zeros_like(length)  # imprinted: unit class means of the labelled rows
        weight_speed, bias_speed = torch.zeros_like(weight), torch.zeros_like(bias)
        per_row = (mask / mask.sum(1, keepdim=True))[:, None].to(gram)
        target_per_row = target * per_row
        total = torch.zeros_like(weight)
        for _ in range(self.n_training_steps):
            log_probability = torch.baddbmm(bias, weight, gram).log_softmax(1)
            total += log_probability
            error = torch.addcmul(target_per_row, log_probability.exp_(), per_row, value=-1.0)  # minus the gradient
            weight_speed = weight_speed.mul_(self.momentum).sub_(error).add_(weight, alpha=self.weight_decay)
            bias_speed = bias_speed.mul_(self.momentum).sub_(error.sum(2, keepdim=True)).add_(bias, alpha=self.weight_decay)
            weight, bias = weight.sub_(weight_speed, alpha=self.learning_rate), bias.sub_(bias_speed, alpha=self.learning_rate)
        return -(total * target).sum(1) / self.n_training_steps


def cleanest(
    loss: Float[Tensor, "task row"],
    label: Int[Tensor, "task row"],
    eligible: Bool[Tensor, "task row"],
    n_way: int,
    n_best: int,
) -> Bool[Tensor, "task row"]:
    """Mark, for each class, the `n_best` eligible rows of least loss."""
    member = eligible[..., None] & (label[..., None] == torch.arange(n_way, device=label.device))
    rank = torch.where(member, loss[..., None], torch.inf).argsort(dim=1, stable=True).argsort(dim=1)
    return (member & (rank < n_best)).any(-1)
