"""MetaOptNet-RR: ridge regression with a fixed regulariser as the inner problem."""

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


class MetaOptNetRidge(AdaptingMethod):
    """MetaOptNet with ridge regression (Lee et al., CVPR 2019, arXiv 1904.03758).

    ``W = argmin ‖X Wᵀ − Y‖² + λ ‖W‖²`` without intercept; ``logits = γ x Wᵀ``.

    ======== ============ ==================================================
    symbol   here         paper
    ======== ============ ==================================================
    X        `scaling`    features of the support; here frozen, of length √dim, times a learned diagonal
    λ        `strength`   50, fixed
    γ        `log_scale`  scale of the answer, learned
    ======== ============ ==================================================

    Their quadratic programme doubles W; γ takes that up. They also smooth the labels of meta-training and augment; not done here.

    Parameters
    ----------
    dim : int
        Columns of the features.
    strength : float
        λ.
    diagonal : bool
        Learn one weight per column.
    """

    name: ClassVar[str] = "metaopt_ridge"
    traits: ClassVar[Traits] = Traits(transductive=False, classifier=True)

    def __init__(self, dim: int, strength: float = 50.0, diagonal: bool = True) -> None:
        super().__init__()
        self.settings = {"dim": dim, "strength": strength, "diagonal": diagonal}
        self.dim, self.strength = dim, strength
        self.scaling = FeatureScaling(dim, length=dim**0.5, learned=diagonal)
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())

    def adapt(self, task: Task) -> LinearClassifier:
        """Return the regression fitted to a task's support."""
        check_shape(self.name, task, self.dim)
        rows = self.scaling(task.support_x) * task.support_mask[..., None]
        weight = self.log_scale.exp() * ridge_weights(rows, task.support_one_hot, rows.new_tensor(self.strength))
        return LinearClassifier(self.scaling.fold(weight), weight.new_zeros(weight.shape[:2]), normalised=True)
