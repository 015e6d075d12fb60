"""What people know beside the labels, and what it is worth: results/evidence.md and evidence.json.

    python runs/evidence.py --clinc150 DIR --photos DIR --photos-lite2 DIR [--part names] [--draws 5] [--out results]

DIR are folders of features of classes that no training met: CLINC150's test domains by ``minilm-int8``, photographs by SqueezeNet and by
``efficientnet-lite2`` (`sibyl embed`); digits come with scikit-learn; tables: runs/estimator.py. One draw of every cell is measured, then a second one, and
each is kept in the record as soon as it is there, so a killed run goes on. A kind that a kept cell has not is added to it, draw by draw.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from evidence_page import page
from evidence_parts import PARTS, Sets
from experiment import RESULTS, commit, versions

from sibyl.datasets.digits import digit_features
from sibyl.encoders.named import encoder_by_name
from sibyl.features import Features
from sibyl.storage import Json, read_json, write_json, write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clinc150", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--photos-lite2", type=Path)
    parser.add_argument("--part", action="append", choices=tuple(PARTS), help="all without it")
    parser.add_argument("--only", default="", help="measure the cells whose names begin so; the page has all that were measured")
    parser.add_argument("--draws", type=int, default=5, help="of each cell; some have more")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    file = arguments.out / "evidence.json"
    record: Json = read_json(file) if file.is_file() else {"cells": {}}
    sets = read_sets(
        {"photographs": arguments.photos, "photographs, Lite2": arguments.photos_lite2, "CLINC150": arguments.clinc150}
    )
    cells = [cell for part in arguments.part or PARTS for cell in PARTS[part](sets) if cell.key.startswith(arguments.only)]
    draws = {cell.key: max(cell.draws, arguments.draws) for cell in cells}
    for seed in range(max(draws.values(), default=0)):
        for cell in cells:
            found = record["cells"].setdefault(cell.key, {})
            added = cell.found(seed, found) if seed < draws[cell.key] else {}
            for kind, value in added.items():
                found.setdefault(kind, []).append(value)
            if added:
                record |= {"commit": commit(), "versions": versions("sibyl-learn", "torch", "numpy", "scikit-learn")}
                write_json(file, record)
                write_text(arguments.out / "evidence.md", page(record))
                print(cell.key, seed, {kind: round(value, 4) for kind, value in added.items()}, flush=True)
    write_text(arguments.out / "evidence.md", page(record))


def read_sets(folders: dict[str, Path | None]) -> Sets:
    features = {name: Features.load(folder) for name, folder in folders.items() if folder} | {"digits": digit_features()}
    if "CLINC150" not in features:
        return Sets(features, None, None)
    encoder, classes = encoder_by_name("minilm-int8"), features["CLINC150"].class_names
    names = encoder.encode_names([name.replace("_", " ") for name in classes])
    return Sets(features, names, encoder.encode_names([f"class {number}" for number in range(len(classes))]))


if __name__ == "__main__":
    main()
