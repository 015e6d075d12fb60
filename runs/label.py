"""The label job with the truth at hand: one labelled example per class, over 20 draws, on photographs, texts, digits and tables.

    runs/label.sh [--draws 20] [--method NAME] [--texts FEATURES] [--out results] [--ship]

Accuracy of each item alone (inductive) beside that with the unlabelled items (transductive), on the same examples, so that the gain is
paired. Features are computed once; each draw solves what `sibyl label` solves. A draw that was measured with the same features and
method, by code that is still the same, is not measured again, and a set stands in the record as soon as it is whole, so a killed run
goes on. The page alone is made from the record by --page-only (`label_page`). Data: $SIBYL_DATA, or ../shared/data beside the
repository; `--texts` are features of CLINC150's 30 test intents, as `sibyl embed clinc150 --split test` writes them. The page says of
each set what meta-training had met of it. The figures on calibration that a report cites are written beside
the record, or with --ship into the package.
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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from experiment import ROOT, commit, write_record
from label_page import CALIBRATION, page, row_of, write_calibration
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.metrics import roc_auc_score

from sibyl.compare.fingerprints import code_checksum, method_checksum
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
from sibyl.storage import Json, read_json, write_text
from sibyl.transduction.tables import for_table

DATA = Path(os.environ.get("SIBYL_DATA", ROOT.parent / "shared" / "data"))
ENCODER = DATA / "encoders" / "squeezenet1_1_features.onnx"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TABLE_MET = "nothing; read before, while lifts for tables were tried"
SPEECH_MET = "nothing; the encoder's settings were chosen on other words in other voices of espeak-ng"
LIBRARIES = ("torch", "numpy", "scikit-learn", "onnxruntime")


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


def measured_on(pile: Pile, name: str, method: Method) -> list[str]:
    """Say what figures depend on: method, its code and weights, rows and truth, and the code of what solves a table over it."""
    solver = for_table(method, pile.matrix.shape[1]) if pile.is_table else method
    over = [type(solver).__name__, code_checksum(type(solver))] if solver is not method else []
    return [name, method_checksum(method), pile.fingerprint, *over]


def measured(pile: Pile, arguments: argparse.Namespace, old: Iterable[Json], keep: Callable[[Json], None]) -> Json:
    """Measure what is missing of a set. `old`: what there is of it, the fullest first; `keep` is given the entry after
    each draw."""
    n_way = len({label for label in pile.truth.values() if label})
    method = method_by_name(arguments.method, pile.matrix.shape[1], n_way)
    key = measured_on(pile, arguments.method, method)
    own = next((entry for entry in old if entry["measured_on"] == key), {})
    draws = own.get("draws", [])[: arguments.draws]
    entry: Json = {
        "key": pile.key, "words": pile.words, "encoder": pile.encoder, "met": pile.met, "items": len(pile.names), "classes": n_way,
        "measured_on": key, **({"commit": own["commit"]} if "commit" in own else {}), "draws": draws,
    }  # fmt: skip
    if len(draws) >= arguments.draws:
        keep(entry)
    for seed in range(len(draws), arguments.draws):
        draws.append(measure(pile, method, seed))
        entry["commit"] = commit()
        keep(entry)
    return entry


def kept_of(path: Path) -> tuple[dict[str, Json], dict[str, Json]]:
    """Return the sets of a record that are whole and those that are begun, each with the commit that it was measured at."""
    try:
        record = read_json(path)
        sets, begun = record["sets"], record.get("begun", {})
    except (DataError, KeyError):
        return {}, {}
    for entry in sets.values():
        entry.setdefault("commit", record["commit"])  # before sets said so, the record did
    return sets, begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--method", default=DEFAULT_METHOD)
    parser.add_argument("--texts", type=Path, help="features of CLINC150's test intents")
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    parser.add_argument("--ship", action="store_true", help="write calibration.json into the package, not beside the record")
    parser.add_argument("--page-only", action="store_true", help="write the page from label.json; nothing is measured")
    arguments = parser.parse_args()
    path = arguments.out / "label.json"
    if arguments.page_only:
        write_text(arguments.out / "label.md", page(read_json(path)))
        return
    kept, begun = kept_of(path)
    results: dict[str, Json] = {}
    command = f"runs/label.sh --draws {arguments.draws}{' --texts FEATURES' if arguments.texts else ''}{' --ship' if arguments.ship else ''}"

    def write(sets: dict[str, Json], **begun: Json) -> None:
        write_record(path, LIBRARIES, method=arguments.method, command=command, sets=sets, **begun)

    def keep(entry: Json) -> None:
        """A set stands beside the others as soon as it is whole; until then apart, so that the page shows whole ones alone."""
        begun[entry["key"]] = entry
        if len(entry["draws"]) >= arguments.draws:
            results[entry["key"]] = begun.pop(entry["key"])
        write(kept | results, **({"begun": begun} if begun else {}))

    for pile in piles(arguments.texts):
        old = [sets[pile.key] for sets in (begun, kept) if pile.key in sets]
        entry = measured(pile, arguments, sorted(old, key=lambda entry: -len(entry["draws"])), keep)
        print(pile.key, {name: round(value, 2) for name, value in row_of(entry).items()}, flush=True)
    write(results)
    text = page(read_json(path))
    write_text(arguments.out / "label.md", text)
    write_calibration(results, arguments.method, CALIBRATION if arguments.ship else arguments.out / "calibration.json")
    print(text)


if __name__ == "__main__":
    main()
