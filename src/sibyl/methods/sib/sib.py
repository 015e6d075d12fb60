"""SIB: init network, gradient network and K synthetic-gradient steps, as one method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sibyl.errors import CheckpointError, UnknownName
from sibyl.methods.classifiers import CosineClassifier, CosineScores
from sibyl.methods.method import LearnedMethod, Objective, Traits
from sibyl.methods.preprocessing import Preparation, PreparedClassifier
from sibyl.methods.sib.adaptation import adapt
from sibyl.methods.sib.gradient_network import GradientNetwork
from sibyl.methods.sib.init_network import InitNetwork
from sibyl.methods.sib.objective import Prior, query_loss
from sibyl.methods.sib.span import logits_after_steps
from sibyl.tasks import Classifier, ClassPrior, Episode, Solution, Task

REDUCTIONS = ("sum", "mean")


@cache
def machine_code() -> ModuleType | None:
    """Return `sibyl.methods.sib.compiled`, which takes a moment to import; None without a numba that works here."""
    try:
        from sibyl.methods.sib import compiled
    except ImportError:
        return None
    return compiled


def _is_plain(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.float32


class SIB(LearnedMethod):
    """Synthetic information bottleneck (Hu et al., ICLR 2020, arXiv 2004.12696).

    ``ŷ_i = s (b + cos(x_i, θ_c))``; ``θ⁰ = λ(support)``; ``θ^{k+1} = θ^k − η Σ_i ξ_φ(ŷ_i) ∂ŷ_i/∂θ`` for K steps; answer ``ŷ(θᴷ)``.
    With `prior`, ``∂KL(q ‖ p_ψ)/∂θ`` joins each step and KL joins the loss (see `sibyl.methods.sib.objective`).

    ======== ======================== =====================================
    symbol   here                     paper
    ======== ======================== =====================================
    λ        `init_network`           initialisation network
    ξ_φ      `gradient_network`       synthetic gradient network
    s, b     `scale`, `bias`          learned, from 10 and 0
    K, η     `n_steps`, `step_size`   3, 1e-3
    ψ        `prior`                  μ, τ and σ
    ======== ======================== =====================================

    Parameters
    ----------
    dim, n_way : int
        Columns of the features; classes of every task.
    n_steps : int
        K.
    step_size : float
        η; the published code borrows the outer learning rate, 1e-3, for it.
    reduction : "sum" or "mean"
        Over queries, in each step. Published: sum, so that the step grows with the number of queries.
    normalisation : "batch" or "episode"
        Whose statistics the gradient network normalises by. Published: batch.
    prior : bool
        Put the empirical-Bayes prior back. Published: False.
    kl_weight : float
        Factor of the KL term in loss and updates; 1 is the bound.
    power : float
        Exponent that columns are brought closer to a normal distribution with, before anything else, as PT-MAP does; published: 1, none.
    """

    name: ClassVar[str] = "sib"
    # The perceptron reads the classes in their order, and published statistics run over all tasks of a batch.
    traits: ClassVar[Traits] = Traits(transductive=True, equivariant=False, batched=False, classifier=True)

    def __init__(
        self,
        dim: int,
        n_way: int,
        n_steps: int = 3,
        step_size: float = 1e-3,
        reduction: str = "sum",
        normalisation: str = "batch",
        prior: bool = False,
        kl_weight: float = 1.0,
        power: float = 1.0,
    ) -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise UnknownName("reduction", reduction, REDUCTIONS)
        self.settings = {
            "dim": dim, "n_way": n_way, "n_steps": n_steps, "step_size": step_size, "reduction": reduction,
            "normalisation": normalisation, "prior": prior, "kl_weight": kl_weight,
        }  # fmt: skip
        if power != 1:  # runs and checkpoints of before there was a choice stay what they are
            self.settings["power"] = power
        self.dim, self.n_way, self.n_steps, self.step_size = dim, n_way, n_steps, step_size
        self.reduction, self.kl_weight, self.power = reduction, kl_weight, power
        self.init_network = InitNetwork(dim)
        self.gradient_network = GradientNetwork(n_way, normalisation)
        self.prior = Prior(dim) if prior else None
        self.scale = nn.Parameter(torch.tensor([10.0]))
        self.bias = nn.Parameter(torch.zeros(1))

    @property
    def batched(self) -> bool:
        """Statistics per episode leave the tasks of a batch apart; the published ones do not."""
        return bool(self.settings["normalisation"] == "episode")

    def _check(self, task: Task) -> None:
        if task.n_way != self.n_way or task.query_x.shape[-1] != self.dim:
            raise CheckpointError(
                f"this SIB was made for {self.n_way} classes and {self.dim} feature columns; the task has {task.n_way} and "
                f"{task.query_x.shape[-1]}: train one for that shape, or take a method that fits any shape"
            )

    def _prepared(self, task: Task) -> Task:
        self._check(task)
        if self.power == 1:
            return task
        prepare = self._preparation(task.query_x)
        return replace(task, support_x=prepare(task.support_x), query_x=prepare(task.query_x))

    def _preparation(self, like: Tensor) -> Preparation:
        return Preparation(like.new_zeros(len(like), 1, self.dim), self.power)

    def trajectory(self, task: Task) -> list[Float[Tensor, "task way dim"]]:
        """Return θ⁰ … θᴷ of each task; a task of fewer than two queries, which no statistics describe, stays at θ⁰."""
        task = self._prepared(task)
        return self._adapt(task, self._scores(task))

    def _scores(self, task: Task) -> CosineScores:
        return CosineScores(task.query_x, self.scale, self.bias)

    def _output_gradient(self, task: Task) -> tuple[Callable[[Tensor], Tensor], Tensor]:
        """ξ as a function of logits [task, way, query], and each task's factor before it."""
        n_query = task.query_mask.sum(1)[:, None, None]
        enough = (n_query > 1).to(task.query_x.dtype)
        share = enough / n_query.clamp_min(1) if self.reduction == "mean" else enough
        mask = None if task.query_x.shape[1] > 1 and bool(task.query_mask.all()) else task.query_mask

        def output_gradient(logits: Tensor) -> Tensor:
            gradient: Tensor = share * self.gradient_network(logits.mT, mask).mT
            return gradient

        return output_gradient, share

    def _adapt(self, task: Task, scores: CosineScores, outputs: list[Tensor] | None = None) -> list[Float[Tensor, "task way dim"]]:
        """Return θ⁰ … θᴷ; the logits at θ⁰ … θᴷ⁻¹ go to `outputs`."""
        output_gradient, share = self._output_gradient(task)

        def predict(weights: Tensor) -> Tensor:
            logits = scores.logits(weights)
            if outputs is not None:
                outputs.append(logits)
            return logits

        def weight_gradient(weights: Tensor) -> Tensor:
            assert self.prior is not None
            return self.kl_weight * share * self.prior.gradient(weights)

        return adapt(
            self.init_network(task),
            predict,
            output_gradient,
            n_steps=self.n_steps,
            step_size=self.step_size,
            weight_gradient=weight_gradient if self.prior is not None else None,
            transposed_jacobian=scores.transposed_jacobian,
        )

    def _logits_in_span(self, task: Task) -> Float[Tensor, "task way query"]:
        return logits_after_steps(
            self.init_network(task),
            task.query_x,
            self.scale,
            self.bias,
            self._output_gradient(task)[0],
            n_steps=self.n_steps,
            step_size=self.step_size,
            products=self._inner_products(task.query_x),
        )

    def _inner_products(self, x: Tensor) -> Tensor | None:
        code = machine_code() if _is_plain(x) and not x.requires_grad else None
        return None if code is None else code.inner_products(x)

    def classifier(self, weights: Float[Tensor, "task way dim"]) -> Classifier:
        """Return the local model with the given weights."""
        model = CosineClassifier(weights, self.scale, self.bias)
        return model if self.power == 1 else PreparedClassifier(self._preparation(weights), model)

    @torch.no_grad()
    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with θᴷ; `class_prior` is not used: what the network presumes of the mix is what it was trained on."""
        prepared = self._prepared(task)
        code = machine_code() if self._is_compilable(prepared) else None
        weights, first, last = self._steps(prepared) if code is None else self._compiled_steps(prepared, code)
        return Solution(
            last.mT,
            inductive_logits=first.mT,
            classifier=self.classifier(weights),
            fell_back=task.query_mask.sum(1) < 2,
        )

    def _steps(self, task: Task) -> tuple[Tensor, Tensor, Tensor]:
        """θᴷ, and the logits at θ⁰ and θᴷ."""
        scores, outputs = self._scores(task), list[Tensor]()
        weights = self._adapt(task, scores, outputs)[-1]
        outputs.append(scores.logits(weights))
        return weights, outputs[0], outputs[-1]

    def _is_compilable(self, task: Task) -> bool:
        fits = self.prior is None and self.batched and task.query_x.shape[1] > 1
        return fits and _is_plain(task.query_x) and _is_plain(self.scale) and bool(task.query_mask.all())

    def _compiled_steps(self, task: Task, code: ModuleType) -> tuple[Tensor, Tensor, Tensor]:
        found: tuple[Tensor, Tensor, Tensor] = code.run_steps(
            self.init_network(task),
            task.query_x,
            self.scale.item(),
            self.bias.item(),
            self.gradient_network,
            factor=1 / task.query_x.shape[1] if self.reduction == "mean" else 1.0,
            n_steps=self.n_steps,
            step_size=self.step_size,
        )
        return found

    def objective(self, episode: Episode) -> Objective:
        """Return the loss at θᴷ per query: cross-entropy and, with a prior, the KL term."""
        task = self._prepared(episode.task)
        n_scored = episode.scored.sum().clamp_min(1)
        if self.prior is None:
            # Forwards and backwards, each step has six products of n_way rows with the queries; their inner products take one of n_query rows.
            # With more queries than columns, they span the whole space.
            if task.query_x.shape[1] <= min(6 * self.n_steps * self.n_way, self.dim):
                logits = self._logits_in_span(task)
            else:
                logits = self._steps(task)[-1]
            fit = query_loss(logits.mT, episode).sum() / n_scored
            return Objective(fit, {"negative_log_likelihood": fit.detach()})
        scores = self._scores(task)
        weights = self._adapt(task, scores)[-1]
        fit = query_loss(scores.logits(self.prior.sample(weights)).mT, episode).sum() / n_scored
        divergence = self.prior.divergence(weights).sum() / n_scored
        terms = {"negative_log_likelihood": fit.detach(), "kl": divergence.detach()}
        return Objective(fit + self.kl_weight * divergence, terms)
