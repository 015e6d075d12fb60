"""The label job on real photographs: 24 classes, one example each, all others unlabelled, over 20 draws of the examples.

    python runs/label_photos.py [--draws 20] [--out results]

Each draw is one run of what `sibyl label` runs. The true class of a photograph is the name of its folder, which labelling never reads.
Data: $SIBYL_DATA, or ../shared/data beside the repository. The photographs are test data: this script is run once the method is frozen.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from experiment import ROOT, commit, percent

from sibyl.labeling.request import LabelRequest
from sibyl.labeling.run import Labelling, label_items
from sibyl.methods.named import DEFAULT_METHOD
from sibyl.sources.images import find_images
from sibyl.storage import write_json, write_text

DATA = Path(os.environ.get("SIBYL_DATA", ROOT.parent / "shared" / "data"))
PHOTOS, ENCODER = DATA / "photos", DATA / "encoders" / "squeezenet1_1_features.onnx"


def true_class(item: str) -> str:
    return item.split("/")[0]


def draw_examples(seed: int) -> dict[str, str]:
    """One random photograph of each class."""
    items = [item.name for item in find_images(PHOTOS).items]
    chance = np.random.default_rng(seed)
    return {
        str(chance.choice([item for item in items if true_class(item) == name])): name for name in sorted({*map(true_class, items)})
    }


def scores(labelling: Labelling) -> dict[str, float]:
    """Accuracy on the labelled items with and without the other unlabelled ones, and how sure the labels claim to be."""
    table = labelling.table[labelling.table["status"] == "labelled"]
    truth = table["item"].map(true_class)
    return {
        "inductive": float((table["inductive_label"] == truth).mean()),
        "transductive": float((table["label"] == truth).mean()),
        "confidence": float(table["confidence"].mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    arguments = parser.parse_args()
    draws, seconds = [], []
    with tempfile.TemporaryDirectory() as cache:
        for seed in range(arguments.draws):
            started = time.perf_counter()
            labelling = label_items(LabelRequest(PHOTOS, draw_examples(seed), ENCODER, cache=cache))
            seconds.append(time.perf_counter() - started)
            draws.append({"seed": seed, **scores(labelling)})
            print(
                f"draw {seed}: " + ", ".join(f"{key} {value:.3f}" for key, value in draws[-1].items() if key != "seed"), flush=True
            )
        counts = labelling.summary.counts
        n_lines = len(labelling.table)
    on_disk = sum(1 for path in PHOTOS.rglob("*") if path.is_file())
    assert n_lines == counts.found == counts.labelled + counts.examples + counts.skipped == on_disk
    columns = {key: np.array([draw[key] for draw in draws]) for key in ("inductive", "transductive", "confidence")}
    gain = columns["transductive"] - columns["inductive"]
    rows = {
        "inductive (the same method, each photograph alone)": columns["inductive"],
        f"transductive ({DEFAULT_METHOD})": columns["transductive"],
        "paired gain": gain,
    }
    lines = [
        "# Labelling a folder of photographs",
        "",
        f"{on_disk:,} photographs (a part of Caltech-101, 128 pixels) of 24 classes; one labelled example per class, drawn at random; all",
        "others unlabelled. SqueezeNet 1.1 features, ONNX. That encoder was trained on ImageNet, which holds photographs of many of these",
        "classes: they are new to the methods, not to the encoder.",
        "",
        f"| over {arguments.draws} draws | accuracy, % | lowest | highest |",
        "|---|---|---|---|",
    ]
    for name, values in rows.items():
        mean, half = percent(values)
        lines.append(f"| {name} | {mean:+.2f} ± {half:.2f} | {100 * values.min():+.1f} | {100 * values.max():+.1f} |")
    lines += [
        "",
        "± is half the 95 % interval (Student's t) over draws of the examples; the photographs are the same in each draw.",
        f"The unlabelled photographs helped in {int((gain > 0).sum())} of {len(gain)} draws. Mean confidence "
        f"{100 * columns['confidence'].mean():.1f} %.",
        "",
        f"Every file accounted for: {counts.found:,} found = {counts.labelled:,} labelled + {counts.examples} examples + "
        f"{counts.skipped} skipped, in each draw.",
        f"First run {seconds[0]:.1f} s (encoding included), later runs {np.median(seconds[1:]):.2f} s (median, features cached), "
        f"{os.cpu_count()} cores, imports not counted, machine shared with other work.",
        "",
        f"Method: {labelling.summary.method}, not trained on these classes, but they were read more than once, with changes to the method between (docs/log.md).",
        f"Made by: `python runs/label_photos.py --draws {arguments.draws}`, commit {commit()}.",
    ]
    text = "\n".join(lines).replace("| +", "| ") + "\n"
    write_text(arguments.out / "label_photos.md", text)
    write_json(
        arguments.out / "label_photos.json",
        {
            "arguments": {"draws": arguments.draws},
            "commit": commit(),
            "versions": {name: version(name) for name in ("torch", "numpy", "onnxruntime", "pillow")},
            "encoder": labelling.summary.encoder,
            "method": labelling.summary.method,
            "draws": draws,
            "seconds": seconds,
        },
    )
    print(text)


if __name__ == "__main__":
    main()
