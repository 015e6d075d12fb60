"""The installed package alone, away from the checkout: scikit-learn's digits from one label each, held to the figures of docs/figures.md.

    python -P runs/wheel_digits.py --within FOLDER --figures docs/figures.md [--demo summary.json] [--out wheel.json]

Nothing of the repository is imported. The draws are those of `runs/label.sh`, solved as the README shows it, with the classifier's
defaults; `summary.json` is what `sibyl demo --json` leaves. The exit status tells whether the figures are those of that page.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
from importlib.metadata import requires, version
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import sibyl

N_DRAWS = 20
NEAR = 0.5  # points that another machine's arithmetic, or another version of torch, may move a mean
NEAR_TRAINED = 2.0  # the same, of a network that the demo has just trained
PIXELS = r"scikit-learn's 1,797 digits, pixels \| ([\d.]+) ± [\d.]+ % \| ([\d.]+) ±"
DEMO = r"digits, 20 draws \| ([\d.]+) ± [\d.]+ % \| ([\d.]+) ±.*\n.*as it ships, on the same draws \| – \| ([\d.]+) ±"


def shipped(within: Path) -> dict[str, int]:
    """Return name → bytes of the weights that came with the package; refuse one that was imported from elsewhere."""
    home = Path(sibyl.__file__).resolve().parent
    if not home.is_relative_to(within.resolve()):
        raise SystemExit(f"sibyl was imported from {home}, expected it below {within}: run with -P, away from the checkout")
    weights = {path.relative_to(home).as_posix(): path.stat().st_size for path in sorted(home.glob("weights/**/*.safetensors"))}
    if "weights/methods/universal_sib.safetensors" not in weights:
        raise SystemExit(f"the weights of universal SIB did not come with the package; found {', '.join(weights) or 'none'}")
    return weights


def draw(truth: np.ndarray, seed: int) -> np.ndarray:
    """One labelled digit of each class, as text because the label job draws classes by name; −1: nobody labelled it."""
    chance = np.random.default_rng(seed)
    chosen = [int(chance.choice([str(row) for row in np.flatnonzero(truth == digit)])) for digit in range(10)]
    y = np.full(len(truth), -1)
    y[chosen] = truth[chosen]
    return y


def read_digits() -> list[dict[str, float]]:
    """Accuracy on the unlabelled digits, each alone and together, for each draw."""
    rows, truth = load_digits(return_X_y=True)
    found = []
    for seed in range(N_DRAWS):
        y = draw(truth, seed)
        hidden = y < 0
        classifier = sibyl.SIBClassifier().fit(rows, y)
        right = {"inductive": classifier.inductive_labels_ == truth, "transductive": classifier.transduction_ == truth}
        found.append({"seed": seed} | {name: float(hits[hidden].mean()) for name, hits in right.items()})
    return found


def told(page: Path, pattern: str) -> list[float]:
    line = re.search(pattern, page.read_text(encoding="utf-8"))
    if line is None:
        raise SystemExit(f"{page}: no line with the figures of the digits; expected /{pattern}/")
    return [float(value) for value in line.groups()]


def hold(what: str, found: list[float], said: list[float], near: list[float]) -> dict[str, list[float]]:
    """Compare measured accuracies in % with the page's, each to within so many points."""
    values = [round(value, 2) for value in found]
    if any(abs(value - wanted) > most for value, wanted, most in zip(values, said, near, strict=True)):
        raise SystemExit(f"{what}: measured {values} %, docs/figures.md says {said} %")
    print(f"{what}: {values} %, docs/figures.md says {said} %")
    return {"measured": values, "said": said}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--within", type=Path, required=True, help="folder that the package must be installed in")
    parser.add_argument("--figures", type=Path, required=True)
    parser.add_argument("--demo", type=Path, help="summary.json of `sibyl demo`, to be held to the page too")
    parser.add_argument("--out", type=Path, help="where to leave the record")
    arguments = parser.parse_args()
    record: dict[str, object] = {"weights": shipped(arguments.within)}
    draws = read_digits()
    means = [100 * float(np.mean([one[name] for one in draws])) for name in ("inductive", "transductive")]
    record["digits"] = hold(f"digits, one label each, {N_DRAWS} draws", means, told(arguments.figures, PIXELS), [NEAR, NEAR]) | {
        "draws": draws
    }
    if arguments.demo:
        summary = json.loads(arguments.demo.read_text(encoding="utf-8"))
        means = [100 * summary[name] for name in ("inductive", "transductive", "universal")]
        record["demo"] = hold("sibyl demo", means, told(arguments.figures, DEMO), [NEAR, NEAR_TRAINED, NEAR])
    needed = [re.split(r"[^\w-]", line)[0] for line in requires("sibyl-learn") or () if "extra ==" not in line]
    record["versions"] = {"python": platform.python_version()} | {name: version(name) for name in ["sibyl-learn", *needed]}
    if arguments.out:
        arguments.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
