"""Pre-training of a backbone on the base classes with a cosine classifier.

Loss: cross-entropy of ``scale · cos(feature, weight_c)`` over the base classes (Gidaris & Komodakis 2018), the backbone recipe of
SIB. After every epoch the nearest-class-mean accuracy on validation classes is measured; the best epoch is kept. The run can be
killed at any moment: started again with the same arguments it goes on and ends in the same weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from sibyl.backbones import build_backbone
from sibyl.backbones.augment import augment
from sibyl.backbones.checkpoint import save_backbone
from sibyl.backbones.trained import TrainedBackbone
from sibyl.datasets.images import ImageSet
from sibyl.devices import forked
from sibyl.episodes import EpisodeSampler
from sibyl.errors import DataError, UnknownName
from sibyl.evaluation import evaluate
from sibyl.features import Features
from sibyl.methods.class_mean import ClassMean
from sibyl.seeding import generator_for
from sibyl.storage import Json, content_key
from sibyl.training.checkpoint import load_run, save_run
from sibyl.training.progress import write_progress

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Recipe:
    """How a backbone is pre-trained.

    Parameters
    ----------
    schedule : "published" or "one-cycle"
        ``published``: linear warm-up over `warmup` iterations, then constant, × 0.1 at epoch `drop_epoch`. ``one-cycle``: up to
        `peak_rate` over the first 30 % and down again (Smith 2018).
    epochs, batch_size : int
        Passes over the training images; images per step.
    peak_rate, weight_decay, label_smoothing : float
        SGD with Nesterov momentum 0.9.
    jitter : float
        Strength of the colour jitter; 0 leaves colours alone.
    pad : int
        Pixels of padding before the random crop.
    flip : bool
        Mirror every second image; wrong for characters, where a mirrored one is another.
    rotation : bool
        Also predict by which of four right angles an image was turned (the "+rot" of Gidaris et al. 2019), on half a batch.
    precision : "float32" or "bfloat16"
        Arithmetic of the convolutions while training; features are always computed in float32.
    """

    schedule: str = "one-cycle"
    epochs: int = 60
    batch_size: int = 128
    peak_rate: float = 0.1
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    jitter: float = 0.4
    pad: int = 4
    flip: bool = True
    rotation: bool = False
    precision: str = "float32"
    warmup: int = 6000
    drop_epoch: int = 50

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UnknownName("precision", self.precision, PRECISIONS)


RECIPES = {
    "published": Recipe(schedule="published", batch_size=64),
    "one-cycle": Recipe(precision="bfloat16"),
    "one-cycle-rotation": Recipe(precision="bfloat16", rotation=True),
    "drawings": Recipe(precision="bfloat16", epochs=30, jitter=0.0, flip=False),
}


def get_recipe(name: str) -> Recipe:
    """Return a recipe by name, or raise `UnknownName`."""
    if name not in RECIPES:
        raise UnknownName("recipe", name, RECIPES)
    return RECIPES[name]


class CosineClassifier(nn.Module):
    """``scale · cos(feature, weight_c)`` for each base class c; the scale is learned, from 10."""

    def __init__(self, dim: int, n_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_classes, dim) / dim**0.5)
        self.scale = nn.Parameter(torch.tensor(10.0))

    def forward(self, features: Tensor) -> Tensor:
        """Map features [item, dim] to logits [item, class]."""
        normalise = nn.functional.normalize
        return self.scale * normalise(features, dim=-1) @ normalise(self.weight, dim=-1).T


class _Trainee(nn.Module):
    def __init__(self, backbone: nn.Module, dim: int, n_classes: int, rotation: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = CosineClassifier(dim, n_classes)
        self.rotation = nn.Linear(dim, 4) if rotation else None


def _scheduler(optimizer: torch.optim.Optimizer, recipe: Recipe, n_per_epoch: int) -> LRScheduler:
    if recipe.schedule == "one-cycle":
        return OneCycleLR(optimizer, recipe.peak_rate, total_steps=recipe.epochs * n_per_epoch, cycle_momentum=False)
    if recipe.schedule == "published":
        drop = recipe.drop_epoch * n_per_epoch
        return LambdaLR(optimizer, lambda step: min(1.0, 1e-6 + step / recipe.warmup) * (0.1 if step >= drop else 1.0))
    raise UnknownName("schedule", recipe.schedule, ("one-cycle", "published"))


def _loss(trainee: _Trainee, pixels: Tensor, labels: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    n = len(pixels)
    if trainee.rotation is None:
        logits = trainee.classifier(trainee.backbone(pixels).float())
        return nn.functional.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
    half = n // 2
    turns = torch.randint(1, 4, (half,), generator=generator).to(labels.device)
    turned = torch.empty_like(pixels[:half])
    for turn in (1, 2, 3):
        turned[turns == turn] = torch.rot90(pixels[:half][turns == turn], turn, (2, 3))
    features = trainee.backbone(torch.cat([pixels, turned])).float()
    loss = nn.functional.cross_entropy(trainee.classifier(features[:n]), labels, label_smoothing=recipe.label_smoothing)
    angle = trainee.rotation(torch.cat([features[:half], features[n:]]))
    upright = nn.functional.cross_entropy(angle[:half], torch.zeros_like(turns))
    return loss + 0.25 * upright + 0.75 * nn.functional.cross_entropy(angle[half:], turns)


def _batches(n: int, recipe: Recipe, seed: int, epoch: int) -> Iterator[Tensor]:
    order = torch.randperm(n, generator=generator_for(seed, 1, epoch))
    yield from order[: n - n % recipe.batch_size].split(recipe.batch_size)


def channel_statistics(images: ImageSet) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over all pixels, on the scale 0 … 1."""
    sample = images.pixels.reshape(-1, images.pixels.shape[-1])
    return tuple((sample.mean(0) / 255).tolist()), tuple((sample.std(0) / 255).tolist())


def pretrain(
    name: str,
    train: ImageSet,
    out: str | Path,
    *,
    recipe: Recipe,
    validate: Callable[[TrainedBackbone], float],
    seed: int = 0,
    on_step: Callable[[int, int, Json], None] = lambda done, total, report: None,
    save_every: float = 60.0,
    device: str = "cpu",
) -> Path:
    """Train backbone `name` on the images of the base classes.

    Parameters
    ----------
    name : str
        A name of `sibyl.backbones.BACKBONES`.
    train : ImageSet
        Images of the base classes only.
    out : path
        Folder for ``backbone.safetensors`` (best epoch), ``last.safetensors``, ``run.safetensors`` (state while running),
        ``progress.jsonl`` and ``progress.csv`` (one line per epoch).
    recipe : Recipe
        Augmentation, schedule and optimiser settings.
    validate : callable
        Backbone in evaluation mode → score on validation classes; higher is better.
    seed : int
        Fixes weights, order and augmentation.
    on_step : callable
        Called with steps done, steps in all and the latest report.
    save_every : float
        Seconds between saved states.
    device : str
        Where to train; images are augmented on the processor. A run that went on elsewhere goes on here.

    Returns
    -------
    path
        The file of the best epoch.

    Raises
    ------
    DataError
        If there are fewer images than one batch.
    CheckpointError
        If `out` holds a run with other arguments or a damaged state.
    """
    out = Path(out)
    best_path = out / "backbone.safetensors"
    if len(train) < recipe.batch_size:
        raise DataError(f"{len(train)} training images are fewer than one batch of {recipe.batch_size}; give more images")
    size, n_channels = train.pixels.shape[1], train.pixels.shape[3]
    mean, std = channel_statistics(train)
    arguments = {"backbone": name, "recipe": asdict(recipe), "seed": seed, "classes": list(train.class_names), "n": len(train)}
    with torch.random.fork_rng(devices=forked(device)):
        torch.manual_seed(seed)
        backbone = build_backbone(name, size, n_channels)
        dim = backbone.eval()(torch.zeros(1, n_channels, size, size)).shape[1]
        trainee = _Trainee(backbone, dim, len(train.class_names), recipe.rotation).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trainee.to(device)
    optimizer = torch.optim.SGD(
        trainee.parameters(), recipe.peak_rate, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
    )
    n_per_epoch = len(train) // recipe.batch_size
    scheduler = _scheduler(optimizer, recipe, n_per_epoch)
    state_path = out / "run.safetensors"
    key = content_key(arguments)
    progress: Json = {"key": key, "step": 0, "best": -1.0, "loss_sum": 0.0}
    if state_path.exists():
        progress = load_run(state_path, {"trainee": trainee}, optimizer, scheduler, progress)
        if progress["key"] != key:
            raise DataError(f"{out}: holds a run with other arguments; choose another --out or delete it")

    def snapshot(epoch: int, score: float) -> TrainedBackbone:
        card = {"training": arguments, "epoch": epoch, "validation": score}
        return TrainedBackbone(trainee.backbone, name, size, dim, mean, std, card)

    images, labels = torch.from_numpy(np.array(train.pixels)), torch.from_numpy(train.labels)
    standardise = snapshot(0, 0.0).standardise
    total, kind = recipe.epochs * n_per_epoch, torch.device(device).type
    last_saved = time.monotonic()
    for epoch in range(progress["step"] // n_per_epoch, recipe.epochs):
        trainee.train()
        for index, rows in enumerate(_batches(len(train), recipe, seed, epoch)):
            step = epoch * n_per_epoch + index
            if step < progress["step"]:
                continue
            generator = generator_for(seed, 2, step)
            pixels = standardise(augment(images[rows], generator, pad=recipe.pad, jitter=recipe.jitter, flip=recipe.flip))
            pixels = pixels.to(device).contiguous(memory_format=torch.channels_last)
            with torch.autocast(kind, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
                loss = _loss(trainee, pixels, labels[rows].to(device), recipe, generator)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            progress["step"] = step + 1
            progress["loss_sum"] += loss.item()
            on_step(step + 1, total, {"epoch": epoch + 1, "best": progress["best"]})
            if time.monotonic() - last_saved > save_every and index + 1 < n_per_epoch:
                save_run(state_path, {"trainee": trainee}, optimizer, scheduler, progress)
                last_saved = time.monotonic()
        trainee.eval()
        score = validate(snapshot(epoch + 1, 0.0))
        if score > progress["best"]:
            progress["best"] = score
            save_backbone(best_path, snapshot(epoch + 1, score))
        line = {"epoch": epoch + 1, "loss": progress["loss_sum"] / n_per_epoch, "validation": score}
        progress["loss_sum"] = 0.0
        progress.setdefault("epochs", []).append(line)
        write_progress(out, progress["epochs"])
        save_backbone(out / "last.safetensors", snapshot(epoch + 1, score))
        save_run(state_path, {"trainee": trainee}, optimizer, scheduler, progress)
        last_saved = time.monotonic()
    return best_path


def class_mean_score(images: ImageSet, *, n_episodes: int = 1000, seed: int = 0) -> Callable[[TrainedBackbone], float]:
    """Return a score for `pretrain`: 5-way 1-shot accuracy of the cosine class mean on fixed episodes of validation classes."""

    def score(backbone: TrainedBackbone) -> float:
        rows = [backbone.encode(images.pixels[start : start + 512]) for start in range(0, len(images), 512)]
        features = Features(np.concatenate(rows), images.labels, images.class_names, images.ids)
        return float(evaluate(ClassMean(), EpisodeSampler(features, seed=seed), n_episodes).accuracy.mean())

    return score


def shortened(recipe: Recipe, epochs: int | None) -> Recipe:
    """Return `recipe` with another number of epochs (None leaves it); the published drop keeps its relative place."""
    if epochs is None:
        return recipe
    return replace(recipe, epochs=epochs, drop_epoch=round(epochs * recipe.drop_epoch / recipe.epochs))
