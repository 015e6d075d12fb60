"""The page of runs/label.py and the figures on calibration that a report cites, both made from its record alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from experiment import ROOT, percent, span

from sibyl.storage import Json, write_json

READ_BY = {
    "photos": "squeezenet", "photos_mixed": "squeezenet", "clinc150": "MiniLM", "clinc150_tfidf": "tfidf", "wine": "table",
    "breast_cancer": "table",
}  # fmt: skip
CALIBRATION = ROOT / "src" / "sibyl" / "labeling" / "calibration.json"
PART = 0.01  # a loss that counts


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


def page(record: Json) -> str:
    results: dict[str, Json] = record["sets"]
    lines = [
        "# The label job, one example per class",
        "",
        f"{span(len(entry['draws']) for entry in results.values())} draws of the examples; all other items unlabelled; method `{record['method']}`, no prior given. Accuracy in %, ± is half",
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
        "were chosen on made-up tables (docs/log.md). Other pages differ slightly where an older version or other",
        "preparation solved the same draws. *Mean confidence* is to be read beside the accuracy: they should be equal.",
        "SqueezeNet was trained on ImageNet, MiniLM on sentences of many kinds. Seconds: the solve and the table,",
        "without encoding, one thread on a machine shared with other work.",
    ]
    versions = versions_of(results)
    if versions > 1:
        lines += [
            "",
            f"Not all rows are of one version: {versions} checksums of the method's code and weights stand in `label.json`",
            "(`measured_on`), one of each commit below.",
        ]
    lines += ["", f"Made by: `{record['command']}`, commit {commits(record)}."]
    return "\n".join(lines) + "\n"


def versions_of(results: dict[str, Json]) -> int:
    """Count the versions of code and weights: those of the method, and those of what solves tables over it (`label.measured_on`)."""
    methods = {entry["measured_on"][1] for entry in results.values()}
    solvers = {entry["measured_on"][4] for entry in results.values() if len(entry["measured_on"]) > 4}
    return len(methods) + max(len(solvers) - 1, 0)


def commits(record: Json) -> str:
    """Name the commit of all sets, or of each; before sets said so, the record did."""
    by: dict[str, list[str]] = {}
    for key, entry in record["sets"].items():
        by.setdefault(entry.get("commit", record["commit"]), []).append(key)
    return next(iter(by)) if len(by) == 1 else "; ".join(f"{one} ({', '.join(keys)})" for one, keys in by.items())


def write_calibration(results: dict[str, Json], method: str, path: Path) -> None:
    """Write where the confidence of a method was compared with the truth, beside what reports know of others."""
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
    write_json(path, known)
