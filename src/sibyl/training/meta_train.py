"""Meta-training: any learned method over episodes whose query labels are known.

The published protocol of SIB is the default: SGD with Nesterov momentum 0.9, weight decay 5e-4, constant rate 1e-3, one episode an
iteration, validation on fixed episodes every 1,000 iterations, best and last kept. A killed run, started again with the same
arguments, goes on and ends in the same parameters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

from sibyl.devices import forked
from sibyl.errors import DataError, UnknownName
from sibyl.methods.checkpoint import save_method
from sibyl.methods.method import LearnedMethod
from sibyl.seeding import generator_for
from sibyl.storage import Json, content_key
from sibyl.tasks import Episode
from sibyl.training.checkpoint import load_run, save_run
from sibyl.training.progress import write_progress

BLOCK = 64
"""Episodes drawn at once while training."""


@runtime_checkable
class EpisodeSource(Protocol):
    """Anything that gives numbered episodes; `sibyl.episodes.EpisodeSampler` is one."""

    def sample(self, start: int, n_tasks: int) -> Episode:
        """Return episodes ``start … start + n_tasks − 1`` as one batch."""


@dataclass(frozen=True)
class MetaRecipe:
    """How a method is meta-trained.

    Parameters
    ----------
    iterations, episodes : int
        Optimiser steps; episodes in each.
    optimizer : "sgd" or "adamw"
        SGD has Nesterov momentum 0.9.
    rate, weight_decay : float
        Of the optimiser.
    schedule : "constant" or "cosine"
        Of the rate; cosine falls to zero.
    validate_every : int
        Iterations between validations.
    clip : float
        Largest norm of the gradient; 0 leaves it alone.
    """

    iterations: int = 50_000
    episodes: int = 1
    optimizer: str = "sgd"
    rate: float = 1e-3
    weight_decay: float = 5e-4
    schedule: str = "constant"
    validate_every: int = 1000
    clip: float = 0.0


def build_optimizer(method: LearnedMethod, recipe: MetaRecipe) -> torch.optim.Optimizer:
    """Return the optimiser that a recipe names, or raise `UnknownName`."""
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(method.parameters(), recipe.rate, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(method.parameters(), recipe.rate, weight_decay=recipe.weight_decay)
    raise UnknownName("optimizer", recipe.optimizer, ("sgd", "adamw"))


def _stream(source: EpisodeSource, start: int, n_tasks: int, n_batches: int, at_once: int) -> Iterator[Episode]:
    """Yield batches of `n_tasks` episodes from number `start` on; drawn in larger blocks, since drawing one costs as much as drawing many."""
    per_block = max(1, at_once // n_tasks)
    for first in range(0, n_batches, per_block):
        here = min(per_block, n_batches - first)
        block = source.sample(start + first * n_tasks, here * n_tasks)
        for index in range(here):
            part = slice(index * n_tasks, (index + 1) * n_tasks)
            yield Episode(block.task.take(part), block.query_y[part])


def meta_train(
    method: LearnedMethod,
    source: EpisodeSource,
    out: str | Path,
    *,
    recipe: MetaRecipe,
    validate: Callable[[LearnedMethod], float],
    seed: int = 0,
    card: Json | None = None,
    on_step: Callable[[int, int, Json], None] = lambda done, total, report: None,
    save_every: float = 30.0,
    block: int = BLOCK,
    device: str = "cpu",
) -> Path:
    """Meta-train `method` in place.

    Parameters
    ----------
    method : LearnedMethod
        The untrained method; it ends with the parameters of the last iteration.
    source : EpisodeSource
        Episodes of the training classes.
    out : path
        Folder for ``best.safetensors``, ``last.safetensors``, ``run.safetensors`` (state while running), ``progress.jsonl`` and
        ``progress.csv`` (one line per validation: iteration, loss, its terms, validation score).
    recipe : MetaRecipe
        Optimiser, schedule and length.
    validate : callable
        Method → score on fixed episodes of validation classes; higher is better.
    seed : int
        For what the objective draws at random.
    card : mapping, optional
        Written into the checkpoints.
    on_step : callable
        Called with iterations done, iterations in all and the latest report.
    save_every : float
        Seconds between saved states.
    block : int
        Episodes drawn from `source` at once; those of an iteration where they must all have one shape.
    device : str
        Where to train; the method stays there. A run that went on elsewhere goes on here.

    Returns
    -------
    path
        The file of the last iteration (published numbers are of the last).

    Raises
    ------
    DataError
        If `out` holds a run with other arguments.
    CheckpointError
        If its state is damaged.
    """
    out = Path(out)
    last, state = out / "last.safetensors", out / "run.safetensors"
    method.to(device)
    optimizer = build_optimizer(method, recipe)
    scheduler = CosineAnnealingLR(optimizer, recipe.iterations) if recipe.schedule == "cosine" else None
    arguments = {"method": method.name, "settings": method.settings, "recipe": asdict(recipe), "seed": seed, "card": card or {}}
    progress: Json = {"key": content_key(arguments), "step": 0, "best": -1.0, "lines": [], "sums": {}}
    if state.exists():
        key = progress["key"]
        progress = load_run(state, {"method": method}, optimizer, scheduler, progress)
        if progress["key"] != key:
            raise DataError(f"{out}: holds a meta-training run with other arguments; choose another --out or delete it")
    report: Json = {"best": progress["best"]}
    saved = time.monotonic()
    first = progress["step"]
    episodes = _stream(source, first * recipe.episodes, recipe.episodes, recipe.iterations - first, block)
    for step, episode in enumerate(episodes, first):
        method.train()
        episode = Episode(episode.task.to(device), episode.query_y.to(device))
        with torch.random.fork_rng(devices=forked(device)):
            torch.manual_seed(generator_for(seed, step).initial_seed())
            objective = method.objective(episode)
        optimizer.zero_grad()
        objective.loss.backward()
        if recipe.clip:
            torch.nn.utils.clip_grad_norm_(method.parameters(), recipe.clip)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        progress["step"] = step + 1
        for name, value in {"loss": objective.loss, **objective.terms}.items():
            progress["sums"][name] = progress["sums"].get(name, 0.0) + value.item()
        if (step + 1) % recipe.validate_every == 0 or step + 1 == recipe.iterations:
            score = validate(method.eval())
            n = (step % recipe.validate_every) + 1
            report = {"iteration": step + 1, **{k: v / n for k, v in progress["sums"].items()}, "validation": score}
            progress["sums"] = {}
            progress["lines"].append(report)
            if score > progress["best"]:
                progress["best"] = score
                save_method(out / "best.safetensors", method, {**(card or {}), "training": arguments, **report})
            write_progress(out, progress["lines"])
            report = report | {"best": progress["best"]}
        if time.monotonic() - saved > save_every:
            save_run(state, {"method": method}, optimizer, scheduler, progress)
            saved = time.monotonic()
        on_step(step + 1, recipe.iterations, report)
    method.eval()
    save_run(state, {"method": method}, optimizer, scheduler, progress)
    save_method(last, method, {**(card or {}), "training": arguments, **(progress["lines"] or [{}])[-1]})
    return last
