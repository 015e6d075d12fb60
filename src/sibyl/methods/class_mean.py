"""Nearest class mean by cosine: the inductive starting point of SIB, and the K = 0 row of every table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.methods.classifiers import CosineClassifier, class_means
from sibyl.methods.method import Method, Traits
from sibyl.methods.solutions import inductive_solution, query_mix
from sibyl.tasks import Classifier, ClassPrior, Solution, Task


@dataclass(frozen=True)
class ClassMean(Method):
    """Mean of the L2-normalised support per class; queries go to the class of the largest cosine.

    ``logit_ic = scale · cos(x_i, mean_{j: y_j = c} x_j/‖x_j‖)`` (Snell et al. 2017 with the cosine of Gidaris & Komodakis 2018).

    Parameters
    ----------
    scale : float
        Inverse temperature of the confidence; the order of classes does not depend on it.
    """

    scale: float = 10.0

    name: ClassVar[str] = "class_mean"
    traits: ClassVar[Traits] = Traits(transductive=False, classifier=True)

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the nearest class mean; `class_prior` is not used."""
        means = class_means(normalize(task.support_x, dim=-1), task.support_one_hot)
        return inductive_solution(task, CosineClassifier(means, means.new_tensor(self.scale), means.new_zeros(())))


def assigned_solution(
    task: Task,
    logits: Float[Tensor, "task query way"],
    classifier: Classifier | None = None,
    class_mix: Float[Tensor, "task way"] | None = None,
    outlier_score: Float[Tensor, "task query"] | None = None,
) -> Solution:
    """Answer with logits of the queries, and with the nearest class mean as what would be said without them.

    Left out, the class mix is the mean of the logits' softmax.
    """
    mix = query_mix(task, logits.softmax(-1)) if class_mix is None else class_mix
    return Solution(logits, ClassMean().solve(task).logits, classifier, mix, outlier_score)
