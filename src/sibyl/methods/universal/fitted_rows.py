"""What the passes over the rows of a task end in: all that is said of a row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sibyl.methods.universal.classifier import UniversalClassifier
from sibyl.methods.universal.rows import Slice
from sibyl.methods.universal.self_training import PileAnswers


@dataclass(frozen=True, eq=False)
class Fitted:
    """What the passes over the rows end in: all that is said of a row of them follows from this and the row.

    Parameters
    ----------
    answer : UniversalClassifier
        The adapted one, with the blend of a pile.
    alone : UniversalClassifier
        The inductive answer.
    fell_back : bool [task]
        True where `answer` is `alone`, because there were too few unlabelled rows.
    of_pile : PileAnswers, optional
        What is said of the rows of a pile in the place of `answer`.
    """

    answer: UniversalClassifier
    alone: UniversalClassifier
    fell_back: Bool[Tensor, " task"]
    of_pile: PileAnswers | None = None

    def __call__(
        self, part: Slice
    ) -> tuple[Float[Tensor, "task way row"], Float[Tensor, "task way row"], Float[Tensor, "task row"], Float[Tensor, "task way"]]:
        """Return of a slice: logits, inductive logits, outlier scores, and the sum of the class probabilities."""
        logits = self.answer.of_slice(part) if self.of_pile is None else self.of_pile(part)
        score = torch.sigmoid(self.answer.outlier_logits(part.unit))
        return logits, self.alone.logits(part.unit), score, (logits.softmax(1) * part.weight).sum(2)
