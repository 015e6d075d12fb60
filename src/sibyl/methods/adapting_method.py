"""Learned methods that make a classifier of the labelled rows of a task, and ask it about each query by itself."""

from __future__ import annotations

from abc import abstractmethod

import torch

from sibyl.methods.classifiers import LinearClassifier
from sibyl.methods.method import LearnedMethod, Objective
from sibyl.methods.query_objective import cross_entropy_objective
from sibyl.methods.solutions import inductive_solution
from sibyl.tasks import Classifier, ClassPrior, Episode, Solution, Task


class AdaptingMethod(LearnedMethod):
    """A learned method whose only step is `adapt`; it is trained on the cross-entropy of the queries."""

    @abstractmethod
    def adapt(self, task: Task) -> Classifier:
        """Return the classifier that the labelled rows of a task make, differentiable in the parameters."""

    @torch.no_grad()
    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer each query by itself; `class_prior` is not used."""
        classifier = self.adapt(task)
        if not isinstance(classifier, LinearClassifier):  # which holds tensors alone; others ask the network again
            classifier = torch.no_grad()(classifier)
        return inductive_solution(task, classifier)

    def objective(self, episode: Episode) -> Objective:
        """Return the mean cross-entropy of the queries."""
        return cross_entropy_objective(self.adapt(episode.task)(episode.task.query_x), episode)
