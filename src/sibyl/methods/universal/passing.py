"""One step: sums over slices of the query rows (assignments, inferred gradients), and from the sums to the next class means."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sibyl.methods.universal.gradient_network import GradientNetwork, entry_features
from sibyl.methods.universal.neighbours import Nodes, density_feature
from sibyl.methods.universal.rows import Slice, Totals
from sibyl.methods.universal.step import Step
from sibyl.methods.universal.sums import MANY_WAYS, TINY, Sums, log_of, slice_sums
from sibyl.methods.universal.viewpoint import Viewpoint


@dataclass(frozen=True, eq=False)
class Setting:
    """What stays the same through all steps of a batch of tasks.

    Parameters
    ----------
    support : float [task, support, dim]
        Prepared labelled rows.
    y : float [task, way, support]
        Their classes, one-hot; zero for padding.
    shots : float [task, way, 1]
        Labelled rows of each class.
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

    def view(self, centre: Float[Tensor, "task way dim"], step: Step) -> Viewpoint:
        """Look at class means as a step says: how far from the queries' mean."""
        return Viewpoint.of(centre, self.mean, step.shift * (self.count > 0)[..., None])

    def bias(self, step: Step, sums: Sums) -> Float[Tensor, "task way 1"]:
        """Return β times the log of the estimated class mix, blended with an even one."""
        share = (1 - step.smoothing) * sums.share + step.smoothing / sums.n_way
        return step.mix_weight * share.clamp_min(TINY).log()


@dataclass(frozen=True, eq=False)
class State:
    """Where the steps stand.

    Parameters
    ----------
    centre : float [task, way, dim]
        Class means.
    evidence : float [task, way, 1]
        Rows that speak for each class, the pull to the middle counted as some: ``κ n_c + Σ_i r_ic + τ``, without κ's factor of the class.
    sums : Sums
        Of the last pass.
    potential : float [task, way, 1]
        Bias of the logits in the last step.
    """

    centre: Float[Tensor, "task way dim"]
    evidence: Float[Tensor, "task way 1"]
    sums: Sums
    potential: Float[Tensor, "task way 1"]


@dataclass(frozen=True, eq=False)
class StepSums:
    """What one step adds up of a slice: assignments r, inferred gradients, and how they pull on the class means.

    The answer holds the fields of `Sums`, then ``Σ_i ξ_ic u_i`` and ``Σ_i ξ_ic`` with ``ξ = λ ω p − r``, not yet in units of the classes'
    evidence.

    Parameters
    ----------
    setting : Setting
    step : Step
        What steers it.
    view : Viewpoint
        On the present class means.
    bias : float [task, way, 1]
        Of the logits.
    before : Sums
        Of the pass before.
    place : float
        0 for the first step, towards 1 for the last.
    network : GradientNetwork
        δ and ω, of which ξ is made.
    """

    setting: Setting
    step: Step
    view: Viewpoint
    bias: Float[Tensor, "task way 1"]
    before: Sums
    place: float
    network: GradientNetwork

    def logits(self, part: Slice) -> Float[Tensor, "task way row"]:
        """Return the logits of a slice under the present class means."""
        return self.step.scale * self.view.cosines(part.unit) + self.bias

    def __call__(self, part: Slice) -> Totals:
        """Go over one slice."""
        setting, step = self.setting, self.step
        told = setting.shares is not None
        share = self.before.share if setting.shares is None else setting.shares[..., None]
        cosine = self.view.cosines(part.unit)
        logits = step.scale * cosine + self.bias
        first = setting.first.cosines(part.unit)
        length = torch.linalg.vector_norm(part.unit - setting.middle, dim=-1)[:, None]
        message, density = setting.nodes.messages(part, self.view, step.sharpness, self.before.nodes)
        features, probability = entry_features(
            cosine, logits, first, part.graph, length, share, self.before.compactness, setting.shots, message,
            density_feature(density, step.sharpness), told, self.place,
        )  # fmt: skip
        offset, counts = self.network(features)
        counts = counts * part.weight
        assigned = (logits + offset).softmax(1) * counts
        gradient = step.query_share * probability * counts - assigned
        sums = slice_sums(assigned, probability, cosine, part, setting.nodes.collect(assigned, part.first))
        return (*sums, gradient @ part.unit, gradient.sum(2, keepdim=True))


def moved(call: StepSums, totals: Totals, centre: Float[Tensor, "task way dim"], class_network: nn.Module) -> State:
    """Take one step from the sums of a pass.

    The update in the docstring of `UniversalSIB`: class means move along ``Σ_i ξ_ic (u_i − w_c)`` over unlabelled rows, the same over
    labelled ones with their labels, and the pull to the middle, each class in units of its evidence.
    ``u − w`` is the Jacobian of a Gaussian local model, ``−½ ‖u − w‖²``: rows draw their class's mean towards themselves.

    Parameters
    ----------
    call : StepSums
        What was added up.
    totals : tuple of tensor
        The sums; empty where there are no query rows.
    centre : float [task, way, dim]
        Class means before the step.
    class_network : module
        Anchors and rates of single classes.
    """
    setting, step = call.setting, call.step
    sums = Sums.of(setting.count, call.before.n_way, totals)
    of_rows, of_means = (one.to(centre.dtype) for one in totals[4:]) if totals else (0.0, 0.0)
    anchor, rate = _of_classes(call, sums, class_network)
    seen = Viewpoint.of(centre, setting.middle, step.shift * (setting.count > 0)[..., None])
    guess = (step.scale * seen.cosines(setting.support)).softmax(1) * setting.y.sum(1, keepdim=True)
    labelled = anchor * (step.support_share * guess - setting.y)
    pull = of_rows + labelled @ setting.support
    push = of_means + labelled.sum(2, keepdim=True)
    prior = step.shrinkage * (centre - centre.mean(1, keepdim=True))
    evidence = anchor * setting.shots + sums.mass + step.shrinkage
    gradient = rate / evidence * (pull - push * centre + prior)
    return State(centre - gradient, step.anchor * setting.shots + sums.mass + step.shrinkage, sums, call.bias)


def _of_classes(call: StepSums, sums: Sums, network: nn.Module) -> tuple[Float[Tensor, "task way 1"], Float[Tensor, "task way 1"]]:
    """Return κ and η of each class."""
    setting, mass, n_way = call.setting, sums.mass, sums.n_way
    relative = mass / setting.count.clamp_min(1)[..., None] * n_way
    told, place, ways = (
        torch.full_like(mass, value) for value in (float(setting.shares is not None), call.place, min(n_way, MANY_WAYS))
    )
    columns = [log_of(relative + 0.01), log_of(setting.shots), mass.log1p(), told, place, ways.log()]
    more_anchor, more_rate = network(torch.cat(columns, -1)).split(1, -1)
    return call.step.anchor * more_anchor.exp(), call.step.rate * more_rate.exp()
