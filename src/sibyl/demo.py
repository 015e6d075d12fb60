"""The demo: SIB learns on rendered characters of many scripts how unlabelled images help, then reads real digits from one label each;
universal SIB, as it ships, reads the same.

Nothing is downloaded: the characters are drawn from fonts that matplotlib carries, the digits come with scikit-learn. No digit is among
the characters. Settings were chosen on the validation scripts; the digits only test.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from sibyl.datasets.digits import digit_features
from sibyl.datasets.glyphs import glyph_features
from sibyl.episodes import EpisodeSampler
from sibyl.evaluation import evaluate, interval
from sibyl.features import Features, check_disjoint
from sibyl.inference import InferenceReport, LossPlane, loss_plane, report_inference
from sibyl.methods.method import LearnedMethod
from sibyl.methods.named import method_by_name
from sibyl.methods.sib import SIB
from sibyl.methods.sib.sib import machine_code
from sibyl.storage import Json
from sibyl.tasks import Episode, Task
from sibyl.training.meta_train import MetaRecipe, meta_train

N_WAY = 10
RECIPE = MetaRecipe(
    iterations=1200, episodes=4, optimizer="adamw", rate=1e-2, schedule="cosine", validate_every=200, clip=5.0, weight_decay=5e-4
)
Report = Callable[[str, int, int, str], None]


@dataclass(frozen=True, eq=False)
class DemoResult:
    """What the demo found.

    Parameters
    ----------
    inductive, transductive : float array [draw]
        Accuracy on all unlabelled digits with θ⁰ and with θᴷ, for each draw of the labelled ones.
    universal : float array [draw]
        Accuracy of universal SIB on the same, which was not trained for this and is given no class prior.
    rows, labels, before, after : int array [query]
        For the draw of median gain: the digits' rows, true classes, and both answers.
    examples : int array [10]
        For the same draw: the labelled rows.
    inference : InferenceReport
        Over the draws.
    plane : LossPlane
        Of the same draw.
    seconds : mapping
        Time of each stage.
    """

    inductive: npt.NDArray[np.float64]
    transductive: npt.NDArray[np.float64]
    universal: npt.NDArray[np.float64]
    rows: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    before: npt.NDArray[np.int64]
    after: npt.NDArray[np.int64]
    examples: npt.NDArray[np.int64]
    inference: InferenceReport
    plane: LossPlane
    seconds: dict[str, float]

    def summary(self) -> Json:
        """Return the figures for the terminal, JSON and the README."""
        figures: Json = {"draws": len(self.inductive), "unlabelled": len(self.rows)}
        figures["inductive"], figures["inductive_interval"] = interval(self.inductive)
        figures["transductive"], figures["transductive_interval"] = interval(self.transductive)
        figures["universal"], figures["universal_interval"] = interval(self.universal)
        figures["gain"], figures["gain_interval"] = interval(self.transductive - self.inductive)
        right_before, right_after = self.before == self.labels, self.after == self.labels
        figures["shown_draw"] = {
            "mended": int((~right_before & right_after).sum()),
            "spoiled": int((right_before & ~right_after).sum()),
        }
        figures["steps"] = self.inference.rows()
        return figures | {"seconds": self.seconds}


def train_reader(out: Path, report: Report, seed: int = 0) -> SIB:
    """Meta-train a 10-way SIB on the glyphs; goes on where an interrupted call stopped."""
    report("draw characters", 0, 2, "")
    train = glyph_features("train", seed=seed)
    report("draw characters", 1, 2, "")
    validation = glyph_features("validation", seed=seed)
    report("draw characters", 2, 2, f"{len(train.class_names)} characters of {_n_scripts(train)} scripts")
    check_disjoint({"train": train.class_names, "validation": validation.class_names})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sib = SIB(train.dim, N_WAY, n_steps=3, step_size=0.1, reduction="mean", normalisation="episode")
    held_out = EpisodeSampler(validation, n_way=N_WAY)

    def validate(method: LearnedMethod) -> float:
        return float(evaluate(method, held_out, 50).accuracy.mean())

    def on_step(done: int, total: int, line: Json) -> None:
        note = f"new characters: {100 * line['validation']:.1f} % right" if "validation" in line else ""
        report("meta-train SIB", done, total, note)

    if machine_code() is not None:  # the first step waits for it, for seconds, and would look stuck
        report("meta-train SIB", 0, RECIPE.iterations, "compiling, once")
    source = EpisodeSampler(train, n_way=N_WAY, seed=seed + 1)
    card: Json = {"data": "glyphs, train", "features": train.provenance}
    meta_train(sib, source, out, recipe=RECIPE, validate=validate, seed=seed, card=card, on_step=on_step)
    return sib


def _n_scripts(features: Features) -> int:
    return len({name.split("/")[0] for name in features.class_names})


def digit_draws(features: Features, n_draws: int, seed: int) -> Episode:
    """Return `n_draws` tasks: one labelled image of each digit, all others unlabelled."""
    support = np.empty((n_draws, N_WAY), np.int64)
    for draw in range(n_draws):
        generator = np.random.default_rng([seed, draw])
        support[draw] = [generator.choice(np.flatnonzero(features.labels == digit)) for digit in range(N_WAY)]
    query = np.stack([np.setdiff1d(np.arange(len(features)), chosen) for chosen in support])
    matrix = torch.from_numpy(np.asarray(features.matrix))
    task = Task(matrix[support], torch.arange(N_WAY).expand(n_draws, -1), matrix[query], N_WAY)
    return Episode(task, torch.from_numpy(features.labels[query]))


def run_demo(
    out: str | Path, report: Report = lambda stage, done, total, note: None, *, n_draws: int = 20, seed: int = 0
) -> DemoResult:
    """Train on characters, read the digits.

    Parameters
    ----------
    out : path
        Folder for the trained network.
    report : callable
        Called with stage, steps done, steps in all and a note.
    n_draws : int
        Draws of the ten labelled images.
    seed : int
        Of everything random.
    """
    began = time.perf_counter()
    sib = train_reader(Path(out), report, seed)
    trained = time.perf_counter()
    features = digit_features()
    episode = digit_draws(features, n_draws, seed)
    report("read the digits", 0, 2, "")
    solution = sib.solve(episode.task)
    assert solution.inductive_logits is not None
    before, after = solution.inductive_logits.argmax(-1), solution.predictions
    report("read the digits", 1, 2, "")
    solved = time.perf_counter()
    everyone = method_by_name("universal_sib", features.dim, N_WAY)
    universal = np.empty(n_draws)
    for draw in range(n_draws):  # one by one, as a user would; the graph of each is as large as all its rows
        report("universal SIB", draw, n_draws, "as it ships, no class prior")
        answered = everyone.solve(episode.task.take([draw])).predictions
        universal[draw] = float((answered == episode.query_y[[draw]]).double().mean())
    report("universal SIB", n_draws, n_draws, "as it ships, no class prior")
    compared = time.perf_counter()
    inductive = (before == episode.query_y).double().mean(1).numpy()
    transductive = (after == episode.query_y).double().mean(1).numpy()
    shown = int(np.argsort(transductive - inductive, kind="stable")[n_draws // 2])
    inference = report_inference(sib, [episode])
    plane = loss_plane(sib, Episode(episode.task.take([shown]), episode.query_y[[shown]]), grid=40)
    report("read the digits", 2, 2, "")
    chosen = np.array([int((features.matrix == row).all(1).argmax()) for row in episode.task.support_x[shown].numpy()])
    return DemoResult(
        inductive,
        transductive,
        universal,
        np.setdiff1d(np.arange(len(features)), chosen),
        episode.query_y[shown].numpy(),
        before[shown].numpy(),
        after[shown].numpy(),
        chosen,
        inference,
        plane,
        {"meta_train": trained - began, "solve": solved - trained, "universal": compared - solved},
    )
