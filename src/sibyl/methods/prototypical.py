"""Prototypical Networks: squared Euclidean distance to the mean of each class."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from sibyl.methods.adapting_method import AdaptingMethod
from sibyl.methods.classifiers import LinearClassifier, class_means
from sibyl.methods.feature_scaling import FeatureScaling
from sibyl.methods.method import Traits
from sibyl.methods.query_objective import check_shape
from sibyl.tasks import Task


class PrototypicalNetworks(AdaptingMethod):
    """Prototypical Networks (Snell, Swersky & Zemel, NeurIPS 2017, arXiv 1703.05175) on frozen features.

    ``c_k = mean_{j: y_j = k} f(x_j)``; ``logit_ik = −s ‖f(x_i) − c_k‖²``, up to a number per query that softmax does not see:
    ``2 s c_k · f(x_i) − s ‖c_k‖²``, which is a linear classifier (their equation 8).

    ======== ============ =================================================
    symbol   here         paper
    ======== ============ =================================================
    f        `scaling`    convolutional network; here features of length one and a learned diagonal
    c_k      `centre`     prototype, equation 1
    s        `log_scale`  1; learned here, because frozen features cannot grow confident by themselves
    ======== ============ =================================================

    With the diagonal at one and one shot its order of classes is that of the cosine class mean: the K = 0 row of every table.

    Parameters
    ----------
    dim : int
        Columns of the features.
    diagonal : bool
        Learn one weight per column.
    """

    name: ClassVar[str] = "prototypical"
    traits: ClassVar[Traits] = Traits(transductive=False, classifier=True)

    def __init__(self, dim: int, diagonal: bool = True) -> None:
        super().__init__()
        self.settings = {"dim": dim, "diagonal": diagonal}
        self.dim = dim
        self.scaling = FeatureScaling(dim, learned=diagonal)
        # ‖a − b‖² = 2 − 2 a·b on unit rows: half the inverse temperature of a cosine.
        self.log_scale = nn.Parameter(torch.tensor(5.0).log())

    def adapt(self, task: Task) -> LinearClassifier:
        """Return the classifier of a task's prototypes."""
        check_shape(self.name, task, self.dim)
        centre = class_means(self.scaling(task.support_x), task.support_one_hot)
        scale = self.log_scale.exp()
        return LinearClassifier(self.scaling.fold(2 * scale * centre), -scale * centre.square().sum(-1), normalised=True)
