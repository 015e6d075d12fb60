"""The encoders that work offline under the label job: results/encoders.md, encoders.json, and the figures that `sibyl encoders` shows.

    python runs/encoders.py [--draws 20] [--only NAME …] [--out results]

One labelled example of each class, all others unlabelled, the method that ships. Photographs and texts are read from $SIBYL_DATA, or
../shared/data beside the repository; the words are spoken by espeak-ng. These are test classes, which were read more than once. Features
are cached, and an encoder that was measured with the same features is not measured again, so a killed run goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from experiment import ROOT, commit
from matplotlib.figure import Figure

from sibyl.datasets import load_dataset
from sibyl.datasets.as_source import source_of
from sibyl.encoders.embed_source import embed_source
from sibyl.encoders.encoder import Encoder
from sibyl.encoders.measured import PATH
from sibyl.encoders.named import encoder_by_name
from sibyl.errors import DataError
from sibyl.evaluation import interval
from sibyl.inference_plot import ACCENT, INK, save_figure
from sibyl.labeling.examples import Examples
from sibyl.labeling.solve import solve_items
from sibyl.methods.named import DEFAULT_METHOD, method_by_name
from sibyl.sources.open import open_source
from sibyl.sources.source import Source
from sibyl.storage import read_json, write_json, write_text

DATA = Path(os.environ.get("SIBYL_DATA", ROOT.parent / "shared" / "data"))
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ENCODERS = {
    "image": ("efficientnet-lite2", "efficientnet-lite0", "conv4-cifar-fs"),
    "text": ("minilm-int8", "tfidf"),
    "audio": ("speech-embedding", "log-mel"),
}
TITLES = {
    "image": "photographs of 24 classes",
    "text": "requests of 30 intents",
    "audio": "clips of ten spoken words",
}
PACKAGES = ("torch", "numpy", "onnxruntime", "tokenizers", "pillow", "scikit-learn")


@dataclass(frozen=True)
class Pile:
    """Items of one modality with the class of each."""

    source: Source
    truth: dict[str, str]


def photographs(_: Path) -> Pile:
    source = open_source(DATA / "photos")
    return Pile(source, {name: name.split("/")[0] for name in source.names})


def requests(_: Path) -> Pile:
    """Requests of CLINC150's test domains: the network that solves the task was neither trained nor chosen on their intents."""
    texts = load_dataset("clinc150", "test", DATA / "text")
    source = source_of(texts, "clinc150")
    return Pile(source, dict(source.labels))


def spoken(folder: Path) -> Pile:
    """Ten words in 44 voices, each with its own accent, timbre, pitch and speed."""
    program = shutil.which("espeak-ng")
    if program is None:
        raise SystemExit("espeak-ng is needed for the spoken words")
    chance = np.random.default_rng(0)
    for accent in ("en", "en-us", "en-gb-scotland", "en-029"):
        for timbre in ("m1", "m2", "m3", "m4", "m5", "m7", "f1", "f2", "f3", "f4", "f5"):
            pitch, speed = str(chance.integers(30, 70)), str(chance.integers(120, 190))
            for word in WORDS:
                out = folder / word / f"{accent}-{timbre}.wav"
                out.parent.mkdir(parents=True, exist_ok=True)
                subprocess.run([program, "-v", f"{accent}+{timbre}", "-p", pitch, "-s", speed, "-w", str(out), word], check=True)
    source = open_source(folder)
    return Pile(source, {name: name.split("/")[0] for name in source.names})


PILES: dict[str, Callable[[Path], Pile]] = {"image": photographs, "text": requests, "audio": spoken}


def draw_examples(truth: dict[str, str], seed: int) -> Examples:
    """One random item of each class."""
    chance = np.random.default_rng(seed)
    by_class: dict[str, list[str]] = {}
    for name, label in truth.items():
        by_class.setdefault(label, []).append(name)
    return Examples({str(chance.choice(by_class[label])): label for label in sorted(by_class)}, tuple(sorted(by_class)))


def milliseconds(pile: Pile, encoder: Encoder[Any, Any], n_items: int = 40) -> float:
    """Processor time to read, prepare and encode an item: other work on the machine weighs little in it."""
    network = encoder.fitted_to(pile.source.decode(item.read()) for item in pile.source.items[:1000])
    items = [pile.source.items[place] for place in np.linspace(0, len(pile.source.items) - 1, n_items + 1).astype(int)]
    network.encode([network.prepare(pile.source.decode(items[0].read()))])  # the network is loaded by now
    seconds = []
    for part in np.array_split(np.arange(1, n_items + 1), 4):
        started = time.process_time()
        network.encode([network.prepare(pile.source.decode(items[place].read())) for place in part])
        seconds.append((time.process_time() - started) / len(part))
    return 1000 * float(np.median(seconds))


def measure(pile: Pile, name: str, draws: int, old: dict[str, Any]) -> dict[str, Any]:
    encoder = encoder_by_name(name)
    embedded = embed_source(pile.source, encoder)
    truth = {item: pile.truth[item] for item in embedded.names}
    rows = np.ascontiguousarray(embedded.matrix)
    fingerprint = hashlib.sha256(rows.tobytes() + repr(sorted(truth.items())).encode()).hexdigest()[:16]
    method = method_by_name(DEFAULT_METHOD, rows.shape[1], len(set(truth.values())))
    key = [repr(method), fingerprint]
    if old.get("measured_on") == key and len(old["draws"]) >= draws:
        return old | {"draws": old["draws"][:draws], "milliseconds": milliseconds(pile, encoder)}
    done = []
    for seed in range(draws):
        table = solve_items(embedded.names, rows, draw_examples(truth, seed), method).table
        table = table[table["status"] == "labelled"]
        right = table["item"].map(truth)
        done.append(
            {
                "alone": float((table["inductive_label"] == right).mean()),
                "together": float((table["label"] == right).mean()),
                "confidence": float(table["confidence"].mean()),
            }
        )
    return {
        "measured_on": key,
        "items": len(truth),
        "columns": int(rows.shape[1]),
        "milliseconds": milliseconds(pile, encoder),
        "draws": done,
    }


def mean_and_half(values: list[float]) -> tuple[float, float]:
    return interval(np.asarray(values, np.float64))


def percent(pair: tuple[float, float]) -> str:
    digits = 2 if 0.9995 <= pair[0] < 1 else 1  # what is not all is not shown as all
    return f"{100 * pair[0]:.{digits}f} ± {100 * pair[1]:.{digits}f}"


def page(results: dict[str, dict[str, Any]], draws: int, measured_at: str, remark: str = "") -> str:
    lines = [
        "# Encoders that work offline",
        "",
        "The label job from one labelled example of each class, all other items unlabelled, method",
        f"`{DEFAULT_METHOD}`. Accuracy on the other items in %; ± is half the 95 % interval (Student's t) over",
        f"{draws} draws of the examples. The first encoder of each kind is what `sibyl label` uses without",
        "`--encoder` where the extra `encoders` is installed, the last what it uses without the extra.",
        *(["", remark] if remark else []),
        "",
        "| data | encoder | columns | each item alone | with the unlabelled items | mean confidence | ms an item |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, names in ENCODERS.items():
        for name in names:
            if name not in results:
                continue
            entry = results[name]
            columns = {key: mean_and_half([draw[key] for draw in entry["draws"]]) for key in ("alone", "together", "confidence")}
            lines.append(
                f"| {entry['items']:,} {TITLES[kind]} | `{name}` | {entry['columns']:,} | {percent(columns['alone'])} | "
                f"**{percent(columns['together'])}** | {100 * columns['confidence'][0]:.1f} | {entry['milliseconds']:.1f} |"
            )
    lines += [
        "",
        "The photographs are a part of Caltech-101, 128 pixels; the requests are the 30 test intents of",
        "CLINC150; the words are spoken by 44 synthetic voices of espeak-ng. Universal SIB was not trained on",
        "these classes, but photographs and requests were read more than once, with changes to the method",
        "between (docs/log.md), and the settings of `log-mel` were chosen on words of espeak-ng among which is",
        "one of these ten, those of `speech-embedding` on ten other words in 24 other voices of it.",
        "EfficientNet-Lite was trained on ImageNet, which holds photographs of many of these 24 classes, and",
        "MiniLM on sentences of many kinds: the data are not new to the encoder.",
        "The training of universal SIB had met features of MiniLM, and other intents of CLINC150; it",
        "had met none of the other encoders here, though other Conv-4 networks of CIFAR.",
        "",
        "Milliseconds: processor time to read, prepare and encode one item on one core, the median of four",
        "parts of 40 items, on a machine shared with other work, which makes it longer.",
        "",
        f"Made by: `python runs/encoders.py --draws {draws}`, commit {measured_at}.",
    ]
    return "\n".join(lines) + "\n"


def write_figures(results: dict[str, dict[str, Any]]) -> None:
    """Write what `sibyl encoders` shows into the package."""
    figures = {}
    for kind, names in ENCODERS.items():
        for name in names:
            if name in results:
                mean, half = mean_and_half([draw["together"] for draw in results[name]["draws"]])
                data = f"{results[name]['items']:,} {TITLES[kind]}"
                rounded = {"accuracy": round(mean, 6), "half": round(half, 6)}
                figures[name] = {"data": data, **rounded, "milliseconds": round(results[name]["milliseconds"], 1)}
    write_json(PATH, figures)


def draw(results: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw the accuracies for the guide: each item alone, and with the unlabelled items."""
    shown = [(kind, name) for kind, names in ENCODERS.items() for name in names if name in results]
    figure = Figure(figsize=(8, 0.42 * len(shown) + 1.2))
    axis = figure.subplots()
    place, ticks = 0.0, []
    for number, (kind, name) in enumerate(shown):
        place += 1 if number == 0 or shown[number - 1][0] == kind else 1.6
        alone, together = (
            100 * interval(np.array([one[key] for one in results[name]["draws"]]))[0] for key in ("alone", "together")
        )
        axis.plot([alone, together], [place, place], color="#b9b5ab", linewidth=3, zorder=1)
        axis.scatter(
            [alone], [place], color="white", edgecolor=INK, s=45, zorder=2, label="each item alone" if not number else None
        )
        axis.scatter([together], [place], color=ACCENT, s=55, zorder=3, label="with the unlabelled items" if not number else None)
        ticks.append((place, f"{TITLES[kind]}\n{name}" if number == 0 or shown[number - 1][0] != kind else name))
    axis.set_yticks([at for at, _ in ticks], [text for _, text in ticks], fontsize=9)
    axis.invert_yaxis()
    axis.set_xlim(0, 102)
    axis.set_xlabel("right labels from one example of each class, %")
    axis.grid(axis="x", color="#e5e2da")
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.legend(loc="lower left", frameon=False, fontsize=9)
    figure.tight_layout()
    save_figure(figure, path)


def versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--only", nargs="*", default=[], help="Encoders to measure; all when left out.")
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = arguments.out / "encoders.json"
    try:
        results: dict[str, dict[str, Any]] = dict(read_json(path)["encoders"])
    except (DataError, KeyError):
        results = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, names in ENCODERS.items():
            wanted = [name for name in names if not arguments.only or name in arguments.only]
            if not wanted:
                continue
            pile = PILES[kind](Path(folder))
            for name in wanted:
                results[name] = measure(pile, name, arguments.draws, results.get(name, {}))
                entry = {"draws": arguments.draws, "commit": commit(), "method": DEFAULT_METHOD, "versions": versions()}
                write_json(path, entry | {"encoders": results})
                print(name, percent(mean_and_half([draw["together"] for draw in results[name]["draws"]])), flush=True)
    record = read_json(path)
    text = page(results, arguments.draws, record["commit"], record.get("remark", ""))
    write_text(arguments.out / "encoders.md", text)
    write_figures(results)
    draw(results, ROOT / "docs" / "encoders.png")
    print(text)


if __name__ == "__main__":
    main()
