"""Tables of few columns: classes that lie one behind the other are told apart where rows are lifted, and the answer is a mean of solves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sibyl.memmap import allocate_beside, gather_rows, release, slices
from sibyl.methods import Method
from sibyl.methods.lifts import KernelLift, Lift, Lifted, MeanClassifier, SphereLift, mean_logits
from sibyl.methods.method import Traits
from sibyl.methods.sinkhorn import balanced
from sibyl.methods.universal import UniversalSIB
from sibyl.methods.universal.landmarks import hashes
from sibyl.tasks import ClassPrior, Solution, Task, class_shares

MOST_COLUMNS = 40
"""Of more columns, angles tell as much as distances do."""
LANDMARKS = 100
EXTRA_TEMPERATURE = 1.7  # chosen on made tables (docs/log.md): the fewer columns, the less rows resemble an encoder's


def table_temperature(n_columns: int) -> float:
    """Return what the logits of a table of so many columns are divided by, 1 from `MOST_COLUMNS` on."""
    return 1 + EXTRA_TEMPERATURE * max(0.0, 1 - n_columns / MOST_COLUMNS)


def for_table(method: Method, n_columns: int) -> Method:
    """Return what solves a table: of few columns universal SIB over lifts, any other method and table as before."""
    return OverLifts(method) if isinstance(method, UniversalSIB) and n_columns <= MOST_COLUMNS else method


@dataclass(frozen=True, eq=False)
class OverLifts(Method):
    """The mean of the probabilities of three solves: of the rows, of the rows on a sphere, of the rows under a kernel.

    The universal network was trained on features of encoders and is too sure of rows of few columns, so the logarithms of the
    mean are divided by a `table_temperature`. It changes no label; a given class mix is met again
    afterwards.

    It solves a batch of one. The lifts follow from all rows, labelled or not, in whatever order they come.

    Parameters
    ----------
    method : UniversalSIB
        What solves each.
    """

    method: UniversalSIB

    name: ClassVar[str] = UniversalSIB.name
    traits: ClassVar[Traits] = UniversalSIB.traits

    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the mean; each solve is told what is known of the class mix."""
        shares = class_shares(class_prior, task)
        solved = [self.method.solve(task, class_prior)]
        for lift in lifts_of(task):
            found = self.method.solve(_lifted(task, lift), class_prior)
            assert found.classifier is not None
            solved.append(replace(found, classifier=Lifted(lift, found.classifier)))
        mean = _mean(solved, table_temperature(task.query_x.shape[-1]))
        fell_back = mean.fell_back is not None and bool(mean.fell_back.all())
        return mean if shares is None or fell_back else _meeting(mean, shares, task.query_mask)


def lifts_of(task: Task) -> tuple[SphereLift, KernelLift]:
    """Fit the lifts to the rows of a task."""
    count = task.support_mask.sum() + task.query_mask.sum()
    parts = [(task.support_x, task.support_mask), (task.query_x, task.query_mask)]
    total = sum((x[0, part] * real[0, part, None]).sum(0, dtype=torch.float64) for x, real in parts for part in slices(x[0]))
    centre = (total / count).to(task.query_x)[None, None]
    apart = torch.cat([_lengths(x, centre)[real] for x, real in parts])
    size = apart.median()
    size = torch.where(size > 0, size, torch.ones_like(size))
    return SphereLift(centre, size[None, None, None]), KernelLift.of(_landmarks(task), centre)


def _lengths(x: Float[Tensor, "1 row dim"], centre: Float[Tensor, "1 1 dim"]) -> Float[Tensor, "1 row"]:
    lengths = x.new_empty(x.shape[:2])
    for part in slices(x[0]):
        lengths[:, part] = torch.linalg.vector_norm(x[:, part] - centre, dim=-1)
        release(x)
    return lengths


def _landmarks(task: Task) -> Float[Tensor, "landmark dim"]:
    """Choose the rows whose bytes have the smallest hash, each of equal ones once."""
    labelled = Task(task.support_x, task.support_y, task.support_x, task.n_way, query_mask=task.support_mask)
    keys, places = torch.cat([hashes(labelled), hashes(task)], 1)[0].sort(stable=True)
    is_new = torch.ones_like(keys, dtype=torch.bool)
    is_new[1:] = keys[1:] != keys[:-1]
    is_new &= keys < torch.iinfo(torch.int64).max
    chosen = places[is_new][:LANDMARKS]
    n = task.support_x.shape[1]
    of_labelled, of_queries = chosen[chosen < n], chosen[chosen >= n] - n
    return torch.cat([task.support_x[0, of_labelled], gather_rows(task.query_x, of_queries[None])[0]])


def _lifted(task: Task, lift: Lift) -> Task:
    query_x = allocate_beside(task.query_x, (1, task.query_x.shape[1], lift.n_columns))
    for part in slices(query_x[0]):
        query_x[:, part] = lift(task.query_x[:, part])
        release(query_x, task.query_x)
    return replace(task, support_x=lift(task.support_x), query_x=query_x)


def _mean(solved: list[Solution], temperature: float) -> Solution:
    """Average, without a class mix: who calls knows it from the probabilities."""
    for name in ("logits", "inductive_logits"):
        several = [getattr(one, name) for one in solved]
        for part in slices(several[0][0]):  # in place: of a million rows every copy counts
            several[0][:, part] = mean_logits([one[:, part].float() for one in several], temperature)
            release(*several)
    score = torch.stack([one.outlier_score for one in solved if one.outlier_score is not None]).mean(0)
    classifier = MeanClassifier(tuple(one.classifier for one in solved if one.classifier is not None), temperature)
    return replace(solved[0], classifier=classifier, class_mix=None, outlier_score=score)


def _meeting(mean: Solution, shares: Float[Tensor, "#task way"], mask: Bool[Tensor, "task query"]) -> Solution:
    """Add the bias to the logits, in place, with which the queries meet the class mix."""
    logits, count = mean.logits, mask.sum().clamp_min(1)

    def met(bias: Tensor, curved: bool) -> tuple[Tensor, Tensor | None]:
        sums, products = torch.zeros_like(bias), bias.new_zeros(1, bias.shape[1], bias.shape[1])
        for part in slices(logits[0]):
            plan = (logits[0, part].to(bias) + bias[0, :, 0]).softmax(-1) * mask[0, part, None]
            sums += plan.sum(0)[None, :, None]
            if curved:
                products += (plan.mT @ plan)[None]
            release(logits)
        return sums / count, products / count if curved else None

    bias = balanced(met, shares.double(), shares.new_zeros(1, shares.shape[-1], 1, dtype=torch.float64), tolerance=1e-6).mT
    for part in slices(logits[0]):
        logits[:, part] += bias.to(logits)
        release(logits)
    assert isinstance(mean.classifier, MeanClassifier)
    return replace(mean, classifier=replace(mean.classifier, bias=bias.to(logits)))
