"""Adapt class means to the query rows: context, K steps, and the classifier that they end in."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sibyl.methods.classifiers import class_means
from sibyl.methods.universal.balance import approach, log_share, reach, remembered
from sibyl.methods.universal.classifier import UniversalClassifier
from sibyl.methods.universal.control import ControlNetwork, Controls
from sibyl.methods.universal.gradient_network import GradientNetwork
from sibyl.methods.universal.neighbours import Nodes
from sibyl.methods.universal.posterior import Posterior
from sibyl.methods.universal.rows import QueryRows, Rows, power_rows
from sibyl.methods.universal.step import EStep, State, TaskContext, take_step
from sibyl.methods.universal.task_descriptors import describe_task
from sibyl.methods.universal.viewpoint import ScaledCosines, Viewpoint
from sibyl.tasks import Task

LAST_ROUNDS = 10  # of balancing, where the class mix is a guess


@runtime_checkable
class Networks(Protocol):
    """What the steps need of `UniversalSIB`."""

    n_steps: int
    n_rounds: int
    control: ControlNetwork
    gradient: GradientNetwork
    of_class: nn.Sequential
    outlier: nn.Sequential
    posterior: Posterior


def adapt(
    networks: Networks,
    task: Task,
    y: Float[Tensor, "task support way"],
    exponent: Float[Tensor, "task 1 1"],
    shape: Float[Tensor, "task number"],
    nodes: Nodes,
    rows: Rows,
    shares: Float[Tensor, "task way"] | None,
    trace: list[Tensor] | None = None,
    *,
    draw: bool = False,
    estimated: bool = False,
) -> tuple[UniversalClassifier, State]:
    """Adapt to `rows` with labels `y`, one-hot times what each counts for.

    With `draw` to class means drawn from the posterior; `estimated` says that `shares` are a guess,
    which the answer need not meet to the last row.
    """
    support, shots = power_rows(task.support_x, exponent), y.sum(1)[..., None]
    anchor = class_means(support, y)
    present = (shots > 0).to(shots.dtype)
    middle = (anchor * present).sum(1, keepdim=True) / present.sum(1, keepdim=True).clamp_min(1)
    first = Viewpoint.of(anchor, middle, torch.zeros_like(exponent))
    context = TaskContext(support, y.mT.contiguous(), shots, anchor, middle, nodes, rows.count, middle, shares, first)
    context, descriptors, statistics = describe_task(context, rows, shape)
    bias = torch.zeros_like(shots) if shares is None else log_share(shares)
    state = State(anchor, shots, statistics, bias)
    for number in range(networks.n_steps):
        state = _step(networks, number, context, rows, descriptors, state, trace)
    last = networks.control(networks.n_steps, torch.cat([descriptors, state.statistics.descriptors], 1))
    centre = networks.posterior.sample(state.centre, state.evidence) if draw else state.centre
    return _answer(networks, context, rows, state, last, centre, exponent, estimated), state


def _step(
    networks: Networks,
    number: int,
    context: TaskContext,
    rows: Rows,
    descriptors: Float[Tensor, "task descriptor"],
    state: State,
    trace: list[Tensor] | None,
) -> State:
    """Choose the controls, sum over the rows, and move the class means."""
    controls = networks.control(number, torch.cat([descriptors, state.statistics.descriptors], 1))
    view = context.view(state.centre, controls)
    if context.shares is None:
        bias = context.bias(controls, state.statistics)
    else:
        score = remembered(ScaledCosines(view, controls.scale), rows, state.statistics.n_way)
        bias = approach(rows, score, context.shares, state.potential, networks.n_rounds)
    e_step = EStep(context, controls, view, bias, state.statistics, number / networks.n_steps, networks.gradient)
    if trace is not None and isinstance(rows, QueryRows):
        trace += rows.map(e_step.logits)
    return take_step(e_step, rows.total(e_step), state.centre, networks.of_class)


def _answer(
    networks: Networks,
    context: TaskContext,
    rows: Rows,
    state: State,
    last: Controls,
    centre: Float[Tensor, "task way dim"],
    exponent: Float[Tensor, "task 1 1"],
    estimated: bool,
) -> UniversalClassifier:
    """Turn adapted class means into a classifier."""
    view, n_way = context.view(centre, last), context.shots.shape[1]
    if context.shares is None:
        bias = context.bias(last, state.statistics)
    else:
        score = remembered(ScaledCosines(view, last.scale), rows, n_way)
        if estimated:
            bias = approach(rows, score, context.shares, state.potential, LAST_ROUNDS)
        else:
            bias = reach(rows, score, context.shares, state.potential)
    closest = view.cosines(context.support).amax(1) * context.y.sum(1)
    own = closest.sum(1, keepdim=True) / context.shots.sum(1).clamp_min(1)
    typical = torch.where(context.count > 0, state.statistics.typical[:, 1:2], own)[..., None]
    around, first_around = (Viewpoint.around(means, context.mean) for means in (centre, context.anchor))
    evenness = state.statistics.descriptors[:, :1]
    labelled, unlabelled = context.shots.mean(1).log1p(), (context.count / n_way).log1p() / 3
    described = torch.cat([labelled, unlabelled, evenness, last.shift[..., 0]], 1)
    return UniversalClassifier(
        exponent, view, context.first, last.scale, bias, typical, around, first_around, described, networks.outlier
    )
