"""The page of runs/estimator.py, from its record alone:  python runs/estimator_page.py [results/estimator.json]"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from estimator_rivals import ALPHAS, NEIGHBOURS, WIDTHS, rivals
from experiment import RESULTS, percent, span

from sibyl.storage import Json, read_json, write_text


def shown(values: np.ndarray) -> str:
    """Mean and half the 95 % interval over draws, in per cent."""
    mean, half = percent(values)
    return f"{mean:.1f} ± {half:.1f}"


def gain(values: np.ndarray) -> str:
    mean, half = percent(values)
    return f"{mean:+.1f} ± {half:.1f}"


def draws_of(one: Json) -> int:
    """How many draws a set has; a record may hold sets of runs that were asked for more or fewer."""
    return len(one.get("sib_classifier", ()))


def best_of(one: Json, ending: str = "") -> dict[str, tuple[str, np.ndarray]]:
    """Each rival's best setting in hindsight among those that met all draws, with its accuracies."""
    found = {}
    for rival in rivals():
        own = {
            name.removeprefix(f"{rival}: "): np.array(values)
            for name, values in one["rivals"].items()
            if name.startswith(f"{rival}: ") and name.endswith(ending) and len(values) == draws_of(one)
        }
        if own:
            found[rival] = max(own.items(), key=lambda pair: pair[1].mean())
    return found


def is_whole(one: Json) -> bool:
    """Whether a set was measured to the end."""
    return bool(draws_of(one)) and set(best_of(one)) == set(rivals())


def row(one: Json) -> str:
    ours, spread = np.array(one["sib_classifier"]), np.array(one.get("label_spreading", [0.0] * draws_of(one)))
    best = best_of(one)
    strongest = max(best.values(), key=lambda pair: pair[1].mean())[1]
    cells = [
        f"**{shown(ours)}**" if ours.mean() >= max(strongest.mean(), spread.mean()) else shown(ours),
        shown(np.array(one["inductive"])),
        *(shown(values) for _, values in best.values()),
        gain(ours - strongest),
        *((shown(spread), gain(ours - spread)) if spread.any() else ("–", "–")),
    ]
    return f"| {one['data']} | {one['rows']:,} | {' | '.join(cells)} |"


def no_grid(results: list[Json]) -> list[str]:
    """Say where LabelSpreading stands at its defaults alone."""
    names = [one["data"] for one in results if not any("over the median" in name for name in one["rivals"])]
    return (
        [f"**LabelSpreading stands at its defaults (γ = 20, α = 0.2) on {', '.join(names)}**: the grid was not run there."]
        if names
        else []
    )


def tables(results: list[Json]) -> list[str]:
    """Say how the tables stand like for like, and without what is done for tables alone."""
    lines = []
    for one in results:
        if not one["is_table"]:
            continue
        ours = np.array(one["sib_classifier"])
        alike = best_of(one, "columns standardised")
        rival, (setting, values) = max(alike.items(), key=lambda pair: pair[1][1].mean())
        lines.append(
            f"- {one['data']}: {rival} ({setting.removesuffix('columns standardised').rstrip(', ')}) {shown(values)}, SIBClassifier's gain\n"
            f"  {gain(ours - values)}; without sphere and kernel (`is_table=False`) {shown(np.array(one['plain']))}"
        )
    if not lines:
        return []
    return [
        "Tables, like for like: the strongest rival on the standardised columns that SIBClassifier sees, in hindsight:",
        "",
        *lines,
        "",
    ]


def page(record: Json) -> str:
    results, rule = [one for one in record["results"] if is_whole(one)], record["rule"]
    lines = [
        "# One label per class: SIBClassifier beside scikit-learn",
        "",
        f"Accuracy in % on the unlabelled rows, mean ± half the 95 % interval (Student's t) over {span(map(draws_of, results))} draws",
        "of the one labelled row of each class; all columns see the same draws, those of [label.md](label.md),",
        "whose photographs and requests were solved by a later version. *Alone*: `inductive_labels_`, what the same classifier says without the other",
        "unlabelled rows. *Gain* is paired: SIBClassifier less the strongest of scikit-learn's three, and less",
        "this package's own `label_spreading`.",
        "",
        f"| data | rows | SIBClassifier | alone | {' | '.join(rivals())} | gain | `label_spreading` | gain |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(row(one) for one in results),
        "",
        f"SIBClassifier (method {record['method']}) and `label_spreading` stand with no setting changed; tables are",
        "standardised before them, pixels and encoders' features are taken as they are. Each rival of",
        "scikit-learn stands with the best of its settings **in hindsight**, on these very labels: columns",
        "standardised or rows of unit length; for LabelSpreading its defaults, an rbf kernel with γ",
        f"{', '.join(map(str, WIDTHS))} over the median squared distance, a graph of {', '.join(map(str, NEIGHBOURS))} neighbours, and α",
        f"{', '.join(map(str, ALPHAS))}. Where there are more than {rule['many_rows']:,} rows, every setting meets the first {rule['first_draws']} draws,",
        f"and the best {rule['kept']} all draws. SelfTrainingClassifier wraps LogisticRegression.",
        *no_grid(results),
        "",
        *tables(results),
        "What each rival chose, and how long a fit takes (processor shared with other work):",
        "",
    ]
    for one in results:
        chosen = [f"{rival}: {setting}" for rival, (setting, _) in best_of(one).items()]
        lines.append(f"- {one['data']}: {'; '.join(chosen)}; fit takes {one['seconds']:.2f} s")
    lines += [
        "",
        "Universal SIB was trained on none of these rows, but all of them were read more than once with changes",
        "between ([log](../docs/log.md)): digits, sentences and photographs while the method changed, the three",
        "tables with different lifts for tables of few columns before those that ship were chosen on made-up",
        "tables. The network trained on 90 other intents of CLINC150 under the same encoder, and chose on 30.",
    ]
    folders = any("classes)" in one["data"] for one in results)
    lines.append(
        "SqueezeNet has seen ImageNet, MiniLM the web."
        if folders
        else "Sentences and photographs were left out: no features were given."
    )
    if len(results) < len(record["results"]):
        lines.append(f"Not measured to the end: {', '.join(one['data'] for one in record['results'] if not is_whole(one))}.")
    command = "CLINC150=… PHOTOS=… runs/estimator.sh" if folders else "runs/estimator.sh"
    libraries = ", ".join(f"{name} {record['versions'][name]}" for name in ("scikit-learn", "torch"))
    later = sorted({one for entry in record["results"] for one in entry.get("commits", {}).values()} - {record["commit"]})
    added = (
        f" (added later: LabelSpreading's grid, `label_spreading` and `is_table=False`, commit {', '.join(later)})" if later else ""
    )
    return "\n".join([*lines, "", f"Made by: `{command}`, commit {record['commit']}{added}, {libraries}.", ""])


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS / "estimator.json"
    write_text(path.with_suffix(".md"), page(read_json(path)))
