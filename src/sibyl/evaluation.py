"""Method + episodes → accuracy with its interval, calibration, seconds and memory.

The only place, beside training objectives, where query labels are read; a method sees the Task
alone.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float
from scipy.special import stdtrit
from sklearn.metrics import roc_auc_score
from torch import Tensor

from sibyl.episodes import EpisodeSampler
from sibyl.errors import DataError
from sibyl.memmap import trim
from sibyl.methods.method import Method
from sibyl.storage import Json, atomic_path
from sibyl.tasks import ClassPrior, Episode, Solution

N_BINS = 15
Floats = npt.NDArray[np.float64]


def interval(values: Floats) -> tuple[float, float]:
    """Return the mean and half the width of its 95 % interval, by Student's t, over episodes or draws."""
    n = len(values)
    spread = float(np.std(values, ddof=1)) if n > 1 else float("nan")
    return float(np.mean(values)), float(stdtrit(n - 1, 0.975)) * spread / n**0.5 if n > 1 else float("nan")


@dataclass(frozen=True)
class Evaluation:
    """What a method reached on a series of episodes.

    Parameters
    ----------
    accuracy, inductive_accuracy, nll : float array [episode]
        Share of right answers among queries that belong to one of the classes; the same for the
        answer without the other queries, NaN where the method has none; mean negative
        log-likelihood in nats.
    auroc : float array [episode]
        How well `outlier_score` (or, without one, 1 − the largest probability) ranks outliers above
        the rest; NaN without outliers.
    bins : float array [15, 3]
        Per confidence bin: number of queries, sum of confidences, number right; pooled over
        episodes.
    seconds : float
        Time inside `solve`.
    peak_memory : int
        Largest memory during the evaluation, in bytes: resident in the process (where the system
        cannot reset that mark, as outside Linux, the largest since the process began), or allocated
        on the accelerator.
    details : mapping
        What else a run wishes to keep with its figures.
    """

    accuracy: Floats
    inductive_accuracy: Floats
    nll: Floats
    auroc: Floats
    bins: Floats
    seconds: float
    peak_memory: int
    details: Json = field(default_factory=dict)

    @property
    def ece(self) -> float:
        """Expected calibration error, 15 equal bins, pooled over episodes (Guo et al. 2017)."""
        filled = self.bins[self.bins[:, 0] > 0]
        return float(np.abs(filled[:, 1] - filled[:, 2]).sum() / filled[:, 0].sum())

    @property
    def tasks_per_second(self) -> float:
        """Episodes solved per second, sampling not counted."""
        return len(self.accuracy) / self.seconds

    def summary(self) -> Json:
        """Return the figures of a results table, ready for JSON."""
        mean, half = interval(self.accuracy)
        figures: Json = {"episodes": len(self.accuracy), "accuracy": mean, "interval": half}
        if not np.isnan(self.inductive_accuracy).all():
            figures["inductive_accuracy"], figures["inductive_interval"] = interval(self.inductive_accuracy)
            figures["gain"], figures["gain_interval"] = interval(self.accuracy - self.inductive_accuracy)
        figures |= {"nll": float(self.nll.mean()), "ece": self.ece}
        if not np.isnan(self.auroc).all():
            figures["auroc"], figures["auroc_interval"] = interval(self.auroc)
        return figures | {"tasks_per_second": self.tasks_per_second, "peak_memory_mb": self.peak_memory / 1e6} | self.details

    def save(self, path: str | Path) -> None:
        """Write the per-episode results to an npz file, so that methods can be paired episode by episode."""
        with atomic_path(path) as partial, partial.open("wb") as file:
            np.savez(
                file,
                accuracy=self.accuracy,
                inductive_accuracy=self.inductive_accuracy,
                nll=self.nll,
                auroc=self.auroc,
                bins=self.bins,
                seconds=self.seconds,
                peak_memory=self.peak_memory,
                details=json.dumps(self.details),
            )

    @classmethod
    def load(cls, path: str | Path) -> Evaluation:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If the file is missing, damaged, or holds something else.
        """
        try:
            with Path(path).open("rb") as raw, warnings.catch_warnings(action="ignore"):
                if not zipfile.is_zipfile(raw):
                    raise ValueError("not an npz file")
                raw.seek(0)
                file = np.load(raw, allow_pickle=False)
                arrays = [file[name] for name in ("accuracy", "inductive_accuracy", "nll", "auroc", "bins")]
                numbers = float(file["seconds"]), int(file["peak_memory"])
                return cls(arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], *numbers, json.loads(str(file["details"])))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{path}: not per-episode results of sibyl, or damaged ({error}); delete it and evaluate again"
            ) from None


def _accuracy(logits: Float[Tensor, "task query way"], episode: Episode) -> Floats:
    right = (logits.argmax(-1) == episode.query_y) & episode.scored
    share = right.sum(1) / episode.scored.sum(1).clamp_min(1)
    return share.double().cpu().numpy()


def _auroc(solution: Solution, episode: Episode) -> Floats:
    outlier: Bool[Tensor, "task query"] = episode.task.query_mask & (episode.query_y < 0)
    score = solution.outlier_score
    if score is None:
        score = 1 - solution.probabilities.amax(-1)
    values = np.full(len(score), np.nan)
    for index in np.flatnonzero((outlier.any(1) & episode.scored.any(1)).cpu().numpy()):
        mask = episode.task.query_mask[index]
        values[index] = roc_auc_score(outlier[index][mask].cpu().numpy(), score[index][mask].cpu().numpy())
    return values


def _bins(probabilities: Float[Tensor, "task query way"], episode: Episode) -> Floats:
    confidence, answer = probabilities.max(-1)
    kept = episode.scored
    confident = confidence[kept].double().cpu().numpy()
    right = (answer == episode.query_y)[kept].double().cpu().numpy()
    place = np.minimum((confident * N_BINS).astype(int), N_BINS - 1)
    columns: list[Any] = [np.bincount(place, weight, N_BINS) for weight in (np.ones_like(right), confident, right)]
    return np.stack(columns, axis=1)


def _reset_peak_memory(device: str) -> None:
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats(device)
    trim()  # memory that was freed before, and kept by the C library, would hide what is taken now
    with suppress(OSError):  # Linux alone has it; elsewhere the mark stays where it is
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_memory(device: str) -> int:
    if device != "cpu":
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def evaluate(
    method: Method,
    sampler: EpisodeSampler,
    n_episodes: int,
    *,
    batch_size: int = 32,
    start: int = 0,
    class_prior: ClassPrior = None,
    device: str = "cpu",
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Solve episodes ``start … start + n_episodes − 1`` of a sampler and score the answers.

    Parameters
    ----------
    method : Method
        What solves them.
    sampler : EpisodeSampler
        Where they come from.
    n_episodes, batch_size, start : int
        How many, how many at once (one, for a method that is not `batched`), and the first number.
    class_prior : None, "balanced" or shares
        Handed to the method.
    device : str
        Where to solve.
    on_batch : callable
        Called with the episodes done and their number in all.

    Returns
    -------
    Evaluation
    """
    accuracy: list[Floats] = []
    inductive: list[Floats] = []
    nll: list[Floats] = []
    auroc: list[Floats] = []
    bins = np.zeros((N_BINS, 3))
    seconds = 0.0
    done = 0
    _reset_peak_memory(device)
    for episode in sampler.batches(n_episodes, batch_size if method.batched else 1, start):
        task = episode.task.to(device)
        begin = time.perf_counter()
        with torch.no_grad():
            solution = method.solve(task, class_prior)
        if device != "cpu":
            torch.cuda.synchronize()
        seconds += time.perf_counter() - begin
        episode = Episode(task, episode.query_y.to(device))
        accuracy.append(_accuracy(solution.logits, episode))
        missing = np.full(len(accuracy[-1]), np.nan)
        inductive.append(missing if solution.inductive_logits is None else _accuracy(solution.inductive_logits, episode))
        likelihood = solution.logits.log_softmax(-1).gather(-1, episode.query_y.clamp_min(0)[..., None])[..., 0]
        per_task = -(likelihood * episode.scored).sum(1) / episode.scored.sum(1).clamp_min(1)
        nll.append(per_task.double().cpu().numpy())
        auroc.append(_auroc(solution, episode))
        bins += _bins(solution.probabilities, episode)
        done += len(accuracy[-1])
        on_batch(done, n_episodes)
    joined = [np.concatenate(column) for column in (accuracy, inductive, nll, auroc)]
    return Evaluation(joined[0], joined[1], joined[2], joined[3], bins, seconds, _peak_memory(device))
