"""Anchored means: a mixture around the labelled items, with an estimated class mix; safe under any mix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.methods.classifiers import CosineClassifier, class_means
from sibyl.methods.method import Method, Traits
from sibyl.tasks import ClassPrior, Solution, Task, class_shares


@dataclass(frozen=True, eq=False)
class AnchoredClassifier:
    """``scale · cos(x/‖x‖ − origin, centre_c − origin) + bias_c``.

    Parameters
    ----------
    direction : float [task, way, dim]
        ``(centre_c − origin) / ‖centre_c − origin‖``.
    origin : float [task, 1, dim]
        The point that angles are seen from.
    bias : float [task, 1, way]
        Weighted log share of each class.
    scale : float
        Inverse temperature.
    """

    direction: Float[Tensor, "task way dim"]
    origin: Float[Tensor, "task 1 dim"]
    bias: Float[Tensor, "task 1 way"]
    scale: float

    def cosines(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row way"]:
        """Return the cosine of each row with each class, seen from the origin."""
        return normalize(normalize(x, dim=-1) - self.origin, dim=-1) @ self.direction.mT

    def __call__(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row way"]:
        """Return the logits of rows of features."""
        return self.scale * self.cosines(x) + self.bias


@dataclass(frozen=True, eq=False)
class AnchoredAnswer:
    """``τ · anchored(x)``, or the inductive answer where the task fell back to it.

    Parameters
    ----------
    fell_back : bool [task]
        Where the inductive classifier answers.
    inductive : CosineClassifier
        The nearest labelled mean.
    anchored : AnchoredClassifier
        The adapted means.
    flattening : float
        τ.
    """

    fell_back: Bool[Tensor, " task"]
    inductive: CosineClassifier
    anchored: AnchoredClassifier
    flattening: float

    def __call__(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row way"]:
        """Return the logits of rows of features."""
        return torch.where(self.fell_back[:, None, None], self.inductive(x), self.flattening * self.anchored(x))

    def outlier_score(self, x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row"]:
        """Return how far each row is from the nearest class: ``1 − max_c cos``."""
        return 1 - self.anchored.cosines(x).amax(-1)


@dataclass(frozen=True)
class AnchoredMeans(Method):
    """Soft k-means that does not trust its own clusters: anchored to the labelled items, and told nothing of the class mix.

    With rows of unit length, a_c the mean of the n_c labelled rows of class c, π_c = 1/C and w_c = a_c at first, repeat

        ``o    = mean_c w_c``
        ``r_jc = softmax_c(s · cos(x_j − o, w_c − o) + β log π_c)``
        ``w_c  = (κ n_c a_c + Σ_j r_jc x_j) / (κ n_c + Σ_j r_jc)``
        ``π_c  = (Σ_j r_jc + 1) / (n_query + C)``

    This is expectation maximisation for a mixture of von Mises–Fisher clusters of one concentration (Banerjee et al. 2005) with three
    precautions, each against a way in which unlabelled data do harm. The *anchor* κ keeps the mean of a class that has no unlabelled
    item from being pulled into another class. The *class mix* π lets classes be rare: without it a large class is cut up to fill
    small ones. The *origin* o is the mean of the class means and not of the items, so it stays put when one class holds most items.

    ======  ==================  ==========================================
    symbol  code                meaning
    ======  ==================  ==========================================
    a_c     anchor              mean of the labelled rows
    w_c     centre              class mean
    o       origin              where angles are seen from
    r_jc    assigned            soft assignment of an unlabelled item
    κ       anchor_weight       unlabelled items that one labelled counts for
    β       mix_weight          how far the class mix is believed
    s       scale               inverse temperature
    ======  ==================  ==========================================

    With fewer than three unlabelled items per class on average the answer is the inductive one, the nearest class mean by cosine:
    so few do not help. The mixture's assignments are far too sure of themselves, so the logits that are handed out are flattened by τ.

    Parameters
    ----------
    scale, anchor_weight, mix_weight : float
        s, κ and β; the defaults were chosen on validation classes (results/choose_label_method.md).
    n_steps : int
        Repetitions.
    min_queries_per_class : float
        Fall back to the inductive answer below ``min_queries_per_class · C`` unlabelled items.
    flattening : float
        τ, factor on the logits that makes the confidence honest; the order of classes does not depend on it.
    inductive_scale : float
        Inverse temperature of the inductive answer.

    References
    ----------
    A. Banerjee et al., "Clustering on the Unit Hypersphere using von Mises–Fisher Distributions", JMLR 2005.
    """

    scale: float = 20.0
    anchor_weight: float = 3.0
    mix_weight: float = 1.5
    n_steps: int = 5
    min_queries_per_class: float = 3.0
    flattening: float = 0.35
    inductive_scale: float = 10.0

    name: ClassVar[str] = "anchored_means"
    traits: ClassVar[Traits] = Traits(transductive=True, classifier=True)

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the anchored means; a given `class_prior` takes the place of the estimated mix."""
        anchor = class_means(normalize(task.support_x, dim=-1), task.support_one_hot)
        strength = self.anchor_weight * task.n_shots[..., None]
        rows, weight = normalize(task.query_x, dim=-1), task.query_weight
        n_query = weight.sum(1)
        given = class_shares(class_prior, task)
        mix = torch.full_like(task.n_shots, 1 / task.n_way) if given is None else given.expand_as(task.n_shots)
        centre = anchor
        for step in range(self.n_steps):
            classifier = self._classifier(centre, mix)
            if step + 1 == self.n_steps:
                break
            assigned = classifier(rows).softmax(-1) * weight
            mass = assigned.sum(1)
            centre = (strength * anchor + assigned.mT @ rows) / (strength + mass[..., None]).clamp_min(1e-12)
            if given is None:
                mix = (mass + 1) / (n_query + task.n_way)
        cosines = classifier.cosines(rows)
        sharp = classifier.scale * cosines + classifier.bias
        inductive_classifier = CosineClassifier(anchor, anchor.new_tensor(self.inductive_scale), anchor.new_zeros(()))
        inductive = inductive_classifier(task.query_x)
        fell_back = n_query[:, 0] < self.min_queries_per_class * task.n_way
        share = (sharp.softmax(-1) * weight).sum(1) / n_query.clamp_min(1)
        answer = AnchoredAnswer(fell_back, inductive_classifier, classifier, self.flattening)
        logits = torch.where(fell_back[:, None, None], inductive, self.flattening * sharp)
        return Solution(logits, inductive, answer, share, 1 - cosines.amax(-1), fell_back)

    def _classifier(self, centre: Float[Tensor, "task way dim"], mix: Float[Tensor, "task way"]) -> AnchoredClassifier:
        origin = centre.mean(1, keepdim=True)
        bias = self.mix_weight * mix.clamp_min(torch.finfo(mix.dtype).tiny).log()[:, None]
        return AnchoredClassifier(normalize(centre - origin, dim=-1), origin, bias, self.scale)
