"""Cosine classifier: class means as weights, fine-tuned on the support alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.methods.classifiers import CosineClassifier, class_means
from sibyl.methods.method import Method, Traits
from sibyl.methods.solutions import inductive_solution
from sibyl.tasks import ClassPrior, Solution, Task


def cosine_gradient(
    weight: Float[Tensor, "task way dim"],
    x: Float[Tensor, "task support dim"],
    one_hot: Float[Tensor, "task support way"],
    scale: float,
) -> Float[Tensor, "task way dim"]:
    """Gradient in the weights of the mean cross-entropy of ``scale · cos(x, weight_c)``, in closed form.

    Parameters
    ----------
    weight : float [task, way, dim]
        Class vectors, of any length.
    x : float [task, support, dim]
        Rows of length one.
    one_hot : float [task, support, way]
        Classes; rows without one do not count.
    scale : float
        Inverse temperature.
    """
    real = one_hot.sum(-1, keepdim=True)
    length: Tensor = torch.linalg.vector_norm(weight, dim=-1, keepdim=True).clamp_min(1e-12)
    unit = weight / length
    error = ((scale * x @ unit.mT).softmax(-1) - one_hot) * real / real.sum(1, keepdim=True).clamp_min(1)
    slope = scale * error.mT @ x
    return (slope - (slope * unit).sum(-1, keepdim=True) * unit) / length


@dataclass(frozen=True)
class FineTunedCosine(Method):
    """The cosine classifier "CC" on frozen features: Baseline++ of Chen et al. (ICLR 2019, arXiv 1904.04232).

    ``logit_ic = s cos(x_i, w_c)``; w starts at the class means of the support, as Gidaris & Komodakis (CVPR 2018) and CC+rot (Gidaris
    et al., ICCV 2019) use them, and follows the gradient of the support's mean cross-entropy with weight decay.

    ============== ==================================================================
    here           paper
    ============== ==================================================================
    `n_steps`      100 epochs of batches of 4; here 100 steps of the whole support, so that nothing is drawn at random
    `step_size`    SGD 0.01, momentum and dampening 0.9
    `weight_decay` 0.001
    `scale`        2 (Chen et al.), learned from 10 in pre-training (Gidaris et al.)
    start          random weights (Chen et al.); here class means. ``n_steps=0`` is the CC of CC+rot
    ============== ==================================================================

    Parameters
    ----------
    n_steps : int
        Steps on the support.
    step_size, momentum, weight_decay : float
        Of gradient descent; the momentum dampens each new gradient by itself.
    scale : float
        s.
    """

    n_steps: int = 100
    step_size: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 0.001
    scale: float = 10.0

    name: ClassVar[str] = "cosine_classifier"
    traits: ClassVar[Traits] = Traits(transductive=False, classifier=True)

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the classifier fine-tuned on the support; `class_prior` is not used."""
        x = normalize(task.support_x, dim=-1)
        weight = normalize(class_means(x, task.support_one_hot), dim=-1)
        velocity: Tensor | None = None
        for _ in range(self.n_steps):
            slope = cosine_gradient(weight, x, task.support_one_hot, self.scale) + self.weight_decay * weight
            velocity = slope if velocity is None else self.momentum * velocity + (1 - self.momentum) * slope
            weight = weight - self.step_size * velocity
        classifier = CosineClassifier(weight, weight.new_tensor(self.scale), weight.new_zeros(()))
        return inductive_solution(task, classifier)
