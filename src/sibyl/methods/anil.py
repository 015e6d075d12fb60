"""ANIL: MAML on the head alone. A few gradient steps on the support, from an initialisation learned through them."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from sibyl.methods.adapting_method import AdaptingMethod
from sibyl.methods.classifiers import LinearClassifier
from sibyl.methods.feature_scaling import FeatureScaling
from sibyl.methods.method import Objective, Traits
from sibyl.methods.query_objective import check_shape, cross_entropy_objective
from sibyl.tasks import Episode, Task


def descend(
    weight: Float[Tensor, "task way dim"],
    bias: Float[Tensor, "task way"],
    x: Float[Tensor, "task support dim"],
    one_hot: Float[Tensor, "task support way"],
    n_steps: int,
    step_size: float,
) -> tuple[Float[Tensor, "task way dim"], Float[Tensor, "task way"]]:
    """Take gradient steps on the mean cross-entropy of a linear classifier, in closed form: ``∂L/∂w_c = mean_j (p_jc − y_jc) x_j``.

    The steps themselves are differentiable, so a gradient through them is MAML's, second-order terms included.

    Rows of `one_hot` that are zero do not count.
    """
    real = one_hot.sum(-1, keepdim=True)
    share = real / real.sum(1, keepdim=True).clamp_min(1)
    for _ in range(n_steps):
        error = ((x @ weight.mT + bias[:, None]).softmax(-1) - one_hot) * share
        weight = weight - step_size * error.mT @ x
        bias = bias - step_size * error.sum(1)
    return weight, bias


class ANIL(AdaptingMethod):
    """Almost No Inner Loop (Raghu et al., ICLR 2020, arXiv 1909.09157): MAML (Finn et al., ICML 2017) with only the head adapted.

    ``θ_t = θ − α ∇_θ L_support(θ)``, a few times; meta-training minimises ``Σ_t L_query(θ_t)`` over θ, second order.

    ======== =================== ================================================
    symbol   here                papers, mini-ImageNet
    ======== =================== ================================================
    θ        `weight`, `bias`    linear head
    body     `scaling`           convolutional network, trained by the outer loop alone; here frozen features of length √dim and
                                 a diagonal that the outer loop trains
    α        `step_size`         0.01
             `n_steps`           5 while meta-training
             `n_test_steps`      10 (Finn et al.)
    ======== =================== ================================================

    As published, each class has its own initialisation, so the order of the classes matters and their number is fixed.

    Parameters
    ----------
    dim, n_way : int
        Columns of the features; classes of every task.
    n_steps, n_test_steps : int
        Inner steps while meta-training and when solving.
    step_size : float
        α.
    """

    name: ClassVar[str] = "anil"
    traits: ClassVar[Traits] = Traits(transductive=False, equivariant=False, classifier=True)

    def __init__(self, dim: int, n_way: int, n_steps: int = 5, n_test_steps: int = 10, step_size: float = 0.01) -> None:
        super().__init__()
        self.settings = {
            "dim": dim, "n_way": n_way, "n_steps": n_steps, "n_test_steps": n_test_steps, "step_size": step_size,
        }  # fmt: skip
        self.dim, self.n_way, self.n_steps, self.n_test_steps, self.step_size = dim, n_way, n_steps, n_test_steps, step_size
        self.scaling = FeatureScaling(dim, length=dim**0.5)
        head = nn.Linear(dim, n_way)
        self.weight, self.bias = nn.Parameter(head.weight.detach().clone()), nn.Parameter(head.bias.detach().clone())

    def adapt(self, task: Task, n_steps: int | None = None) -> LinearClassifier:
        """Return the head after `n_steps` steps on a task's support, `n_test_steps` when left out."""
        check_shape(self.name, task, self.dim, self.n_way)
        weight, bias = descend(
            self.weight.expand(task.n_tasks, -1, -1),
            self.bias.expand(task.n_tasks, -1),
            self.scaling(task.support_x),
            task.support_one_hot,
            self.n_test_steps if n_steps is None else n_steps,
            self.step_size,
        )
        return LinearClassifier(self.scaling.fold(weight), bias, normalised=True)

    def objective(self, episode: Episode) -> Objective:
        """Return the mean cross-entropy of the queries after the inner steps."""
        return cross_entropy_objective(self.adapt(episode.task, self.n_steps)(episode.task.query_x), episode)
