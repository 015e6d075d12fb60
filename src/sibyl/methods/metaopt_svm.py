"""MetaOptNet-SVM: a multi-class support vector machine as the inner problem."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from sibyl.methods.adapting_method import AdaptingMethod
from sibyl.methods.classifiers import LinearClassifier
from sibyl.methods.feature_scaling import FeatureScaling
from sibyl.methods.method import Traits
from sibyl.methods.quadratic_programme import support_vector_weights
from sibyl.methods.query_objective import check_shape
from sibyl.tasks import Task


class MetaOptNetSVM(AdaptingMethod):
    """MetaOptNet with the support vector machine of Crammer & Singer (Lee et al., CVPR 2019, arXiv 1904.03758).

    ``w = argmin ½ Σ_c ‖w_c‖² + C Σ_i ξ_i`` with ``w_{y_i}·x_i − w_c·x_i ≥ [c ≠ y_i] − ξ_i`` (equation 3), solved by its dual
    (`sibyl.methods.quadratic_programme`); ``logits = γ x wᵀ``.

    ======== ============ ==================================================
    symbol   here         paper
    ======== ============ ==================================================
    x        `scaling`    features; here frozen, of length √dim, times a learned diagonal
    C        `penalty`    0.1
    γ        `log_scale`  scale of the answer, learned
    ======== ============ ==================================================

    They also smooth the labels of meta-training and augment; not done here.

    Parameters
    ----------
    dim : int
        Columns of the features.
    penalty : float
        C.
    diagonal : bool
        Learn one weight per column.
    """

    name: ClassVar[str] = "metaopt_svm"
    traits: ClassVar[Traits] = Traits(transductive=False, classifier=True)

    def __init__(self, dim: int, penalty: float = 0.1, diagonal: bool = True) -> None:
        super().__init__()
        self.settings = {"dim": dim, "penalty": penalty, "diagonal": diagonal}
        self.dim, self.penalty = dim, penalty
        self.scaling = FeatureScaling(dim, length=dim**0.5, learned=diagonal)
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())

    def adapt(self, task: Task) -> LinearClassifier:
        """Return the machine fitted to a task's support."""
        check_shape(self.name, task, self.dim)
        rows = self.scaling(task.support_x) * task.support_mask[..., None]
        dual = support_vector_weights(rows @ rows.mT, task.support_one_hot, self.penalty)
        weight = self.log_scale.exp() * dual.mT @ rows
        return LinearClassifier(self.scaling.fold(weight), weight.new_zeros(weight.shape[:2]), normalised=True)
