"""The label job with the truth at hand: one labelled example per class, over 20 draws, on photographs, texts, digits and tables.

    runs/label.sh [--draws 20] [--method NAME] [--texts FEATURES] [--out results]

Accuracy of each item alone (inductive) beside that with the unlabelled items (transductive), on the same examples, so that the gain is
paired. Features are computed once; each draw solves what `sibyl label` solves. A draw that was measured with the same features and
method is not measured again, so a killed run goes on. Data: $SIBYL_DATA, or ../shared/data beside the repository; `--texts` are features of
CLINC150's 30 test intents, as `sibyl embed clinc150 --split test` writes them. The page says of each set what meta-training had met of it.
The figures on calibration that a report cites are written into the package.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from experiment import ROOT, commit, percent
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.metrics import roc_auc_score

from sibyl.compare.fingerprints import method_checksum
from sibyl.datasets.as_source import source_of
from sibyl.datasets.clinc150 import load_clinc150
from sibyl.encoders.catalogue import default_encoder
from sibyl.encoders.embed_source import embed_source
from sibyl.encoders.named import encoder_by_name
from sibyl.errors import DataError
from sibyl.features import Features
from sibyl.labeling.examples import Examples
from sibyl.labeling.solve import solve_items
from sibyl.methods import Method
from sibyl.methods.named import DEFAULT_METHOD, method_by_name
from sibyl.sources.item import Item
from sibyl.sources.open import open_source
from sibyl.sources.source import Source
from sibyl.storage import Json, read_json, write_json, write_text
from sibyl.transduction.tables import for_table

DATA = Path(os.environ.get("SIBYL_DATA", ROOT.parent / "shared" / "data"))
READ_BY = {
    "photos": "squeezenet", "photos_mixed": "squeezenet", "clinc150": "MiniLM", "clinc150_tfidf": "tfidf", "wine": "table",
    "breast_cancer": "table",
}  # fmt: skip
CALIBRATION = ROOT / "src" / "sibyl" / "labeling" / "calibration.json"
ENCODER = DATA / "encoders" / "squeezenet1_1_features.onnx"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TABLE_MET = "nothing; read before, while lifts for tables were tried"
SPEECH_MET = "nothing; the encoder's settings were chosen on other words in other voices of espeak-ng"
PART = 0.01  # a loss that counts


@dataclass(frozen=True)
class Pile:
    """A set with its truth; items of none of the classes are called an empty text. `met`: what of it meta-training had met."""

    key: str
    words: str
    met: str
    names: tuple[str, ...]
    matrix: np.ndarray
    truth: dict[str, str]
    encoder: str = ""
    is_table: bool = False

    @property
    def fingerprint(self) -> str:
        text = json.dumps([self.names, [self.truth[name] for name in self.names]])
        return hashlib.sha256(np.ascontiguousarray(self.matrix).tobytes() + text.encode()).hexdigest()[:16]

    def draw(self, seed: int) -> Examples:
        """One random item of each class."""
        chance = np.random.default_rng(seed)
        by_class: dict[str, list[str]] = {}
        for name in self.names:
            by_class.setdefault(self.truth[name], []).append(name)
        classes = sorted(name for name in by_class if name)
        return Examples({str(chance.choice(by_class[name])): name for name in classes}, tuple(classes))


def piles(texts: Path | None) -> Iterator[Pile]:
    if (DATA / "photos").is_dir():
        yield photographs("photos", "24 classes of photographs (part of Caltech-101), SqueezeNet features", others=False)
        yield photographs("photos_mixed", "the same, among 80 photographs of none of the classes", others=True)
    if texts is not None:
        yield of_features(
            "clinc150", "the 30 test intents of CLINC150 requests, MiniLM features", "encoder; other intents of the set", texts
        )
    if (DATA / "text").is_dir():
        yield requests("clinc150_tfidf", "the 30 test intents of CLINC150 requests, tf-idf features", "other intents of the set")
    digits = load_digits()
    names = tuple(map(str, range(len(digits.target))))
    truth = dict(zip(names, map(str, digits.target), strict=True))
    matrix = np.asarray(digits.data, np.float32)
    yield Pile("digits", "scikit-learn's 1,797 digits, pixels as features", "the kind of features", names, matrix, truth)
    for key, load in (("wine", load_wine), ("breast_cancer", load_breast_cancer)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{key}.csv"
            load(as_frame=True).frame.to_csv(path, index=False)
            source = open_source(path, label_column="target")
        assert source.matrix is not None
        names = tuple(item.name for item in source.items)
        yield Pile(
            key,
            f"scikit-learn's {key.replace('_', ' ')} table",
            TABLE_MET,
            names,
            source.matrix,
            dict(source.labels),
            is_table=True,
        )
    yield from spoken()


def of_features(key: str, words: str, met: str, folder: Path) -> Pile:
    features = Features.load(folder)
    truth = dict(zip(features.ids, (features.class_names[label] for label in features.labels), strict=True))
    return Pile(key, words, met, features.ids, np.asarray(features.matrix, np.float32), truth)


def requests(key: str, words: str, met: str) -> Pile:
    """CLINC150's test intents by an encoder without weights, which no network was trained on."""
    source = source_of(load_clinc150("test", DATA / "text"), "clinc150")
    embedded = embed_source(source, encoder_by_name("tfidf"))
    return Pile(key, words, met, embedded.names, embedded.matrix, dict(source.labels))


def spoken() -> Iterator[Pile]:
    """Spoken digits: ten words in 44 voices of espeak-ng, each with its own accent, timbre, pitch and speed."""
    program = shutil.which("espeak-ng")
    if program is None:
        print("espeak-ng is absent: no spoken words are measured", flush=True)
        return
    chance = np.random.default_rng(0)
    accents, timbres = (
        ("en", "en-us", "en-gb-scotland", "en-029"),
        ("m1", "m2", "m3", "m4", "m5", "m7", "f1", "f2", "f3", "f4", "f5"),
    )
    with tempfile.TemporaryDirectory() as folder:
        for accent in accents:
            for timbre in timbres:
                pitch, speed = str(chance.integers(30, 70)), str(chance.integers(120, 190))
                for word in WORDS:
                    out = Path(folder) / word / f"{accent}-{timbre}.wav"
                    out.parent.mkdir(exist_ok=True)
                    subprocess.run(
                        [program, "-v", f"{accent}+{timbre}", "-p", pitch, "-s", speed, "-w", str(out), word], check=True
                    )
        encoder = default_encoder("audio").encoder
        embedded = embed_source(open_source(folder), encoder)
    truth = {name: name.split("/")[0] for name in embedded.names}
    words = f"ten spoken words in 44 voices of espeak-ng, {encoder.name} features"
    yield Pile("spoken", words, SPEECH_MET, embedded.names, embedded.matrix, truth, encoder.name)


def photographs(key: str, words: str, others: bool) -> Pile:
    source = open_source(DATA / "photos")
    items = list(source.items)
    if others:
        items += [Item(f"/{item.name}", item.path) for item in open_source(DATA / "photos_other").items]
    every = Source(source.modality, source.root, tuple(items), decode=source.decode, decoder=source.decoder)
    embedded = embed_source(every, encoder_by_name(str(ENCODER)))
    truth = {name: name.split("/")[0] for name in embedded.names}
    return Pile(key, words, "encoder", embedded.names, embedded.matrix, truth)


def measure(pile: Pile, method: Method, seed: int) -> dict[str, float]:
    """One draw; only items of the classes are scored."""
    started = time.perf_counter()
    table = solve_items(pile.names, pile.matrix, pile.draw(seed), method, is_table=pile.is_table).table
    seconds = time.perf_counter() - started
    table = table[table["status"] == "labelled"]
    truth = table["item"].map(pile.truth)
    inside = truth != ""
    result = {
        "seed": seed,
        "inductive": float((table["inductive_label"] == truth)[inside].mean()),
        "transductive": float((table["label"] == truth)[inside].mean()),
        "confidence": float(table.loc[inside, "confidence"].mean()),
        "seconds": seconds,
    }
    if not inside.all():
        result["outlier_auroc"] = float(roc_auc_score(~inside, table["outlier_score"]))
    return result


def row_of(entry: Json) -> dict[str, float]:
    columns = {key: np.array([draw[key] for draw in entry["draws"]]) for key in entry["draws"][0]}
    gain = columns["transductive"] - columns["inductive"]
    row: dict[str, float] = {}
    for name, values in (("inductive", columns["inductive"]), ("transductive", columns["transductive"]), ("gain", gain)):
        row[name], row[f"{name}_half"] = percent(values)
    row["lost"] = float((gain < -PART).mean())
    row["worst"] = 100 * float(gain.min())
    row["confidence"] = 100 * float(columns["confidence"].mean())
    row["seconds"] = float(np.median(columns["seconds"]))
    if "outlier_auroc" in columns:
        row["outlier_auroc"] = float(columns["outlier_auroc"].mean())
    return row


def markdown(results: dict[str, Json], method: str, draws: int, command: str, measured_at: str) -> str:
    lines = [
        "# The label job, one example per class",
        "",
        f"{draws} draws of the examples; all other items unlabelled; method `{method}`, no prior given. Accuracy in %, ± is half",
        "the 95 % interval over draws (Student's t); the gain is paired: both answers see the same examples.",
        "",
        "| what | items | each item alone | with the unlabelled items | gain | draws that lose more than a point | worst draw | mean confidence | met in training | s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for entry in results.values():
        row = row_of(entry)
        lines.append(
            f"| {entry['words']} | {entry['items']:,} | {row['inductive']:.2f} ± {row['inductive_half']:.2f} | "
            f"{row['transductive']:.2f} ± {row['transductive_half']:.2f} | **{row['gain']:+.2f} ± {row['gain_half']:.2f}** | "
            f"{100 * row['lost']:.0f} % | {row['worst']:+.1f} | {row['confidence']:.1f} | {entry['met']} | {row['seconds']:.2f} |"
        )
    mixed = results.get("photos_mixed")
    if mixed:
        lines += [
            "",
            f"Among the others, the outlier score tells them from the classes' items with AUROC {row_of(mixed)['outlier_auroc']:.3f}.",
        ]
    failing = [entry["words"] for entry in results.values() if row_of(entry)["gain"] <= row_of(entry)["gain_half"]]
    risky = [entry["words"] for entry in results.values() if row_of(entry)["lost"] >= 0.2]
    lines += [
        "",
        "Sets where the gain is not clearly above 0: " + ("; ".join(failing) or "none") + ".",
        "Sets where a draw in five loses more than a point: " + ("; ".join(risky) or "none") + ".",
        "",
        "The inductive answer is that of the same method before it sees the unlabelled items. *Met in training*:",
        "what meta-training of universal SIB, or the choice of its settings, had met of a set. It was trained on",
        "none of these items, but digits, photographs, requests and both tables were read more than once, with",
        "changes to the method between: the tables with several lifts for few columns, before the three that ship",
        "were chosen on made-up tables (docs/log.md). Other pages have other draws of the same sets, and so",
        "slightly other figures. *Mean confidence* is to be read beside the accuracy: they should be equal.",
        "SqueezeNet was trained on ImageNet, MiniLM on sentences of many kinds. Seconds: the solve and the table,",
        "without encoding, one thread on a machine shared with other work.",
    ]
    checksums = {entry["measured_on"][1] for entry in results.values()}
    if len(checksums) > 1:
        lines += [
            "",
            f"Not all rows are of one version: {len(checksums)} checksums of the method's code and weights stand in `label.json`",
            "(`measured_on`), one of each commit below.",
        ]
    lines += ["", f"Made by: `{command}`, commit {measured_at}."]
    return "\n".join(lines) + "\n"


def write_calibration(results: dict[str, Json], method: str) -> None:
    """Tell reports where the confidence of a method was compared with the truth."""
    known = json.loads(CALIBRATION.read_text(encoding="utf-8"))
    known[method] = [
        {
            "data": entry["words"] if entry["key"] != "photos_mixed" else "those photographs among 80 of none of the classes",
            "claimed": round(row_of(entry)["confidence"] / 100, 4),
            "right": round(row_of(entry)["transductive"] / 100, 4),
            "draws": len(entry["draws"]),
            "encoder": entry.get("encoder") or READ_BY.get(entry["key"], ""),
            "classes": entry["classes"],
        }
        for entry in results.values()
    ]
    write_json(CALIBRATION, known)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--method", default=DEFAULT_METHOD)
    parser.add_argument("--texts", type=Path, help="features of CLINC150's test intents")
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    parser.add_argument("--page-only", action="store_true", help="write the page from label.json; nothing is measured")
    arguments = parser.parse_args()
    path = arguments.out / "label.json"
    if arguments.page_only:
        record = read_json(path)
        page = markdown(record["sets"], record["method"], arguments.draws, record["command"], record["commit"])
        write_text(arguments.out / "label.md", page)
        return
    try:
        before = read_json(path)["sets"]
    except (DataError, KeyError):
        before = {}
    results: dict[str, Json] = {}
    for pile in piles(arguments.texts):
        n_way = len({label for label in pile.truth.values() if label})
        method = method_by_name(arguments.method, pile.matrix.shape[1], n_way)
        solver = for_table(method, pile.matrix.shape[1]) if pile.is_table else method
        key = [
            arguments.method,
            method_checksum(method),
            pile.fingerprint,
            *([type(solver).__name__] if solver is not method else []),
        ]
        old = before.get(pile.key, {})
        draws = old["draws"][: arguments.draws] if old.get("measured_on") == key else []
        results[pile.key] = {
            "key": pile.key, "words": pile.words, "encoder": pile.encoder, "met": pile.met, "items": len(pile.names), "classes": n_way, "measured_on": key, "draws": draws,
        }  # fmt: skip
        for seed in range(len(draws), arguments.draws):
            draws.append(measure(pile, method, seed))
            sets = before | results
            write_json(path, {"method": arguments.method, "commit": commit(), "sets": sets})
        print(pile.key, {name: round(value, 2) for name, value in row_of(results[pile.key]).items()}, flush=True)
    command = f"runs/label.sh --draws {arguments.draws}{' --texts FEATURES' if arguments.texts else ''}"
    text = markdown(results, arguments.method, arguments.draws, command, commit())
    write_text(arguments.out / "label.md", text)
    versions = {name: version(name) for name in ("torch", "numpy", "scikit-learn", "onnxruntime")}
    write_json(path, {"method": arguments.method, "commit": commit(), "command": command, "versions": versions, "sets": results})
    write_calibration(results, arguments.method)
    print(text)


if __name__ == "__main__":
    main()
