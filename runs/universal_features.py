"""The features that universal SIB is meta-trained and validated on; what is there is not made again. See universal.sh.

    python runs/universal_features.py --out runs/universal [--cifar-fs DIR] [--omniglot DIR] [--clinc150 DIR] [--squeezenet FILE]

A backbone knows the classes that it was trained on too well: their features tell of nothing that a new class has. So each image set's
training classes are divided into two halves, a backbone is trained on either, and it embeds the *other* half (cross-fitting).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from sibyl.cli.progress import progress_bar
from sibyl.datasets import load_dataset
from sibyl.datasets.as_source import source_of
from sibyl.datasets.glyphs import glyph_features, glyph_images
from sibyl.datasets.images import ImageSet
from sibyl.encoders.backbone import BackboneEncoder
from sibyl.encoders.embed_features import embed_features
from sibyl.features import Features
from sibyl.training.pretrain import class_mean_score, get_recipe, pretrain, shortened

CROSS_FITS = (  # name, data set, backbone, recipe, epochs, seed, size
    ("cifar-conv4", "cifar-fs", "conv4-64", "one-cycle", 25, 1, 32),
    ("cifar-conv4-rotation", "cifar-fs", "conv4-64", "one-cycle-rotation", 10, 2, 32),
    ("cifar-conv4-128", "cifar-fs", "conv4-128", "one-cycle", 8, 3, 32),
    ("omniglot-conv4", "omniglot", "conv4-64", "drawings", 8, 1, 32),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cifar-fs", type=Path)
    parser.add_argument("--omniglot", type=Path)
    arguments = parser.parse_args()
    roots = {"cifar-fs": arguments.cifar_fs, "omniglot": arguments.omniglot}
    for name, dataset, backbone, recipe, epochs, seed, size in CROSS_FITS:
        folders = [arguments.out / name / part for part in ("train-even", "train-odd", "validation")]
        if all((folder / "features.json").is_file() for folder in folders):
            continue
        with progress_bar(f"{name}: read images") as report:
            train, held_out = (
                load_dataset(dataset, split, roots[dataset], size=size, progress=report) for split in ("train", "validation")
            )
        assert isinstance(train, ImageSet)
        assert isinstance(held_out, ImageSet)
        settings = shortened(get_recipe(recipe), epochs)
        for parity, part in ((0, "odd"), (1, "even")):
            mine, other = train.class_names[parity::2], train.class_names[1 - parity :: 2]
            work = arguments.out / name / f"backbone-{part}"
            with progress_bar(f"{name}: pretrain for {part}") as report:

                def on_step(done: int, total: int, line: dict[str, float]) -> None:
                    report(done, total, f"epoch {line['epoch']}")

                best = pretrain(
                    backbone, train.of_classes(mine), work, recipe=replace(settings), seed=seed,
                    validate=class_mean_score(held_out, n_episodes=200), on_step=on_step,
                )  # fmt: skip
            network = BackboneEncoder(best)
            origin = {"dataset": dataset, "cross-fit": part}
            pile = source_of(train.of_classes(other), dataset)
            embed_features(pile, network, arguments.out / name / f"train-{part}", provenance=origin)
            if part == "even":
                embed_features(source_of(held_out, dataset), network, arguments.out / name / "validation", provenance=origin)
    # Pixels as they come: what a user has without any encoder.
    for split in ("train", "validation"):
        glyph_features(split, n_per_class=30).save(arguments.out / "glyphs-8" / split)
        images = glyph_images(split, size=16, n_per_class=20, seed=1)
        matrix = images.pixels.reshape(len(images), -1).astype(np.float32) / 255
        Features(matrix, images.labels, images.class_names, images.ids, {"dataset": "glyphs", "size": 16}).save(
            arguments.out / "glyphs-16" / split
        )
        if arguments.omniglot:
            drawings = load_dataset("omniglot", split, arguments.omniglot, size=14)
            assert isinstance(drawings, ImageSet)
            ink = 1 - drawings.pixels.reshape(len(drawings), -1).astype(np.float32) / 255
            Features(ink, drawings.labels, drawings.class_names, drawings.ids, {"dataset": "omniglot", "size": 14}).save(
                arguments.out / "omniglot-pixels" / split
            )


if __name__ == "__main__":
    main()
