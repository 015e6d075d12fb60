"""One pass over the query rows: angles, posterior, inferred gradients, and what they add up to for the class means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sibyl.methods.universal.gradient_network import GradientNetwork, entry_features
from sibyl.methods.universal.neighbours import Nodes, density_feature
from sibyl.methods.universal.rows import Slice
from sibyl.methods.universal.step import Step
from sibyl.methods.universal.sums import MANY_WAYS, TINY, Sums, log_of
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
    rows : iterable of Slice
        The query rows; none for the inductive answer.
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
    rows: Iterable[Slice]
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
class Pass:
    """One step of adaptation; its three methods are what `sibyl.methods.sib.adaptation.adapt` asks for.

    Outputs travel as slices that are made when they are gone over, so that a step holds one slice at a time.

    Parameters
    ----------
    setting : Setting
    step : Step
        What steers it.
    place : float
        0 for the first step, towards 1 for the last.
    bias : float [task, way, 1]
        Of the logits.
    before : Sums
        Of the pass before.
    gradient_network, class_network : module
        ξ, and anchors and rates of single classes.
    sums : Sums
        Filled by this pass.
    logits : list
        Filled with the logits of each slice where `traced`.
    """

    setting: Setting
    step: Step
    place: float
    bias: Float[Tensor, "task way 1"]
    before: Sums
    gradient_network: GradientNetwork
    class_network: nn.Module
    traced: bool = False
    sums: Sums = field(init=False)
    logits: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sums", Sums(self.setting.count, self.before.n_way))

    def predict(self, centre: Tensor) -> Iterator[tuple[Slice, Viewpoint, Tensor]]:
        """Yield each slice with the viewpoint and its cosines."""
        view = self.setting.view(centre, self.step)
        for part in self.setting.rows:
            yield part, view, view.cosines(part.unit)

    def gradient(self, outputs: Iterator[tuple[Slice, Viewpoint, Tensor]]) -> Iterator[tuple[Slice, Tensor]]:
        """Yield each slice with its inferred gradients ``λ ω p − r``, not yet in units of the classes' evidence."""
        setting, step = self.setting, self.step
        told = setting.shares is not None
        share = self.before.share if setting.shares is None else setting.shares[..., None]
        for part, view, cosine in outputs:
            logits = step.scale * cosine + self.bias
            if self.traced:
                self.logits.append(logits)
            first = setting.first.cosines(part.unit)
            length = torch.linalg.vector_norm(part.unit - setting.middle, dim=-1)[:, None]
            message, density = setting.nodes.messages(part, view, step.sharpness, self.before.nodes)
            features, probability = entry_features(
                cosine, logits, first, part.graph, length, share, self.before.compactness, setting.shots, message,
                density_feature(density, step.sharpness), told, self.place,
            )  # fmt: skip
            offset, counts = self.gradient_network(features)
            counts = counts * part.weight
            assigned = (logits + offset).softmax(1) * counts
            self.sums.nodes = self.sums.nodes + setting.nodes.collect(assigned, part.first)
            self.sums.add(assigned, probability, cosine, part.weight)
            yield part, step.query_share * probability * counts - assigned

    def pull(self, centre: Tensor, gradients: Iterator[tuple[Slice, Tensor]]) -> Float[Tensor, "task way dim"]:
        """Add up ``Σ_i ξ_ic (u_i − w_c)`` over unlabelled and labelled rows and the prior, each class in units of its evidence.

        ``u − w`` is the Jacobian of a Gaussian local model, ``−½ ‖u − w‖²``: rows draw their class's mean towards themselves.
        """
        setting, step, sums = self.setting, self.step, self.sums
        for part, of_part in gradients:
            sums.pull = sums.pull + of_part @ part.unit
            sums.push = sums.push + of_part.sum(2, keepdim=True)
        anchor, rate = self._of_classes()
        seen = Viewpoint.of(centre, setting.middle, step.shift * (setting.count > 0)[..., None])
        guess = (step.scale * seen.cosines(setting.support)).softmax(1) * setting.y.sum(1, keepdim=True)
        labelled = anchor * (step.support_share * guess - setting.y)
        pull = sums.pull + labelled @ setting.support
        push = sums.push + labelled.sum(2, keepdim=True)
        prior = step.shrinkage * (centre - centre.mean(1, keepdim=True))
        evidence = anchor * setting.shots + sums.mass + step.shrinkage
        gradient: Tensor = rate / evidence * (pull - push * centre + prior)
        return gradient

    @property
    def evidence(self) -> Float[Tensor, "task way 1"]:
        """Rows that speak for each class, the prior counted as some."""
        return self.step.anchor * self.setting.shots + self.sums.mass + self.step.shrinkage

    def _of_classes(self) -> tuple[Float[Tensor, "task way 1"], Float[Tensor, "task way 1"]]:
        """Return κ and η of each class."""
        mass, n_way = self.sums.mass, self.sums.n_way
        relative = mass / self.setting.count.clamp_min(1)[..., None] * n_way
        told, place, ways = (
            torch.full_like(mass, value) for value in (float(self.setting.shares is not None), self.place, min(n_way, MANY_WAYS))
        )
        columns = [log_of(relative + 0.01), log_of(self.setting.shots), mass.log1p(), told, place, ways.log()]
        more_anchor, more_rate = self.class_network(torch.cat(columns, -1)).split(1, -1)
        return self.step.anchor * more_anchor.exp(), self.step.rate * more_rate.exp()
