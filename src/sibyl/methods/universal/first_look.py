"""What describes a task before the first step: one pass over its queries."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.methods.universal.passing import Setting
from sibyl.methods.universal.rows import Rows, Slice, Totals
from sibyl.methods.universal.sums import MANY_WAYS, Sums, log_of, slice_sums

FIRST_SCALE = 15.0  # inverse temperature of the first look at the queries, before any step
N_DESCRIPTORS = 21


@dataclass(frozen=True, eq=False)
class _FirstSums:
    """What the first look adds up of a slice: the fields of `Sums`, how far the best class is ahead, and the rows themselves."""

    setting: Setting

    def __call__(self, part: Slice) -> Totals:
        """Go over one slice."""
        cosine = self.setting.first.cosines(part.unit)
        probability = (FIRST_SCALE * cosine).softmax(1)
        best = cosine.topk(2, dim=1).values
        assigned = probability * part.weight
        return (
            *slice_sums(assigned, probability, cosine, part, self.setting.nodes.collect(assigned, part.first)),
            ((best[:, :1] - best[:, 1:]) * part.weight).sum(2),
            part.weight @ part.unit,
        )


def first_look(
    setting: Setting, rows: Rows, shape: Float[Tensor, "task number"]
) -> tuple[Setting, Float[Tensor, "task descriptor"], Sums]:
    """Go over the queries once: their mean, what describes the task, and the sums that the first step starts from."""
    n_way = setting.shots.shape[1]
    totals = rows.total(_FirstSums(setting))
    sums = Sums.of(setting.count, n_way, totals)
    gap, total = (
        (one.to(shape.dtype) for one in totals[4:])
        if totals
        else (torch.zeros_like(setting.count), torch.zeros_like(setting.middle))
    )
    count, shots = setting.count.clamp_min(1), setting.shots[..., 0]
    mean = torch.where((setting.count > 0)[..., None], total / count[..., None], setting.middle)
    entropy, top, _ = sums.typical.split(1, 1)
    one = torch.ones_like(count)
    descriptors = [
        shape, log_of(shots.mean(1, keepdim=True)), log_of(shots.amin(1, keepdim=True) + 0.5), (one * min(n_way, MANY_WAYS)).log(),
        (setting.count / n_way).log1p(), one * float(setting.shares is not None), setting.middle.square().sum(-1),
        mean.square().sum(-1), (mean - setting.middle).square().sum(-1), top, gap / count, entropy,
    ]  # fmt: skip
    return replace(setting, mean=mean), torch.cat(descriptors, 1), sums
