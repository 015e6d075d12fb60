"""Universal SIB: class means of the labelled rows, and K steps along gradients that a small network infers from the unlabelled ones."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.memmap import allocate_beside, has_room, is_mapped, release
from sibyl.methods.method import LearnedMethod, Objective, Traits
from sibyl.methods.universal.adaptation import adapt
from sibyl.methods.universal.blend import Blend, BlendNetwork, LocalModel
from sibyl.methods.universal.classifier import N_OUTLIER_FEATURES, UniversalClassifier
from sibyl.methods.universal.control import ControlNetwork
from sibyl.methods.universal.fitted_rows import Fitted
from sibyl.methods.universal.gradient_network import GradientNetwork
from sibyl.methods.universal.graph import FEW, spread_labels
from sibyl.methods.universal.label_weights import label_weights, weights_in_graph
from sibyl.methods.universal.mix_refinement import refine_mix, share_of_told
from sibyl.methods.universal.neighbours import Nodes
from sibyl.methods.universal.objective import PRIOR_GIVEN, given_shares, training_loss
from sibyl.methods.universal.outlier_refinement import N_REFINEMENT_FEATURES, OutlierRefinement
from sibyl.methods.universal.perceptron import perceptron
from sibyl.methods.universal.posterior import Posterior
from sibyl.methods.universal.rows import NoRows, PowerNetwork, QueryRows, Rows, power_rows
from sibyl.methods.universal.self_training import SelfTrained, share_of_trained
from sibyl.methods.universal.sparse_graph import SparseGraph
from sibyl.methods.universal.task_descriptors import N_DESCRIPTORS
from sibyl.tasks import ClassPrior, Episode, Solution, Task, class_shares

ENTRIES = 1 << 17  # pairs of a row and a class, over all tasks, that a slice holds: bounds the memory of the network
NODES_PER_ENTRY = 8  # pairs of a row and a node take less than pairs of a row and a class
READ_LATER = 2048  # nodes of a pile's graph that the classifier takes along for new rows
KEPT = 1 << 26  # numbers of prepared rows that are kept in memory between passes; more are kept in a file


class UniversalSIB(LearnedMethod):
    """SIB for any number of classes, shots and unlabelled rows, any features, any class mix.

    Rows u_i (unlabelled) and v_j (labelled, ``y_jc`` one-hot) have unit length after a power
    transform. Class means w_c begin as the means of the labelled rows of class c. w̄ is the mean of
    the class means, ū that of the unlabelled rows, v̄ that of the first class means. One step, of
    K::

        o   = w̄ + ρ (ū − w̄)                                          where rows are seen from
        ŷ_ic = s cos(u_i − o, w_c − w̄) + b_c,   p_i = softmax(ŷ_i)    what the class means say
        r_i = ω_i softmax(ŷ_i + δ_i)                                  what the gradient network infers
        q_j = softmax_c(s cos(v_j − o', w_c − w̄)),  o' = w̄ + ρ (v̄ − w̄)
        w_c ← w_c − η_c / P_c [   Σ_i (λ ω_i p_ic − r_ic) (u_i − w_c)         unlabelled rows: the synthetic gradient
                                + κ_c Σ_j (λ' q_jc − y_jc) (v_j − w_c)        labelled rows: the true one
                                + τ (w_c − w̄) ]                              a pull to the middle
        P_c = κ_c n_c + Σ_i r_ic + τ                                   evidence for class c, in rows

    ``u − w_c`` is the Jacobian of ``−½ ‖u − w_c‖²``, not of the cosine. For λ = λ' = 0 and η = 1 a
    step is the M-step of a mixture that is anchored to the labelled rows; for λ = 1 its residual is
    that of logistic regression on inferred labels.

    Nobody chooses these numbers. A control network sees what describes the task and its present
    state, and gives s, ρ, λ, λ', η, κ, τ and what b needs; a small network makes κ_c and η_c of κ
    and η for each class. So one set of weights moves class means little where unlabelled rows
    mislead and far where they inform. The gradient network gives δ (an offset on the logit of each
    pair of row and class) and ω (how much the row counts, 0 … 1). It sees the pair's own numbers,
    the sums of the class, labels that were spread once over a graph of the rows, and, at every
    step, what the row's neighbours were assigned to in the step before.

    The bias is ``b_c = β log((1 − ε) m_c + ε/C)`` with the class mix m estimated in the step
    before, or, where the caller gives the mix, the potential that makes the rows meet it (a few
    rounds of Sinkhorn in a step, to convergence in the answer).

    Where labelled rows have larger margins than unlabelled ones, as those have that a person
    confirmed among the surest answers, n_c labels count as √n_c of them, in the graph of a pile as
    one, see `label_weights`. In the inductive answer each counts for one.

    After K steps the answer is ``s cos(u − o, w_c − w̄) + b_c`` with one more set of numbers of the
    control network. Where the mix is not given, few unlabelled rows are solved again, told the mix
    that they came to, and the answers are averaged, see `refine_mix`. In a pile, more than `FEW`
    rows, the answer is blended with the graph and the inductive answer, see `Blend`, and taught to
    itself, see `SelfTrained`. The same steps
    without unlabelled rows are the inductive answer, which is also given where there are fewer than
    `min_queries_per_class` unlabelled rows per class. Two heads say how likely a row is of no class:
    `outlier` row by row, `second_outlier` once every row has a first score.

    ============== ========================================= ==================================
    symbol         here                                      in the published SIB
    ============== ========================================= ==================================
    first w        means of the labelled rows                init network λ
    δ, ω → ξ       `gradient`; ``ξ = λ ω p − r``             synthetic gradient network ξ_φ
    s, ρ, λ, …     `control` (`Controls`), `of_class`        constants
    K              `n_steps`                                 3
    q(w), p_ψ(w)   `posterior`, in training alone            said there to be left out
    ============== ========================================= ==================================

    Parameters
    ----------
    n_steps : int
        K.
    n_channels, n_hidden : int
        Width of the gradient network and of the control network.
    n_rounds : int
        Rounds of balancing in each step where the class mix is given.
    min_queries_per_class : float
        Fall back to the inductive answer below this many unlabelled rows per class.
    kl_weight : float
        Factor of the KL term in the loss; 1 is the bound.

    References
    ----------
    S. X. Hu et al., "Empirical Bayes Transductive Meta-Learning with Synthetic Gradients", ICLR 2020, arXiv 2004.12696.
    J. Hartford et al., "Deep Models of Interactions Across Sets", ICML 2018.
    """

    name: ClassVar[str] = "universal_sib"
    traits: ClassVar[Traits] = Traits(transductive=True, chunked=True, classifier=True)

    def __init__(
        self,
        n_steps: int = 6,
        n_channels: int = 32,
        n_hidden: int = 40,
        n_rounds: int = 3,
        min_queries_per_class: float = 0.0,
        kl_weight: float = 1e-3,
    ) -> None:
        super().__init__()
        self.settings = {
            "n_steps": n_steps, "n_channels": n_channels, "n_hidden": n_hidden, "n_rounds": n_rounds,
            "min_queries_per_class": min_queries_per_class, "kl_weight": kl_weight,
        }  # fmt: skip
        self.n_steps, self.n_rounds, self.kl_weight = n_steps, n_rounds, kl_weight
        self.min_queries_per_class = min_queries_per_class
        self.prior_given = PRIOR_GIVEN
        self.slice_rows: int | None = None  # rows in a slice; None: as many as `ENTRIES` allows
        self.power = PowerNetwork(16)
        self.control = ControlNetwork(N_DESCRIPTORS, n_hidden, n_steps)
        self.gradient = GradientNetwork(n_channels)
        self.of_class = perceptron(6, n_channels, 2)
        self.outlier = perceptron(N_OUTLIER_FEATURES, n_channels, 1, quiet=False)
        self.second_outlier = perceptron(N_OUTLIER_FEATURES + N_REFINEMENT_FEATURES, n_channels, 1)
        self.posterior = Posterior()
        self.blend = BlendNetwork()

    @torch.no_grad()
    def solve(self, task: Task, class_prior: ClassPrior = None) -> Solution:
        """Answer with the adapted class means; a given `class_prior` is met by the queries' soft assignments, unless they are too few.

        Of very many rows the labels spread over the graph are held, and the inductive logits come,
        in half precision, which leaves room for the rest. Where the queries lie in a file
        (`sibyl.memmap`), so does what is kept of them, and the memory does not grow.
        """
        exponent, _ = self.power(task)
        nodes = Nodes.of(task, exponent, power_rows(task.support_x, exponent))
        weights = label_weights(task, exponent, nodes)
        graph, sparse = spread_labels(task, exponent, weights_in_graph(weights))
        graph = graph if graph.numel() <= KEPT or is_mapped(graph) else graph.half()
        rows = self._query_rows(task, exponent, graph, nodes)
        fitted = self.fit_rows(task, rows, nodes, sparse, weights, class_shares(class_prior, task))

        n_query, kept = task.query_x.shape[1], rows.graph.dtype
        shape_of_logits = (task.n_tasks, n_query, task.n_way)
        logits, alone = (allocate_beside(task.query_x, shape_of_logits, one) for one in (task.query_x.dtype, kept))
        score, mix, start = task.query_x.new_empty(task.n_tasks, n_query), torch.zeros_like(task.n_shots).double(), 0
        for of_part, of_alone, of_scores, of_mix in rows.map(fitted):  # filled in place: at a million rows every copy counts
            here = slice(start, start := start + of_part.shape[2])
            logits[:, here], alone[:, here], score[:, here] = of_part.mT, of_alone.mT, of_scores
            mix += of_mix
            release(logits, alone)
        mix = mix.to(task.query_x.dtype) / rows.count.clamp_min(1)
        mix = torch.where(rows.count > 0, mix, torch.full_like(mix, 1 / task.n_way))
        return Solution(logits, alone, fitted.answer, mix, score, fitted.fell_back)

    @torch.no_grad()
    def fit_rows(
        self,
        task: Task,
        rows: Rows,
        nodes: Nodes,
        sparse: SparseGraph | None,
        weights: Float[Tensor, "task way"],
        shares: Float[Tensor, "#task way"] | None,
    ) -> Fitted:
        """Run all passes over the rows but the last, in which each is answered.

        Parameters
        ----------
        task : Task
            Only its labelled rows are looked at.
        rows : Rows
            The queries.
        nodes : Nodes
            The rows that messages come from.
        sparse : SparseGraph, optional
            The graph of a pile.
        weights : float [task, way]
            What a label of each class counts for.
        shares : float [task or 1, way], optional
            The class mix, where it is known.
        """
        exponent, shape = self.power(task)
        shares = None if shares is None else shares.expand(task.n_tasks, -1)
        none = NoRows(torch.zeros_like(rows.count))
        plain = task.support_one_hot  # for the inductive answer, which says nothing of unlabelled rows: every label counts for one
        y = plain * weights[:, None]
        transductive, _ = adapt(self, task, y, exponent, shape, nodes, rows, shares)
        inductive, _ = adapt(self, task, plain, exponent, shape, nodes, none, None)
        transductive = self._refine_outliers(transductive, task, y, rows, nodes)
        inductive = self._refine_outliers(inductive, task, plain, none, nodes)
        fell_back = rows.count[:, 0] < max(1.0, self.min_queries_per_class * task.n_way)
        answer = inductive.where(fell_back, transductive)
        n_rows = rows.count + task.n_shots.sum(1, keepdim=True)
        if sparse is not None:
            fade = torch.where(fell_back[:, None], 0.0, (n_rows / FEW - 1).clamp(0, 1))
            weighed = inductive if torch.equal(y, plain) else adapt(self, task, y, exponent, shape, nodes, none, None)[0]
            blend = Blend.of(answer.model, weighed.model, sparse.thinned(READ_LATER), rows, shares, self.blend, fade, y.sum(1))
            share = share_of_trained(n_rows, fell_back)
            answers = SelfTrained.taught(blend, sparse, rows, shares, share, plain, y.sum(1))
            return Fitted(replace(answer, blend=answers.trained), inductive, fell_back, answers)
        elif shares is None and bool((told_share := share_of_told(rows, n_rows, fell_back, task.n_way)).any()):

            def told(mix: Tensor) -> LocalModel:
                return adapt(self, task, y, exponent, shape, nodes, rows, mix, estimated=True)[0].model

            mean = refine_mix(answer.model, told, power_rows(task.support_x, exponent), y, rows, told_share)
            answer = replace(answer, blend=mean)
        return Fitted(answer, inductive, fell_back)

    def _refine_outliers(
        self, answer: UniversalClassifier, task: Task, y: Float[Tensor, "task support way"], rows: Rows, nodes: Nodes
    ) -> UniversalClassifier:
        support = power_rows(task.support_x, answer.exponent)
        second = OutlierRefinement.of(answer, support, y, rows, nodes, self.second_outlier)
        return replace(answer, second=second)

    def _query_rows(
        self, task: Task, exponent: Float[Tensor, "task 1 1"], graph: Float[Tensor, "task way query"], nodes: Nodes
    ) -> QueryRows:
        """Cut the queries into slices that bound the memory, and keep of them what is small or finds room on the disk."""
        x, n_nodes = task.query_x, nodes.unit.shape[1]
        in_files = x.numel() > KEPT and x.device.type == "cpu" and has_room(x.nbytes)
        return QueryRows(
            task, exponent, graph, nodes, self.slice_rows or rows_of_slice(task, n_nodes),
            keep=x.numel() <= KEPT or in_files, keep_products=task.query_mask.numel() * n_nodes <= KEPT // 4, in_files=in_files,
        )  # fmt: skip

    def objective(self, episode: Episode) -> Objective:
        """Return the training loss: the answer, every step's answer, the inductive answer, the outliers.

        It trains all but `second_outlier` and `blend`, which are fitted afterwards with the rest
        frozen (``runs/universal_outliers.py``, ``runs/piles_gate.py``).
        """
        task = episode.task
        shares = given_shares(episode, self.prior_given)
        exponent, shape = self.power(task)
        y = task.support_one_hot
        nodes = Nodes.of(task, exponent, power_rows(task.support_x, exponent))
        rows = QueryRows(
            task, exponent, spread_labels(task, exponent)[0], nodes, max(1, task.query_x.shape[1]), keep=True, keep_products=True
        )
        trace: list[Tensor] = []
        answer, state = adapt(self, task, y, exponent, shape, nodes, rows, shares, trace, draw=True)
        inductive, _ = adapt(self, task, y, exponent, shape, nodes, NoRows(torch.zeros_like(rows.count)), None)
        (whole,) = rows
        return training_loss(
            episode,
            logits=answer.logits(whole.unit),
            inductive=inductive.logits(whole.unit),
            on_the_way=trace,
            divergence=self.posterior.divergence(state.centre, state.evidence),
            kl_weight=self.kl_weight,
            prior_given=shares is not None,
            outlier_logits=partial(answer.outlier_logits, whole.unit),
        )


def rows_of_slice(task: Task, n_nodes: int) -> int:
    """Return how many rows of each task a slice holds."""
    return max(1, ENTRIES // (task.n_tasks * max(task.n_way, n_nodes // NODES_PER_ENTRY)))
