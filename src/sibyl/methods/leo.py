"""LEO: a few gradient steps in a small latent space that generates the classifier, then a few on the classifier itself."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import dropout, normalize

from sibyl.methods.classifiers import LinearClassifier, class_means
from sibyl.methods.method import LearnedMethod, Objective, Traits
from sibyl.methods.query_objective import check_shape, cross_entropy_objective
from sibyl.methods.solutions import inductive_solution
from sibyl.tasks import ClassPrior, Episode, Solution, Task

# Bounds that the official code lacks; it discards steps that end in NaN instead. Below the first the KL term's slope explodes, above
# the second one inner step can throw the widths out of range.
SMALLEST_WIDTH = 1e-3
LARGEST_LOG_WIDTH = 1.0


class LEO(LearnedMethod):
    """Latent Embedding Optimisation (Rusu et al., ICLR 2019, arXiv 1807.05960), made for frozen features.

    ``z_c ~ N(μ^e_c, σ^e_c)``, the mean over the class's items of a relation network on pairs; ``w_c ~ N(z_c A, σ^d(z_c))``;
    ``z ← z − α ⊙ ∇_z L_support(w(z))``, then ``w ← w − ω ⊙ ∇_w L_support(w)``; ``logits = x wᵀ``. When solving, every draw is its mean.
    Loss: ``L_query + β KL(q(z) ‖ N(0, 1)) + γ ‖sg(z') − z‖² + R``, with R the weight and orthogonality penalties.

    ============== ============================ =====================================
    symbol         here                         published, mini-ImageNet 1-shot
    ============== ============================ =====================================
    dimension of z `n_latent`                   64
    steps in z, w  `n_latent_steps`, `n_steps`  5, 5
    α, ω           `latent_rate`, `rate`        learned per entry, from 1 and 0.001
    β              `kl_weight`                  0.001
    γ              `encoder_weight`             1e-9
    λ₁             `decay_weight`               1e-4
    λ₂             `orthogonality_weight`       303
    dropout        `dropout`                    0.3
    ============== ============================ =====================================

    Two simplifications: one z per class, where the code has a copy per shot with noise of its own, and the exact KL term where the
    code takes it at the drawn z. The inner gradients are in closed form; the outer one runs through them. The paper's tuning is random
    search per data set; at five shots it found β 0.001, γ 2.66e-7, λ₁ 8.5e-6, λ₂ 0.00152.

    Parameters
    ----------
    dim : int
        Columns of the features.
    n_latent, n_latent_steps, n_steps, kl_weight, encoder_weight, decay_weight, orthogonality_weight, dropout
        As in the table.
    """

    name: ClassVar[str] = "leo"
    traits: ClassVar[Traits] = Traits(transductive=False, classifier=True)

    def __init__(
        self,
        dim: int,
        n_latent: int = 64,
        n_latent_steps: int = 5,
        n_steps: int = 5,
        kl_weight: float = 1e-3,
        encoder_weight: float = 1e-9,
        decay_weight: float = 1e-4,
        orthogonality_weight: float = 303.0,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.settings = {
            "dim": dim, "n_latent": n_latent, "n_latent_steps": n_latent_steps, "n_steps": n_steps, "kl_weight": kl_weight,
            "encoder_weight": encoder_weight, "decay_weight": decay_weight, "orthogonality_weight": orthogonality_weight,
            "dropout": dropout,
        }  # fmt: skip
        self.dim, self.n_latent_steps, self.n_steps = dim, n_latent_steps, n_steps
        self.kl_weight, self.encoder_weight = kl_weight, encoder_weight
        self.decay_weight, self.orthogonality_weight, self.dropout = decay_weight, orthogonality_weight, dropout
        wide = 2 * n_latent
        self.encode = nn.Linear(dim, n_latent, bias=False)
        self.left, self.right = nn.Linear(n_latent, wide, bias=False), nn.Linear(n_latent, wide, bias=False)
        self.relate = nn.Sequential(nn.ReLU(), nn.Linear(wide, wide, bias=False), nn.ReLU(), nn.Linear(wide, wide, bias=False))
        self.decode = nn.Linear(n_latent, 2 * dim, bias=False)
        for layer in self.maps:
            nn.init.xavier_uniform_(layer.weight)
        self.latent_rate = nn.Parameter(torch.ones(n_latent))
        self.rate = nn.Parameter(torch.full((dim,), 0.001))

    @property
    def maps(self) -> list[nn.Linear]:
        """All linear maps."""
        return [module for module in self.modules() if isinstance(module, nn.Linear)]

    def latent(self, task: Task, x: Float[Tensor, "task support dim"]) -> tuple[Tensor, Tensor]:
        """Return mean and width of q(z), each [task, way, latent]."""
        code = self.encode(x)
        real = task.support_mask.to(x)
        pairs = self.relate(self.left(code)[:, :, None] + self.right(code)[:, None])
        related = (pairs * real[:, None, :, None]).sum(2) / real.sum(1).clamp_min(1)[:, None, None]
        mean, log_width = class_means(related, task.support_one_hot).chunk(2, -1)
        return mean, (log_width.clamp_max(LARGEST_LOG_WIDTH).exp() - 1).clamp_min(SMALLEST_WIDTH)

    def adapt(self, task: Task, noisy: bool) -> tuple[LinearClassifier, dict[str, Tensor]]:
        """Return the adapted classifier, and the terms β KL and γ ‖sg(z') − z‖² of the loss before their factors.

        Parameters
        ----------
        task : Task
            A batch of tasks.
        noisy : bool
            Draw z and w, and drop features, from torch's generator; otherwise take means and drop nothing.
        """
        check_shape(self.name, task, self.dim)
        one_hot = task.support_one_hot
        # Official gradients sum over the items of one shot: mean times number of classes.
        share = one_hot.sum(-1, keepdim=True) * (task.n_way / one_hot.sum((1, 2)).clamp_min(1)[:, None, None])
        rows = normalize(task.support_x, dim=-1)

        def seen() -> Tensor:
            return dropout(rows, self.dropout) if noisy else rows

        def slope(weight: Tensor) -> Tensor:
            x = seen()
            return (((x @ weight.mT).softmax(-1) - one_hot) * share).mT @ x

        mean, width = self.latent(task, seen())
        start = mean + width * torch.randn_like(width) if noisy else mean
        of_mean, of_width = self.decode.weight.split(self.dim)
        least_width = (2 / (self.dim + task.n_way)) ** 0.5

        def generate(z: Tensor) -> tuple[Tensor, Tensor]:
            """Return w(z), and ∂w/∂(z σ-map): what multiplies the second half of the decoder in the chain rule."""
            weight = z @ of_mean.mT
            if not noisy:
                return weight, torch.zeros_like(weight)
            log_width = z @ of_width.mT
            grown = log_width.clamp_max(LARGEST_LOG_WIDTH).exp()
            width = (grown - (1 - least_width)).clamp_min(SMALLEST_WIDTH)
            noise = torch.randn_like(width)
            return weight + width * noise, noise * grown * ((width > SMALLEST_WIDTH) & (log_width < LARGEST_LOG_WIDTH))

        z = start
        weight, through_width = generate(z)
        for _ in range(self.n_latent_steps):
            gradient = slope(weight)
            z = z - self.latent_rate * (gradient @ of_mean + (gradient * through_width) @ of_width)
            weight, through_width = generate(z)
        for _ in range(self.n_steps):
            weight = weight - self.rate * slope(weight)
        divergence = (0.5 * (width.square() + mean.square() - 1) - width.log()).mean()
        terms = {"kl": divergence, "encoder_penalty": (z.detach() - start).square().mean()}
        return LinearClassifier(weight, weight.new_zeros(weight.shape[:2]), normalised=True), terms

    @torch.no_grad()
    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer each query by itself, with the means of all draws; `class_prior` is not used."""
        return inductive_solution(task, self.adapt(task, noisy=False)[0])

    def objective(self, episode: Episode) -> Objective:
        """Return the published loss; noise and dropout come from torch's generator, which the caller seeds."""
        classifier, terms = self.adapt(episode.task, noisy=True)
        query = dropout(normalize(episode.task.query_x, dim=-1), self.dropout)
        # Dropped rows must not be brought to length one again, so the classifier is applied by hand.
        fit = cross_entropy_objective(query @ classifier.weight.mT, episode)
        unit = normalize(self.decode.weight.mT, dim=-1)  # one row per latent
        identity = torch.eye(len(unit), dtype=unit.dtype, device=unit.device)
        orthogonality = (unit @ unit.mT - identity).square().mean()
        decay = torch.stack([layer.weight.square().sum() / 2 for layer in self.maps]).sum()
        penalty = self.kl_weight * terms["kl"] + self.encoder_weight * terms["encoder_penalty"]
        loss = fit.loss + penalty + self.decay_weight * decay + self.orthogonality_weight * orthogonality
        reported = {**fit.terms, **terms, "orthogonality": orthogonality}
        return Objective(loss, {name: value.detach() for name, value in reported.items()})
