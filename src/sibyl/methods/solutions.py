"""What most methods say at the end: a `Solution` from a classifier of the labelled rows, or from one that the queries have changed."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from sibyl.tasks import Classifier, Solution, Task


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
