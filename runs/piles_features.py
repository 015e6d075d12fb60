"""Features of the piles that universal SIB's gate is trained, chosen and measured on; what is there is not made again.

    python runs/piles_features.py --out runs/piles --cifar-fs DIR --omniglot DIR --squeezenet FILE [--split train]

Writes ``NAME/{train,validation,test}``: CIFAR-FS under SqueezeNet, under the shipped Conv-4 (whose own training classes are left out) and
as pixels; Omniglot as pixels. Sentences and photographs come from ``sibyl embed``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from sibyl.cli.progress import progress_bar
from sibyl.datasets import load_dataset
from sibyl.datasets.images import ImageSet
from sibyl.encoders.named import encoder_by_name
from sibyl.features import Features

PER_CLASS = {"train": 200, "validation": 600, "test": 300}
BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cifar-fs", type=Path)
    parser.add_argument("--omniglot", type=Path)
    parser.add_argument("--squeezenet", type=Path)
    parser.add_argument("--split", action="append", choices=tuple(PER_CLASS), help="all without it")
    arguments = parser.parse_args()
    for split in arguments.split or PER_CLASS:
        if arguments.omniglot:
            drawings = load_images("omniglot", split, arguments.omniglot, size=20)
            keep(arguments.out / "omniglot-pixels" / split, drawings, np.float32(1) - as_rows(drawings.pixels) / np.float32(255))
        if arguments.cifar_fs:
            images = first_of_each(load_images("cifar-fs", split, arguments.cifar_fs), PER_CLASS[split])
            halves = images.pixels.reshape(len(images), 16, 2, 16, 2, 3).mean((2, 4), dtype=np.float32)
            keep(arguments.out / "cifar-pixels" / split, images, as_rows(halves) / np.float32(255))
            if split != "train":
                embed(arguments.out / "cifar-conv4" / split, images, "conv4-cifar-fs")
            if arguments.squeezenet:
                embed(arguments.out / "cifar-squeezenet" / split, images, str(arguments.squeezenet))


def load_images(name: str, split: str, root: Path, size: int | None = None) -> ImageSet:
    images = load_dataset(name, split, root, size=size)
    assert isinstance(images, ImageSet)
    return images


def as_rows(pixels: npt.NDArray[np.uint8] | npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return pixels.reshape(len(pixels), -1).astype(np.float32)


def first_of_each(images: ImageSet, n: int) -> ImageSet:
    return images.take(np.concatenate([np.flatnonzero(images.labels == label)[:n] for label in range(len(images.class_names))]))


def embed(folder: Path, images: ImageSet, encoder_name: str) -> None:
    if (folder / "features.json").is_file():
        return
    encoder, rows = encoder_by_name(encoder_name), []
    with progress_bar(f"{folder.parent.name}/{folder.name}") as report:
        for start in range(0, len(images), BATCH):
            batch = [encoder.prepare(Image.fromarray(pixels)) for pixels in images.pixels[start : start + BATCH]]
            rows.append(encoder.encode(batch))
            report(start + len(batch), len(images))
    keep(folder, images, np.concatenate(rows))


def keep(folder: Path, images: ImageSet, matrix: npt.NDArray[np.float32]) -> None:
    if not (folder / "features.json").is_file():
        Features(matrix, images.labels, images.class_names, images.ids, {"split": folder.name}).save(folder)


if __name__ == "__main__":
    main()
