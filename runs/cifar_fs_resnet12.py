"""SIB with ResNet-12 on CIFAR-FS, from pixels to the table: pre-train, embed, meta-train and test, all in one script.

    python runs/cifar_fs_resnet12.py IMAGES --work WORK [--epochs 20] [--precision bfloat16] [--slice 1]

IMAGES holds class folders in ``train``, ``val`` and ``test``. A killed run goes on from WORK; ``WORK/backbone/progress.jsonl`` has a
line per epoch. ResNet-12 is pre-trained in float32 by the one-cycle recipe: on a processor without bfloat16 instructions that format is
2.4 times slower. An epoch takes half an hour of one core. What is measured, and the choices made on validation classes, are those of
`runs/sib_table.py`, with the inductive methods that must be meta-trained on the same episodes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch
from experiment import RESULTS, ROOT
from piles_features import first_of_each

from sibyl.cli.embed import read_images
from sibyl.features import check_disjoint
from sibyl.storage import Json
from sibyl.training.pretrain import class_mean_score, get_recipe, pretrain, shortened

SPLITS = {"train": "train", "validation": "val", "test": "test"}
PER_CLASS = 200  # validation images of a class that choose the epoch
READING = "with Conv-4-64 they had been read before. Nothing here was chosen by them."
SIBYL = "from sibyl.cli.app import main; main()"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="folder with train, val and test")
    parser.add_argument("--work", type=Path, required=True, help="backbone, features and meta-training runs; a killed run goes on")
    parser.add_argument("--backbone", default="resnet12")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="of pre-training")
    parser.add_argument("--views", type=int, default=10, help="augmented views of each training image")
    parser.add_argument("--seeds", type=int, help="of meta-training, fewer than the protocol's")
    parser.add_argument("--rival-iterations", type=int, default=2000, help="meta-training of the learned inductive methods")
    parser.add_argument(
        "--shot", type=int, choices=(1, 5), help="stop before the test, with what this many shots need: to share the work"
    )
    parser.add_argument("--slice", type=int, default=1, help="divide all iterations by this: a trial, not a result")
    parser.add_argument("--out", type=Path, default=RESULTS / "cifar_fs_resnet12")
    parser.add_argument("--only-backbone", action="store_true", help="stop after pre-training")
    return parser.parse_args()


def train_backbone(arguments: argparse.Namespace) -> Path:
    """Pre-train on the base classes; the epoch that is best on validation classes is kept."""
    train, held_out = (read_images(str(arguments.images / part), "", None, False, 32, shown=False) for part in ("train", "val"))
    check_disjoint({"train": train.class_names, "validation": held_out.class_names})
    recipe = shortened(replace(get_recipe("one-cycle"), precision=arguments.precision), arguments.epochs)

    def on_step(done: int, total: int, line: Json) -> None:
        if done % 10 == 0 or done == total:
            print(f"step {done} of {total}, epoch {line['epoch']}, best validation {line['best']:.4f}", flush=True)

    score = class_mean_score(first_of_each(held_out, PER_CLASS), n_episodes=1000)
    return pretrain(arguments.backbone, train, arguments.work / "backbone", recipe=recipe, validate=score, on_step=on_step)


def embed(backbone: Path, arguments: argparse.Namespace) -> Path:
    """Features of the three splits, with augmented views of the training images."""
    folder: Path = arguments.work / "features"
    for split, part in SPLITS.items():
        if not (folder / split / "features.json").exists():
            words = [str(arguments.images / part), "--encoder", str(backbone), "--out", str(folder / split)]
            views = ["--views", str(arguments.views if arguments.slice == 1 else 2)] if split == "train" else []
            subprocess.run([sys.executable, "-c", SIBYL, "embed", *words, *views], check=True)
    return folder


def made(arguments: argparse.Namespace) -> str:
    """Say how the features came about."""
    best = max(
        map(json.loads, (arguments.work / "backbone" / "progress.jsonl").read_text().splitlines()),
        key=lambda line: line["validation"],
    )
    words = f"--epochs {arguments.epochs} --precision {arguments.precision} --views {arguments.views}"
    words += f" --seeds {arguments.seeds}" * bool(arguments.seeds) + f" --rival-iterations {arguments.rival_iterations}"
    return (
        f"Made by: `python runs/cifar_fs_resnet12.py IMAGES --work WORK {words}`. Backbone: {arguments.epochs} epochs of the one-cycle recipe "
        f"in {arguments.precision}; epoch {best['epoch']} is kept, with {100 * best['validation']:.1f} % on validation classes (class mean, "
        f"one shot, the first {PER_CLASS} images of each)."
    )


def main() -> None:
    arguments = parse()
    torch.set_num_threads(1)
    backbone = train_backbone(arguments)
    if arguments.only_backbone:
        return
    features = embed(backbone, arguments)
    run = [sys.executable, str(ROOT / "runs" / "sib_table.py"), str(features), str(arguments.out)]
    title = ["--title", "SIB, ResNet-12 on CIFAR-FS", "--work", str(arguments.work / "meta"), "--slice", str(arguments.slice)]
    if arguments.seeds:
        title += ["--seeds", str(arguments.seeds)]
    title += ["--made", made(arguments)]
    rivals = ["--learned", "inductive", "--learned-iterations", str(arguments.rival_iterations), "--reading", READING]
    subprocess.run([*run, *title, *rivals, *(["--shots", str(arguments.shot)] if arguments.shot else [])], check=True)


if __name__ == "__main__":
    main()
