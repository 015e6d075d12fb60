"""The table of SIB as a page and a picture, from the record that `runs/sib_table.py` leaves; nothing is evaluated.

    python runs/sib_page.py results/cifar_fs_conv4.json

writes ``results/cifar_fs_conv4.md`` and ``.png`` beside it. Every figure and every word that depends on the run comes from the record.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from experiment import without_training_mean
from matplotlib.figure import Figure

from sibyl.compare.learners import Budget
from sibyl.inference_plot import ACCENT, MUTED, save_figure
from sibyl.storage import read_json, write_text
from sibyl.training.protocols import meta_test_protocol

PROTOCOL = meta_test_protocol("sib")
COSINE_EPISODES = 500
BEST = (
    Path(__file__).resolve().parents[1] / "results" / "cifar_fs_best.json"
)  # meta-trained rivals, on the same features and episodes
BESIDE = "SIB, Conv-4-64 on CIFAR-FS"
NEAREST = ("activations_to_parameters", "leo", "prototypical")  # of those, the inductive ones
LEARNED = ("as published", "per-episode", "with the prior")
WORDS = dict(enumerate(("no", "one", "two", "three", "four", "five", "six", "seven", "eight")))
SECOND_READING = "a second time for further seeds of K = 5 as published (docs/log.md)."  # of records that do not say
OPTIMIZERS = {"sgd": "SGD", "adamw": "AdamW"}
SCHEDULES = {"constant": "", "cosine": " with a cosine schedule"}


def show(entry: dict[str, Any]) -> str:
    """Accuracy, its interval, and the range over seeds where there are several."""
    spread = f" (seeds {100 * min(entry['seeds']):.1f}–{100 * max(entry['seeds']):.1f})" if len(entry["seeds"]) > 1 else ""
    return f"{100 * entry['accuracy']:.2f} ± {100 * entry['interval']:.2f}{spread}"


def rule(recipe: dict[str, Any], unit: tuple[str, str]) -> str:
    """How a row was meta-trained; `unit` is what is counted and in what, said once."""
    n = WORDS.get(recipe["episodes"], str(recipe["episodes"]))
    how = OPTIMIZERS[recipe["optimizer"]] + SCHEDULES[recipe["schedule"]]
    return f"{recipe['iterations']:,}{unit[0]} of {n}{unit[1]}, {how}"


def prose(record: dict[str, Any]) -> list[str]:
    """What the figures mean: episodes, seeds, views, training and which choices were made where."""
    arguments = record["arguments"]
    recipes = {variant["name"]: variant["recipe"] for variant in record["variants"]}
    published, ours = recipes["as published"], recipes["per-episode normalisation"]
    fewer = []
    for variant in record["variants"]:
        entries = record["table"].get(f"{variant['name']}, K={variant['n_steps']}", {})
        counts = {len(entry["seeds"]) for entry in entries.values()}
        if counts and max(counts) < arguments["seeds"]:
            fewer.append(f"K = {variant['n_steps']} {variant['name']}: {WORDS[max(counts)]}")
    few = f" ({'; '.join(fewer)})" if fewer else ""
    lines = [
        f"{PROTOCOL.n_way}-way, {PROTOCOL.n_query} queries a class, {arguments['episodes']} test episodes; "
        "accuracy in % with its 95 % interval over episodes,",
        f"mean over meta-training seeds, their range where there are several{few}. "
        f"Features without augmentation at test; {record['features']['views']} augmented views of",
        f"each training image stand in for the published online augmentation. As published: "
        f"{rule(published, (' iterations', ' episode' if published['episodes'] == 1 else ' episodes'))}; the other",
        f"rows: {rule(ours, ('', ''))}. The {PROTOCOL.keep} iteration counts; all settings were chosen on validation classes, and the",
        f"test classes were read after all networks were trained; {record.get('reading', SECOND_READING)}",
    ]
    if record.get("learned"):
        lines.append(f"Meta-trained rivals: {record['learned']['budget']}; one seed.")
    lines += without_training_mean(record)
    if record["paper"]:
        lines += [
            "Of the paper's figures, CIFAR-FS with Conv-4-64 at K = 3 and all at K = 5 were checked against its tables;",
            "the others, K = 0 among them, are noted from memory.",
        ]
    if arguments["slice"] > 1:
        lines += ["", "**A trial of the script on a slice: the figures mean nothing.**"]
    return lines


def rivals_of(record: dict[str, Any]) -> tuple[dict[str, dict[str, dict[str, Any]]], str]:
    """Meta-trained inductive methods on the record's test episodes, by name and shots, and how long they were trained; none where none were."""
    if record.get("learned"):
        return {name: record["table"][name] for name in record["learned"]["inductive"]}, ""
    if record["title"] != BESIDE:
        return {}, ""
    table, recipe = read_json(BEST)["tables"]["plain"], Budget().recipe  # what runs/cifar_fs_best.py gives them
    ours = next(one["recipe"] for one in record["variants"] if one["name"] == "as published")
    n_tasks = f"{recipe.iterations * recipe.episodes:,} tasks where SIB as published had {ours['iterations'] * ours['episodes']:,}"
    return (
        {name: table[name] for name in NEAREST},
        f"Rivals: {', '.join(NEAREST)} ([cifar_fs_best.md](cifar_fs_best.md)), {n_tasks}; they came nearest on these classes in an earlier table.",
    )


def gain_rows(record: dict[str, Any], base: list[float]) -> list[str]:
    """Relative gains of every SIB over a figure for one shot and one for five."""
    return [
        f"| {row} | "
        + " | ".join(
            f"{100 * (entries[shot]['accuracy'] / figure - 1):+.1f} % relative" for shot, figure in zip("15", base, strict=True)
        )
        + " |"
        for row, entries in record["table"].items()
        if row.startswith(LEARNED)
    ]


def over_learned(record: dict[str, Any]) -> list[str]:
    """The gain over the best inductive method of all, where meta-trained ones met the same episodes."""
    rivals, trained = rivals_of(record)
    if not rivals:
        return []
    best = []
    for shot in ("1", "5"):
        name = max(rivals, key=lambda name: rivals[name][shot]["accuracy"])
        figure, before = rivals[name][shot]["accuracy"], record["best_inductive"][shot]
        best.append((name, figure) if figure > before else ("none of them is above those without training", before))
    lines = ["", "### Best inductive, meta-trained ones included, on the same episodes", ""]
    lines += [f"1-shot: {best[0][0]}, {100 * best[0][1]:.2f}; 5-shot: {best[1][0]}, {100 * best[1][1]:.2f}."]
    lines += [trained] if trained else []
    return [*lines, "", "| | 1-shot | 5-shot |", "|---|---|---|", *gain_rows(record, [figure for _, figure in best])]


def page(record: dict[str, Any], name: str) -> str:
    """The record as Markdown; `name` is that of the picture."""
    table, best, paper = record["table"], record["best_inductive"], record["paper"]
    lines = [f"# {record['title']}", "", *prose(record), "", "| | 1-shot | 5-shot | paper, 1 / 5 |", "|---|---|---|---|"]
    for row, entries in table.items():
        comparable = row.startswith(("as published", "per-episode normalisation", "with the prior"))
        told = paper.get(row.rsplit(", ", 1)[-1]) if comparable else None
        lines.append(f"| {row} | {show(entries['1'])} | {show(entries['5'])} | {f'{told[0]} / {told[1]}' if told else ''} |")
    lines += [
        "",
        "## Gain over the best inductive method without training of its own, on the same features",
        "",
        "| | 1-shot | 5-shot |",
        "|---|---|---|",
    ]
    lines += gain_rows(record, [best["1"], best["5"]])
    lines += over_learned(record)
    heading = f"How close the synthetic gradients come to the true ones (cosine, {COSINE_EPISODES} test episodes, seed 0)"
    lines += ["", f"## {heading}", "", "| | " + " | ".join(f"step {k}" for k in range(5)) + " |", "|---|" + "---|" * 5]
    for row, curve in record["cosines"].items():
        cells = [f"{step['cosine']:.3f} ± {step['cosine_interval']:.3f}" for step in curve if "cosine" in step]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    lines += ["", f"![accuracy against K, and gradient cosines]({name}.png)", ""]
    lines += [f"Episodes: test seed {PROTOCOL.test_seed}. Commit {record['commit']}."]
    lines += ["", record["made"]] if record.get("made") else []
    return "\n".join(lines) + "\n"


def draw(record: dict[str, Any], path: Path) -> None:
    """Accuracy against K, and the cosine between synthetic and true gradient against the step."""
    table = record["table"]
    figure = Figure(figsize=(10, 4))
    left, right = figure.subplots(1, 2)
    for name, colour in (("as published", MUTED), ("per-episode normalisation", ACCENT)):
        for shot, style in (("1", "-"), ("5", "--")):
            steps = [k for k in (0, 1, 3, 5) if (f"{name}, K={k}" in table or k == 0)]
            entries = [table[f"{name}, K={k}" if k else "as published, K=0"][shot] for k in steps]
            values, halves = [100 * e["accuracy"] for e in entries], [100 * e["interval"] for e in entries]
            left.errorbar(steps, values, halves, linestyle=style, color=colour, marker="o", capsize=3, label=f"{name}, {shot}-shot")
    left.set(xlabel="steps K", ylabel="test accuracy (%)", xticks=[0, 1, 3, 5])
    left.legend(fontsize=8)
    for (name, curve), colour in zip(record["cosines"].items(), (MUTED, "#7fa8c0", ACCENT, "#e8a0aa"), strict=False):
        shown = [row for row in curve if "cosine" in row]
        right.plot([row["step"] for row in shown], [row["cosine"] for row in shown], "o-", color=colour, label=name)
    right.set(xlabel="step k", ylabel="cosine of synthetic and true gradient", xticks=range(5))
    # A cosine may be negative: the axis begins at 0 or below, wherever all of it can be seen.
    right.set_ylim(min(0.0, right.get_ylim()[0]), 1)
    right.legend(fontsize=8)
    figure.tight_layout()
    save_figure(figure, path)


def write_page(record_path: Path) -> str:
    """Write page and picture beside a record and return the page."""
    record = read_json(record_path)
    text = page(record, record_path.stem)
    write_text(record_path.with_suffix(".md"), text)
    draw(record, record_path.with_suffix(".png"))
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, help="results/NAME.json")
    print(write_page(parser.parse_args().record))


if __name__ == "__main__":
    main()
