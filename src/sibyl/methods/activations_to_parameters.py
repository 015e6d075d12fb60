"""Activations to parameters: a network turns the mean feature of a class into its classifier weights."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from sibyl.methods.adapting_method import AdaptingMethod
from sibyl.methods.classifiers import CosineClassifier, class_means
from sibyl.methods.method import Traits
from sibyl.methods.query_objective import check_shape
from sibyl.tasks import Task


class ActivationsToParameters(AdaptingMethod):
    """Predicting parameters from activations (Qiao et al., CVPR 2018, arXiv 1706.03466).

    ``w_c = φ(ā_c)`` with ``φ(a) = unit(B relu(A unit(a)))``; ``logit_ic = s x_i · w_c``.

    ======== ============ ================================================
    symbol   here         paper
    ======== ============ ================================================
    ā_c      mean         statistic of the activations of a class: their mean (its random choice among set statistics while
                          training comes down to the sampler's number of shots)
    φ        `mapping`    two layers of the features' width, from the identity, as in its code for mini-ImageNet
    s        `log_scale`  1 on raw activations; here rows have length one and s is learned, from 10
    ======== ============ ================================================

    The two maps have 2 dim² weights: 0.5 MB at 256 columns, 3.3 MB at 640.

    Parameters
    ----------
    dim : int
        Columns of the features.
    """

    name: ClassVar[str] = "activations_to_parameters"
    traits: ClassVar[Traits] = Traits(transductive=False, classifier=True)

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.settings = {"dim": dim}
        self.dim = dim
        self.mapping = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))
        for layer in (self.mapping[0], self.mapping[2]):
            assert isinstance(layer, nn.Linear)
            nn.init.eye_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())

    def adapt(self, task: Task) -> CosineClassifier:
        """Return the classifier whose weights were predicted from a task's support."""
        check_shape(self.name, task, self.dim)
        means = class_means(normalize(task.support_x, dim=-1), task.support_one_hot)
        weight: Tensor = self.mapping(normalize(means, dim=-1))
        return CosineClassifier(weight, self.log_scale.exp(), weight.new_zeros(()))
