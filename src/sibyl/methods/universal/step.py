"""One EM step: sufficient statistics of the query rows, slice by slice (`EStep`), and the next class means (`take_step`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sibyl.methods.universal.control import Controls
from sibyl.methods.universal.gradient_network import Entries, GradientNetwork, entry_features
from sibyl.methods.universal.neighbours import Nodes, SeenNodes, density_feature
from sibyl.methods.universal.rows import Slice, Totals
from sibyl.methods.universal.statistics import MANY_WAYS, TINY, Statistics, log_of, slice_statistics
from sibyl.methods.universal.viewpoint import Viewpoint, Viewpoints

MANY_PAIRS = 1 << 19  # pairs of an unlabelled row and a class; below, compiling takes longer than it saves


@dataclass(frozen=True, eq=False)
class TaskContext:
    """What stays the same through all steps of a batch of tasks.

    Parameters
    ----------
    support : float [task, support, dim]
        Prepared labelled rows.
    y : float [task, way, support]
        Their classes, one-hot times what each counts for; zero for padding.
    shots : float [task, way, 1]
        Labelled rows of each class, likewise weighed.
    anchor, middle : float [task, way, dim], float [task, 1, dim]
        Means of the labelled rows of each class, and the mean of those.
    nodes : Nodes
        The rows that messages come from.
    count : float [task, 1]
        Number of query rows.
    mean : float [task, 1, dim]
        Mean of the query rows; `middle` where there are none.
    shares : float [task, way], optional
        The class mix, where the caller gave it.
    first : Viewpoint
        On the anchors.
    """

    support: Float[Tensor, "task support dim"]
    y: Float[Tensor, "task way support"]
    shots: Float[Tensor, "task way 1"]
    anchor: Float[Tensor, "task way dim"]
    middle: Float[Tensor, "task 1 dim"]
    nodes: Nodes
    count: Float[Tensor, "task 1"]
    mean: Float[Tensor, "task 1 dim"]
    shares: Float[Tensor, "task way"] | None
    first: Viewpoint

    def view(self, centre: Float[Tensor, "task way dim"], controls: Controls) -> Viewpoint:
        """Return class means and the origin that rows are seen from, moved towards the queries' mean as `controls` says."""
        return Viewpoint.of(centre, self.mean, controls.shift * (self.count > 0)[..., None])

    def bias(self, controls: Controls, statistics: Statistics) -> Float[Tensor, "task way 1"]:
        """Return β times the log of the estimated class mix, blended with an even one."""
        share = (1 - controls.smoothing) * statistics.share + controls.smoothing / statistics.n_way
        return controls.mix_weight * share.clamp_min(TINY).log()


@dataclass(frozen=True, eq=False)
class State:
    """What one step hands to the next.

    Parameters
    ----------
    centre : float [task, way, dim]
        Class means.
    evidence : float [task, way, 1]
        Rows that speak for each class, the pull to the middle counted as some: ``κ n_c + Σ_i r_ic +
        τ``, without κ's factor of the class.
    statistics : Statistics
        Of the last pass.
    potential : float [task, way, 1]
        Bias of the logits in the last step.
    """

    centre: Float[Tensor, "task way dim"]
    evidence: Float[Tensor, "task way 1"]
    statistics: Statistics
    potential: Float[Tensor, "task way 1"]


@dataclass(frozen=True, eq=False)
class EStep:
    """The expectation step on a slice: assignments r, inferred gradients, and how they pull on the class means.

    It returns the fields of `Statistics`, then ``Σ_i ξ_ic u_i`` and ``Σ_i ξ_ic`` with ``ξ = λ ω p −
    r``, not yet divided by the evidence for each class.

    Parameters
    ----------
    context : TaskContext
    controls : Controls
        Of this step.
    view : Viewpoint
        On the present class means.
    bias : float [task, way, 1]
        Of the logits.
    before : Statistics
        Of the pass before.
    place : float
        0 for the first step, towards 1 for the last.
    network : GradientNetwork
        δ and ω, of which ξ is made.
    """

    context: TaskContext
    controls: Controls
    view: Viewpoint
    bias: Float[Tensor, "task way 1"]
    before: Statistics
    place: float
    network: GradientNetwork

    def logits(self, part: Slice) -> Float[Tensor, "task way row"]:
        """Return the logits of a slice under the present class means."""
        return self.controls.scale * self.view.cosines(part.unit) + self.bias

    def __call__(self, part: Slice) -> Totals:
        """Return the sums over one slice."""
        context, controls = self.context, self.controls
        prior_given = context.shares is not None
        share = self.before.share if context.shares is None else context.shares[..., None]
        (cosine, first), along = self._viewpoints(part.unit)
        logits = controls.scale * cosine + self.bias
        square = torch.linalg.vector_norm(part.unit, dim=-1)[:, None].square()  # one, but for rows of zeros
        length = (square - 2 * along[:, 2:] + context.middle.square().sum(-1, keepdim=True)).clamp_min(TINY).sqrt()
        message, density = self._nodes.messages(part, along[:, :1].mT, controls.sharpness, self.before.nodes)
        features, probability = entry_features(
            cosine, logits, first, part.graph, length, share, self.before.compactness, context.shots, message,
            density_feature(density, controls.sharpness), prior_given, self.place,
        )  # fmt: skip
        offset, counts = self._network(features)
        counts = counts * part.weight
        assigned = (logits + offset).softmax(1) * counts
        gradient = controls.query_share * probability * counts - assigned
        statistics = slice_statistics(assigned, probability, cosine, part, context.nodes.collect(assigned, part.first))
        return (*statistics, gradient @ part.unit, gradient.sum(2, keepdim=True))

    # What does not depend on the slice is made by the first one that asks.

    @cached_property
    def _viewpoints(self) -> Viewpoints:
        return Viewpoints.of(self.view, self.context.first, points=[self.context.middle])

    @cached_property
    def _nodes(self) -> SeenNodes:
        return self.context.nodes.seen_from(self.view.origin)

    @cached_property
    def _network(self) -> Entries:
        """The gradient network: as machine code, where there is so much to do that compiling pays."""
        n_pairs = float(self.context.count.sum()) * self.bias.shape[1]
        code = self.network.compiled() if n_pairs >= MANY_PAIRS else None
        return self.network if code is None else code


def take_step(e_step: EStep, totals: Totals, centre: Float[Tensor, "task way dim"], class_network: nn.Module) -> State:
    """Move the class means: the maximization step, from the statistics of a pass.

    The update in the docstring of `UniversalSIB`: class means move along ``Σ_i ξ_ic (u_i − w_c)``
    over unlabelled rows, the same over labelled ones with their labels, and the pull to the middle,
    each class in units of its evidence. ``u − w`` is the Jacobian of a Gaussian local model, ``−½
    ‖u − w‖²``: rows draw their class's mean towards themselves.

    Parameters
    ----------
    e_step : EStep
        The expectation step that `totals` come from.
    totals : tuple of tensor
        Its sums over all slices; empty where there are no query rows.
    centre : float [task, way, dim]
        Class means before the step.
    class_network : module
        Anchors and rates of single classes.
    """
    context, controls = e_step.context, e_step.controls
    statistics = Statistics.of(context.count, e_step.before.n_way, totals)
    of_rows, of_means = (one.to(centre.dtype) for one in totals[4:]) if totals else (0.0, 0.0)
    anchor, rate = _class_controls(e_step, statistics, class_network)
    seen = Viewpoint.of(centre, context.middle, controls.shift * (context.count > 0)[..., None])
    guess = (controls.scale * seen.cosines(context.support)).softmax(1) * context.y.sum(1, keepdim=True)
    labelled = anchor * (controls.support_share * guess - context.y)
    pull = of_rows + labelled @ context.support
    push = of_means + labelled.sum(2, keepdim=True)
    prior = controls.shrinkage * (centre - centre.mean(1, keepdim=True))
    evidence = anchor * context.shots + statistics.mass + controls.shrinkage
    gradient = rate / evidence * (pull - push * centre + prior)
    return State(centre - gradient, controls.anchor * context.shots + statistics.mass + controls.shrinkage, statistics, e_step.bias)


def _class_controls(
    e_step: EStep, statistics: Statistics, network: nn.Module
) -> tuple[Float[Tensor, "task way 1"], Float[Tensor, "task way 1"]]:
    """Return κ and η of each class."""
    context, mass, n_way = e_step.context, statistics.mass, statistics.n_way
    relative = mass / context.count.clamp_min(1)[..., None] * n_way
    prior_given, place, ways = (
        torch.full_like(mass, value) for value in (float(context.shares is not None), e_step.place, min(n_way, MANY_WAYS))
    )
    columns = [log_of(relative + 0.01), log_of(context.shots), mass.log1p(), prior_given, place, ways.log()]
    more_anchor, more_rate = network(torch.cat(columns, -1)).split(1, -1)
    return e_step.controls.anchor * more_anchor.exp(), e_step.controls.rate * more_rate.exp()
