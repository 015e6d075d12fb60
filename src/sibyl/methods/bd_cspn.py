"""BD-CSPN: class means rectified once with pseudo-labelled queries that were shifted onto the support."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from sibyl.methods.classifiers import CosineClassifier, class_means
from sibyl.methods.method import Method, Traits
from sibyl.tasks import ClassPrior, Solution, Task


def support_shift(
    support: Float[Tensor, "task support dim"], query: Float[Tensor, "task query dim"], task: Task
) -> Float[Tensor, "task 1 dim"]:
    """``ξ = mean of the support − mean of the queries``, the cross-class bias."""
    labelled, real = task.support_mask[..., None].to(support), task.query_weight
    middle = (support * labelled).sum(1, keepdim=True) / labelled.sum(1, keepdim=True)
    return middle - (query * real).sum(1, keepdim=True) / real.sum(1, keepdim=True).clamp_min(1)


def rectified_means(
    support: Float[Tensor, "task support dim"], query: Float[Tensor, "task query dim"], task: Task, sharpness: float
) -> Float[Tensor, "task way dim"]:
    """Weighted means of the support and the pseudo-labelled queries.

    Parameters
    ----------
    support, query : float [task, support, dim], [task, query, dim]
        Features, the queries already shifted.
    task : Task
        Labels and masks.
    sharpness : float
        ε, how much more an item near the class mean counts.

    Returns
    -------
    float [task, way, dim]
    """
    centre = normalize(class_means(support, task.support_one_hot), dim=-1)
    rows = torch.cat([support, query], 1)
    cosine = normalize(rows, dim=-1) @ centre.mT
    guessed = one_hot(cosine[:, support.shape[1] :].argmax(-1), task.n_way) * task.query_weight
    member = torch.cat([task.support_one_hot, guessed], 1)
    return class_means(rows, member * (sharpness * cosine).exp())


@dataclass(frozen=True, eq=False)
class ShiftedClassifier:
    """``cosine(x/‖x‖ + ξ)``.

    Parameters
    ----------
    cosine : CosineClassifier
        The rectified means.
    shift : float [task, 1, dim]
        ξ, zero where queries are classified unshifted.
    """

    cosine: CosineClassifier
    shift: Float[Tensor, "task 1 dim"]

    def __call__(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row way"]:
        """Return the logits of rows of features."""
        return self.cosine(normalize(x, dim=-1) + self.shift)


@dataclass(frozen=True)
class BDCSPN(Method):
    """Bias diminishing and cosine-similarity prototype network (Liu, Song & Qin 2020).

    On unit-length features: shift the queries by ``ξ = mean(S) − mean(Q)``, give each the class of its nearest class mean P_n, and
    replace the means by

        ``P'_n = Σ_{x ∈ S_n ∪ Q_n} w_x x``,  ``w_x ∝ exp(ε cos(x, P_n))``, weights of each class summing to one;

    then classify by cosine.

    ========  ===============  ========================================
    paper     code             meaning
    ========  ===============  ========================================
    ξ         shift            cross-class bias
    ε         sharpness        inverse temperature of the weights
    P'_n      weight           rectified class mean
    ========  ===============  ========================================

    Parameters
    ----------
    sharpness : float
        ε = 10, the paper's value.
    shifted : bool
        Classify the shifted queries, as the paper has it; public re-implementations shift them for the means only.
    scale : float
        Inverse temperature of the confidence; the order of classes does not depend on it.

    Notes
    -----
    `class_prior` is not used. All queries are pseudo-labelled, as in public re-implementations. A single query is shifted onto the
    mean of the support, which leaves nothing of it: `single_query` is not declared.

    References
    ----------
    J. Liu, L. Song, Y. Qin, "Prototype Rectification for Few-Shot Learning", ECCV 2020, arXiv 1911.10713.
    """

    sharpness: float = 10.0
    shifted: bool = True
    scale: float = 10.0

    name: ClassVar[str] = "bd_cspn"
    traits: ClassVar[Traits] = Traits(transductive=True, single_query=False, classifier=True)

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the rectified means; `class_prior` is not used."""
        support, query = normalize(task.support_x, dim=-1), normalize(task.query_x, dim=-1)
        shift = support_shift(support, query, task)
        weight = rectified_means(support, query + shift, task, self.sharpness)
        start, one, zero = class_means(support, task.support_one_hot), weight.new_tensor(self.scale), weight.new_zeros(())
        cosine = CosineClassifier(weight, one, zero)
        classifier = ShiftedClassifier(cosine, shift if self.shifted else torch.zeros_like(shift))
        inductive = CosineClassifier(start, one, zero)(task.query_x)
        return Solution(classifier(task.query_x), inductive_logits=inductive, classifier=classifier)
