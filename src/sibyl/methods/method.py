"""The contract of a method, and the properties that each method declares and the contract tests hold it to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from inspect import signature
from typing import Any, ClassVar

from torch import Tensor, nn

from sibyl.tasks import ClassPrior, Episode, Solution, Task


@dataclass(frozen=True)
class Traits:
    """What a method declares about itself; every line is tested.

    Parameters
    ----------
    transductive : bool
        The answer for one query depends on the other queries.
    assumes_balance : bool
        Without being told otherwise the method presumes equally frequent classes among the queries.
    equivariant : bool
        Renaming the classes only renames the columns of the answer.
    batched : bool
        A batch of tasks gives what each task gives alone, padding included.
    single_query : bool
        Works with one query.
    chunked : bool
        Adaptation is a few passes over slices of the query matrix that add up.
    classifier : bool
        Ends in a classifier for new rows that agrees with the logits on the queries.
    """

    transductive: bool
    assumes_balance: bool = False
    equivariant: bool = True
    batched: bool = True
    single_query: bool = True
    chunked: bool = False
    classifier: bool = False


class Method(ABC):
    """Task → Solution.

    A method has settings but no state: the same call twice gives the same answer, whatever was solved before, and no global random
    number is drawn.
    """

    name: ClassVar[str]
    traits: ClassVar[Traits]

    @property
    def batched(self) -> bool:
        """Whether this method, with its settings, gives in a batch what each task gives alone; others are evaluated one by one."""
        return self.traits.batched

    @abstractmethod
    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer a batch of tasks.

        Parameters
        ----------
        task : Task
            Support with labels, queries without.
        class_prior : None, "balanced" or shares [n_way] or [task, n_way]
            What is known of the queries' class mix. Methods that cannot use it ignore it; those that presume balance use it in
            place of their presumption.

        Returns
        -------
        Solution
        """


@dataclass(frozen=True, eq=False)
class Objective:
    """A meta-training loss and the terms it is made of.

    Parameters
    ----------
    loss : float []
        What is minimised.
    terms : mapping of str to float tensor []
        Reported during training, for example both terms of the variational bound.
    """

    loss: Tensor
    terms: dict[str, Tensor]


class LearnedMethod(nn.Module, Method):
    """A method with parameters of its own, meta-trained over episodes.

    Subclasses keep the arguments they were built from in `settings`, so that a checkpoint can rebuild them.
    """

    settings: dict[str, Any]

    @classmethod
    def for_shape(cls, dim: int, n_way: int) -> LearnedMethod:
        """Build an untrained network with the published settings for features of `dim` columns and `n_way` classes.

        Methods that fit any dimension or number of classes do not take what they do not need. Weights are drawn from torch's global
        generator, which callers seed inside ``torch.random.fork_rng``.
        """
        shape = {"dim": dim, "n_way": n_way}
        return cls(**{name: shape[name] for name in signature(cls).parameters if name in shape})

    @abstractmethod
    def objective(self, episode: Episode) -> Objective:
        """Return the meta-training loss of a batch of episodes, differentiable in the parameters."""
