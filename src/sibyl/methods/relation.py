"""Relation Networks: a learned network, not a distance, says how well a query goes with a class."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from sibyl.methods.adapting_method import AdaptingMethod
from sibyl.methods.classifiers import class_means
from sibyl.methods.feature_scaling import unit_scale_rows
from sibyl.methods.method import Traits
from sibyl.methods.query_objective import check_shape
from sibyl.tasks import Classifier, Task


class RelationNetwork(AdaptingMethod):
    """The relation head of Sung et al. (CVPR 2018, arXiv 1711.06025) on pairs of frozen features.

    ``r_ic = g(C(f_c, f(x_i)))``, where C joins the class's feature and the query's.

    ======== =========== ====================================================
    symbol   here        paper
    ======== =========== ====================================================
    f        encoder     four convolutional blocks, trained with g; here frozen, rows of length √dim
    f_c      mean        element-wise sum over the shots; the mean has one size for any number of shots
    g        `first`,    two convolutional blocks of 64 on feature maps, then 8 units and one; here features are vectors, so
             `head`      Linear(2 dim, `hidden`) → ReLU → Linear(`hidden`, 8) → ReLU → Linear(8, 1), without batch statistics
    loss     softmax     squared error of a sigmoid against 0 and 1; here cross-entropy over the classes, as for all methods
    ======== =========== ====================================================

    Parameters
    ----------
    dim : int
        Columns of the features.
    hidden : int
        Units of the first layer.
    """

    name: ClassVar[str] = "relation"
    traits: ClassVar[Traits] = Traits(transductive=False, classifier=True)

    def __init__(self, dim: int, hidden: int = 64) -> None:
        super().__init__()
        self.settings = {"dim": dim, "hidden": hidden}
        self.dim = dim
        self.first = nn.Linear(2 * dim, hidden)
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(hidden, 8), nn.ReLU(), nn.Linear(8, 1))

    def adapt(self, task: Task) -> Classifier:
        """Return the function from rows to relation scores with a task's classes."""
        check_shape(self.name, task, self.dim)
        # The first layer of a joined pair is the sum of two layers: classes and queries each pass it once.
        of_class, of_query = self.first.weight.split(self.dim, 1)
        centre = class_means(unit_scale_rows(task.support_x), task.support_one_hot) @ of_class.mT + self.first.bias

        def relate(x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row way"]:
            pairs = (unit_scale_rows(x) @ of_query.mT)[:, :, None] + centre[:, None]
            scores: Tensor = self.head(pairs)[..., 0]
            return scores

        return relate
