"""BAVARDAGE: variational Bayes for Gaussian classes of unknown proportions, in the subspace that the class means span."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.errors import DataError
from sibyl.methods.class_mean import assigned_solution
from sibyl.methods.classifiers import LinearClassifier, class_means, squared_distances
from sibyl.methods.method import Method, Traits
from sibyl.methods.preprocessing import Preparation, PreparedClassifier
from sibyl.methods.task_rows import all_rows
from sibyl.tasks import ClassPrior, Solution, Task, class_shares


@dataclass(frozen=True)
class Bavardage(Method):
    """Variational Bayesian clustering with adaptive dimension reduction (Hu, Pateux & Gripon 2023).

    Rows are scaled to unit length, centred and scaled again; five rounds of soft k-means give a first assignment r. Then repeat

        ``N_c = Σ_n r_nc`` over support and queries,  ``α_c = α₀ + N_c − shots_c``,  ``β_c = β₀ + N_c``
        projection on the span of the differences of the means ``Σ_n r_nc x_n / β_c``   (adaptive dimension reduction)
        ``m_c = Σ_n r_nc x_n / β_c``                                                    (equations 8 to 10, prior mean 0)
        ``log r_nc = ψ(α_c) − ψ(Σ α) − ½ T ‖x_n − m_c‖² − ½ D / β_c + const``           (equation 7; D = n_way − 1)

    with r of the support held at its labels. α learns the class mix: no balance is assumed.

    =======  ==================  ===========================================
    paper    code                meaning
    =======  ==================  ===========================================
    r (o)    assigned            responsibilities
    α₀, β₀   mix_strength,       prior strength of mix and means
             mean_strength
    m        means               posterior class means
    T_km     first_temperature   of the first assignment
    T_vb     temperature         inverse class variance
    =======  ==================  ===========================================

    Parameters
    ----------
    first_temperature, n_first_steps, n_steps, mix_strength, mean_strength
        T_km = 10, 5 and 5 steps, α₀ = 2, β₀ = 10, as in the authors' released code.
    temperature : float
        T_vb. The released code has 4 on columns that are scaled by the inverse within-class spread of the base classes, clipped at 5,
        a bound that rows of unit length reach in every column: 4 · 5² = 100 on unscaled columns.

    Notes
    -----
    The paper shifts by the mean of the base classes and scales by their within-class covariance. A Task knows no base classes, so
    the shift is the task's own mean and columns are not scaled. With a `class_prior` the log-mix is its logarithm, held fixed.

    References
    ----------
    Y. Hu, S. Pateux, V. Gripon, "Adaptive Dimension Reduction and Variational Inference for Transductive Few-Shot Classification",
    AISTATS 2023, arXiv 2209.08527.
    """

    temperature: float = 100.0
    first_temperature: float = 10.0
    n_first_steps: int = 5
    n_steps: int = 5
    mix_strength: float = 2.0
    mean_strength: float = 10.0

    name: ClassVar[str] = "bavardage"
    traits: ClassVar[Traits] = Traits(transductive=True, classifier=True)

    def __post_init__(self) -> None:
        if not (self.temperature > 0 and self.first_temperature > 0 and self.mix_strength > 0 and self.mean_strength > 0):
            raise DataError(f"temperatures and prior strengths must be above 0, got {self}")
        if self.n_steps < 1 or self.n_first_steps < 1:
            raise DataError(f"n_steps and n_first_steps must be at least 1, got {self.n_steps} and {self.n_first_steps}")

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the responsibilities of the last step."""
        shares = class_shares(class_prior, task)
        x, mask, labelled = all_rows(task)
        preparation = Preparation.fit(x, mask, power=None)
        rows = preparation(x)
        n_support, support_y = task.support_x.shape[1], task.support_one_hot

        weight = labelled
        for _ in range(self.n_first_steps):
            distance = squared_distances(rows[:, n_support:], class_means(rows, weight))
            weight = torch.cat([support_y, (-self.first_temperature * distance).softmax(-1) * task.query_weight], 1)

        for _ in range(self.n_steps):
            strength = self.mean_strength + weight.sum(1)
            means = project(weight.mT @ rows / strength[..., None])
            concentration = self.mix_strength + weight.sum(1) - task.n_shots
            if shares is None:
                log_mix = concentration.digamma() - concentration.sum(1, keepdim=True).digamma()
            else:
                log_mix = shares.clamp_min(torch.finfo(x.dtype).tiny).log().expand(task.n_tasks, -1)
            # −½T‖x − m‖² within the subspace, less what all classes share: linear in x, so that this is also the classifier.
            offset = log_mix - (self.temperature * means.square().sum(-1) + (task.n_way - 1) / strength) / 2
            classifier = LinearClassifier(self.temperature * means, offset)
            weight = torch.cat([support_y, classifier(rows[:, n_support:]).softmax(-1) * task.query_weight], 1)

        answer = PreparedClassifier(preparation, classifier)
        mix = weight[:, n_support:].sum(1) / task.query_weight.sum(1).clamp_min(1)
        return assigned_solution(task, answer(task.query_x), answer, mix)


def project(means: Float[Tensor, "task way dim"]) -> Float[Tensor, "task way dim"]:
    """Project class means on the span of their differences: what is left of them orthogonal to that span is removed.

    All means share the orthogonal part, so it is the component of their average; differences between projected rows are untouched.
    """
    average = means.mean(1, keepdim=True)
    difference = means - average
    # The pseudo-inverse of the differences' Gram matrix: way × way, of rank way − 1.
    gram = difference @ difference.mT
    inside: Tensor = average @ difference.mT @ torch.linalg.pinv(gram, hermitian=True, rtol=1e-5) @ difference
    return difference + inside
