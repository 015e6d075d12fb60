"""Run each recipe of the reproduction from pixels to its table on a handful of pictures: the wiring, not the accuracy.

    python runs/sib_slices.py PICTURES WORK --out results/slices [--only cifar_fs_wrn]

PICTURES holds CIFAR-FS as class folders (``train``, ``val``, ``test``). A few pictures of each are laid out as the recipe's data set is
(for mini-ImageNet they are enlarged and saved as JPEG), the recipe runs on them with SLICE, and what it left is checked: backbone, features
of three splits, every network of the table, every cell finite. Recipes that were run before stay in the record.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiment import ROOT, commit
from PIL import Image

from sibyl.features import Features
from sibyl.storage import read_json, write_json, write_text

PER_CLASS = 20  # five labelled and fifteen queries: the least that 5-shot episodes need


@dataclass(frozen=True)
class Slice:
    """One recipe, how many classes of each split it gets, and how they are handed over.

    A named data set checks that all its classes are there; `through` "SOURCE" hands plain class folders over instead, for a network too
    large for a hundred classes on a processor.
    """

    recipe: str
    n_classes: tuple[int, int, int]
    through: str = "ROOT"
    enlarged: bool = False


SLICES = (
    Slice("cifar_fs_conv4", (64, 16, 20)),
    Slice("cifar_fs_conv4_128", (64, 16, 20)),
    Slice("cifar_fs_wrn", (5, 5, 5), through="SOURCE"),
    Slice("mini_imagenet_conv4", (8, 5, 5), enlarged=True),
    Slice("mini_imagenet_conv4_128", (8, 5, 5), enlarged=True),
    Slice("mini_imagenet_wrn", (5, 5, 5), enlarged=True),
)
DIVISOR = 5000  # of the iterations


def lay_out(pictures: Path, folder: Path, piece: Slice) -> None:
    """Copy the first pictures of the first classes; enlarged ones are neither square nor of the size that the recipe reads."""
    for split, n_classes in zip(("train", "val", "test"), piece.n_classes, strict=True):
        for source in sorted(path for path in (pictures / split).iterdir() if path.is_dir())[:n_classes]:
            target = folder / split / source.name
            target.mkdir(parents=True, exist_ok=True)
            for picture in sorted(source.iterdir())[:PER_CLASS]:
                if piece.enlarged:
                    Image.open(picture).convert("RGB").resize((100, 90)).save(target / f"{picture.stem}.jpg", quality=90)
                else:
                    shutil.copy(picture, target / picture.name)


def outcome(work: Path, name: str) -> dict[str, Any]:
    """What the recipe left behind; raises where a piece is missing."""
    table = read_json(work / f"{name}.json")["table"]
    cells = [entry["accuracy"] for row in table.values() for entry in row.values()]
    assert all(math.isfinite(value) for value in cells)
    features = {split: Features.load(work / "features" / split) for split in ("train", "validation", "test")}
    views = features["train"].views
    assert views is not None
    return {
        "backbone_bytes": (work / "backbone" / "backbone.safetensors").stat().st_size,
        "features": {split: [len(part), part.dim] for split, part in features.items()},
        "views": views.shape[1],
        "networks": len(list((work / "meta").glob("*/last.safetensors"))),
        "cells": len(cells),
        "written": [f"{name}{ending}" for ending in (".md", ".json", ".png") if (work / f"{name}{ending}").exists()],
    }


def run(pictures: Path, work: Path, piece: Slice) -> dict[str, Any]:
    """Run one recipe from nothing; its output goes to a log beside its work."""
    folder = work / piece.recipe
    shutil.rmtree(folder, ignore_errors=True)
    lay_out(pictures, folder / "pictures", piece)
    settings = {
        piece.through: str(folder / "pictures"), "WORK": str(folder / "work"), "SLICE": str(DIVISOR), "OMP_NUM_THREADS": "1",
        "SIBYL_CACHE": str(folder / "cache"),
    }  # fmt: skip
    began = time.perf_counter()
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        script = ROOT / "runs" / f"{piece.recipe}.sh"
        done = subprocess.run(["bash", str(script)], env={**os.environ, **settings}, stdout=log, stderr=log, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        tail = (folder / "log.txt").read_text(encoding="utf-8")[-2000:]
        raise SystemExit(f"{piece.recipe}: ended with {done.returncode} after {seconds:.0f} s\n{tail}")
    return {
        "command": f"{piece.through}=pictures WORK=work SLICE={DIVISOR} OMP_NUM_THREADS=1 runs/{piece.recipe}.sh",
        "classes": list(piece.n_classes), "per_class": PER_CLASS, "enlarged": piece.enlarged, "seconds": seconds, "commit": commit(),
        **outcome(folder / "work", piece.recipe),
    }  # fmt: skip


def page(record: dict[str, Any]) -> str:
    """The record as Markdown."""
    lines = [
        "# Each recipe of the reproduction, from pixels to its table, on a slice",
        "",
        f"Proven is the wiring: pre-training (one epoch), features of three splits with views, all networks of the table (iterations divided by {DIVISOR:,}, at",
        "least two), the test, table and picture. Nothing here says how accurate anything is. Pictures: the first",
        f"{PER_CLASS} of the first classes of each split of CIFAR-FS; for mini-ImageNet enlarged to 100 × 90 pixels and saved as JPEG, not its",
        "own pictures. Where a named data set insists on all its classes, the large network read plain class folders instead (SOURCE). Seconds",
        "are wall-clock on one core shared with other work.",
        "",
        "| command | classes, train / val / test | features of the splits, views | backbone | networks | cells | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for piece in SLICES:
        if piece.recipe in record:
            entry = record[piece.recipe]
            rows = " / ".join(f"{n} × {dim}" for n, dim in entry["features"].values())
            lines.append(
                f"| `{entry['command']}` | {' / '.join(map(str, entry['classes']))} | {rows}, {entry['views']} | "
                f"{entry['backbone_bytes'] / 1e6:.1f} MB | {entry['networks']} | {entry['cells']}, all finite | {entry['seconds']:.0f} |"
            )
    absent = [f"`runs/{piece.recipe}.sh`" for piece in SLICES if piece.recipe not in record]
    if absent:
        lines += ["", f"Not run through yet: {', '.join(absent)}."]
    commits = sorted({entry["commit"] for entry in record.values()})
    lines += [
        "",
        f"Made by: `python runs/sib_slices.py PICTURES WORK --out results/slices`; commit at the end of the run {', '.join(commits)}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=[piece.recipe for piece in SLICES], choices=[piece.recipe for piece in SLICES])
    arguments = parser.parse_args()
    record_path = arguments.out.with_suffix(".json")
    for piece in SLICES:
        if piece.recipe in arguments.only:
            entry = run(arguments.pictures, arguments.work.resolve(), piece)
            record = {**(read_json(record_path) if record_path.exists() else {}), piece.recipe: entry}
            write_json(record_path, record)
            write_text(arguments.out.with_suffix(".md"), page(record))
            print(json.dumps({piece.recipe: entry}))


if __name__ == "__main__":
    main()
