"""R2-D2: ridge regression on the support, in closed form, with what surrounds it learned."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from sibyl.methods.adapting_method import AdaptingMethod
from sibyl.methods.classifiers import LinearClassifier
from sibyl.methods.feature_scaling import FeatureScaling
from sibyl.methods.method import Traits
from sibyl.methods.query_objective import check_shape
from sibyl.methods.ridge_regression import ridge_weights
from sibyl.tasks import Task


class R2D2(AdaptingMethod):
    """Ridge Regression Differentiable Discriminator (Bertinetto et al., ICLR 2019, arXiv 1805.08136).

    ``W = Zᵀ (Z Zᵀ + λI)⁻¹ Y`` with a column of ones in Z for the intercept; ``ŷ = α (x W)``.

    ======== ============== ==============================================
    symbol   here           paper
    ======== ============== ==============================================
    Z        `scaling`      features of the support; here frozen, of length one, times a learned diagonal
    λ        `log_strength` regulariser (its code: 50, for rows of its own backbone's length); learned here, from 1
    α        `log_scale`    scale of the answer, learned
    β        absent         one number added to all classes, which softmax does not see
    ======== ============== ==============================================

    Published training takes episodes of 16 classes on mini-ImageNet; that belongs to the sampler.

    Parameters
    ----------
    dim : int
        Columns of the features.
    diagonal : bool
        Learn one weight per column.
    """

    name: ClassVar[str] = "r2d2"
    traits: ClassVar[Traits] = Traits(transductive=False, classifier=True)

    def __init__(self, dim: int, diagonal: bool = True) -> None:
        super().__init__()
        self.settings = {"dim": dim, "diagonal": diagonal}
        self.dim = dim
        self.scaling = FeatureScaling(dim, learned=diagonal)
        self.log_strength = nn.Parameter(torch.zeros(()))
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())

    def adapt(self, task: Task) -> LinearClassifier:
        """Return the regression fitted to a task's support."""
        check_shape(self.name, task, self.dim)
        real = task.support_mask[..., None].to(task.support_x)
        rows = torch.cat([self.scaling(task.support_x) * real, real], -1)
        weight = self.log_scale.exp() * ridge_weights(rows, task.support_one_hot, self.log_strength.exp())
        return LinearClassifier(self.scaling.fold(weight[..., :-1]), weight[..., -1], normalised=True)
