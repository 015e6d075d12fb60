"""What most methods begin and end with: the class shares they presume, and a `Solution` from their classifier."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from sibyl.tasks import Classifier, ClassPrior, Solution, Task, class_shares


def presumed_shares(class_prior: ClassPrior, task: Task) -> Float[Tensor, "#task way"]:
    """Return `class_shares` for methods that presume balance: equal shares where nothing is known."""
    shares = class_shares("balanced" if class_prior is None else class_prior, task)
    assert shares is not None
    return shares


def query_mix(task: Task, probabilities: Float[Tensor, "task query way"]) -> Float[Tensor, "task way"]:
    """Return the mean of the probabilities over the real queries of each task."""
    return (probabilities * task.query_weight).sum(1) / task.query_weight.sum(1).clamp_min(1)


def inductive_solution(task: Task, classifier: Classifier) -> Solution:
    """Answer each query by itself."""
    logits = classifier(task.query_x)
    return Solution(logits, inductive_logits=logits, classifier=classifier)


def adapted_solution(task: Task, classifier: Classifier, inductive: Classifier) -> Solution:
    """Answer with a classifier that the queries have changed; `inductive` is what it was before."""
    logits = classifier(task.query_x)
    return Solution(logits, inductive(task.query_x), classifier, query_mix(task, logits.softmax(-1)))
