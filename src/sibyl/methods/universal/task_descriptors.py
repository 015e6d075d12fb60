"""Task descriptors: what the control network sees of a task before the first step, from one pass over its queries."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.methods.universal.rows import Rows, Slice, Totals
from sibyl.methods.universal.statistics import MANY_WAYS, Statistics, log_of, slice_statistics
from sibyl.methods.universal.step import TaskContext
from sibyl.methods.universal.viewpoint import best_and_margin

FIRST_SCALE = 15.0  # inverse temperature of the class probabilities before the first step
N_DESCRIPTORS = 21


@dataclass(frozen=True, eq=False)
class _FirstPass:
    """What the first pass adds up of a slice: the fields of `Statistics`, how far the best class is ahead, and the rows themselves."""

    context: TaskContext

    def __call__(self, part: Slice) -> Totals:
        """Return the sums over one slice."""
        cosine = self.context.first.cosines(part.unit)
        probability = (FIRST_SCALE * cosine).softmax(1)
        _, margin = best_and_margin(cosine)
        assigned = probability * part.weight
        return (
            *slice_statistics(assigned, probability, cosine, part, self.context.nodes.collect(assigned, part.first)),
            (margin * part.weight).sum(2),
            part.weight @ part.unit,
        )


def describe_task(
    context: TaskContext, rows: Rows, shape: Float[Tensor, "task number"]
) -> tuple[TaskContext, Float[Tensor, "task descriptor"], Statistics]:
    """Return, from one pass over the queries: the context with their mean, what describes the task, and the statistics that the first step starts from."""
    n_way = context.shots.shape[1]
    totals = rows.total(_FirstPass(context))
    statistics = Statistics.of(context.count, n_way, totals)
    gap, total = (
        (one.to(shape.dtype) for one in totals[4:])
        if totals
        else (torch.zeros_like(context.count), torch.zeros_like(context.middle))
    )
    count, shots = context.count.clamp_min(1), context.shots[..., 0]
    mean = torch.where((context.count > 0)[..., None], total / count[..., None], context.middle)
    entropy, top, _ = statistics.typical.split(1, 1)
    one = torch.ones_like(count)
    descriptors = [
        shape, log_of(shots.mean(1, keepdim=True)), log_of(shots.amin(1, keepdim=True) + 0.5), (one * min(n_way, MANY_WAYS)).log(),
        (context.count / n_way).log1p(), one * float(context.shares is not None), context.middle.square().sum(-1),
        mean.square().sum(-1), (mean - context.middle).square().sum(-1), top, gap / count, entropy,
    ]  # fmt: skip
    return replace(context, mean=mean), torch.cat(descriptors, 1), statistics
