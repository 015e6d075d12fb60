"""A scripted person labels a pile of photographs in ``sibyl review`` by keys alone: how right the whole pile is after how many labels.

    python runs/review.py [--items 100] [--encoder NAME] [--out results]

A real server, a real Chromium, a real solver. The person knows the true class of each photograph (the name of its folder, which the page never
sees: the files are copied under numbers) and types as few letters as it takes: Enter where the first guess is right, a digit where another
candidate is, and otherwise the beginning of the name. The names of the classes are pasted before, as in most labelling jobs; naming new
ones takes as many letters as they have. Beside it, the same number of labels in random order, solved alike.
Data: $SIBYL_DATA, or ../shared/data beside the repository; test data, so nothing is chosen on it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from experiment import ROOT, commit

from sibyl.storage import write_json, write_text

if TYPE_CHECKING:
    from playwright.sync_api import Page

DATA = Path(os.environ.get("SIBYL_DATA", ROOT.parent / "shared" / "data"))
FIRST = 24
LOOK = """async () => {
  const answer = await fetch('api/columns'), session = await (await fetch('api/session')).json();
  const buffer = await answer.arrayBuffer(), n = new DataView(buffer).getUint32(8, true);
  return { label: [...new Uint16Array(buffer, 20, n)], classes: session.classes.map((one) => one.name), checked: session.checked,
    solved: session.solved, revision: session.revision, counts: session.counts };
}"""


class Person:
    """Presses keys, and counts them.

    Parameters
    ----------
    page : Page
        Of the browser.
    truth : list of str
        Class of each row.
    """

    def __init__(self, page: Page, truth: list[str]) -> None:
        self._page, self._truth, self.keys = page, truth, 0
        self._classes = sorted(set(truth))

    def press(self, *keys: str) -> None:
        for key in keys:
            self._page.keyboard.press(key)
            self.keys += 1

    def answer(self, row: int, candidates: list[str], *, is_check: bool) -> None:
        """Say what an item is, with the fewest keys."""
        name = self._truth[row]
        if candidates[:1] == [name] and not is_check:
            self.press("Enter")
        elif name in candidates[:9]:
            self.press(str(candidates.index(name) + 1))
        else:
            self.press(*self._beginning(name), "Enter")

    def _beginning(self, name: str) -> str:
        """The shortest beginning whose first match is the class: the box shows a whole name first, then others in the order of the list."""
        for length in range(1, len(name) + 1):
            fits = [other for other in self._classes if other.lower().startswith(name[:length].lower())]
            if fits[0] == name:
                return name[:length]
        return name

    def look(self) -> dict[str, Any]:
        seen: dict[str, Any] = self._page.evaluate(LOOK)
        return seen

    def settled(self) -> dict[str, Any]:
        """Wait until the guesses know of every label."""
        while (seen := self.look())["solved"] < seen["revision"]:
            time.sleep(0.2)
        return seen

    def right(self, seen: dict[str, Any]) -> float:
        classes = seen["classes"]
        return float(
            np.mean(
                [place < len(classes) and classes[place] == name for place, name in zip(seen["label"], self._truth, strict=True)]
            )
        )


def copied(folder: Path) -> list[str]:
    """Copy the photographs under numbers, in an order that says nothing; return their classes."""
    files = sorted((DATA / "photos").glob("*/*.jpg"))
    np.random.default_rng(0).shuffle(files)
    folder.mkdir()
    for number, file in enumerate(files):
        shutil.copyfile(file, folder / f"{number:05d}.jpg")
    return [file.parent.name for file in files]


def session(folder: Path, truth: list[str], n_items: int, encoder: str | None) -> dict[str, Any]:
    """Let the person label until so many items were asked."""
    from playwright.sync_api import sync_playwright

    out = folder.parent / "out"
    command = [
        sys.executable,
        "-c",
        "from sibyl.cli.app import main; main()",
        "review",
        str(folder),
        "--out",
        str(out),
        "--no-browser",
    ]
    command += ["--classes", ",".join(sorted(set(truth)))] + ([] if encoder is None else ["--encoder", encoder])
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        address = server.stdout.readline().split()[1]
        chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(address)
            page.wait_for_selector("body.ready", timeout=900_000)
            page.wait_for_selector(".sheet .cell.at")
            return _label(page, Person(page, truth), n_items)
    finally:
        server.terminate()
        server.wait()


def _label(page: Page, person: Person, n_items: int) -> dict[str, Any]:
    curve = []
    for asked in range(FIRST):
        row = int(page.locator(".sheet .cell.at").first.get_attribute("data-row") or 0)
        guess = page.locator(f'.sheet .cell[data-row="{row}"] .cap.guess .name')
        person.answer(row, [guess.inner_text()] if guess.count() else [], is_check=False)
        page.wait_for_timeout(60)
        if asked % 6 == 5:
            person.settled()
            page.wait_for_timeout(300)
    page.wait_for_selector('body[data-view="next"] .card[data-row]', timeout=60_000)
    curve.append({"labels": FIRST, "right": person.right(person.settled()), "keys": person.keys})
    print(curve[-1], flush=True)
    for asked in range(FIRST, n_items):
        page.wait_for_timeout(400)
        card = page.locator(".card[data-row]")
        row = int(card.get_attribute("data-row") or 0)
        is_check = card.get_attribute("data-audit") == "true"
        person.answer(row, card.locator(".option .name").all_inner_texts(), is_check=is_check)
        page.wait_for_timeout(100)
        if (asked + 1) % 4 == 0:
            seen = person.settled()
            page.wait_for_timeout(600)
            curve.append({"labels": asked + 1, "right": person.right(seen), "keys": person.keys})
            print(curve[-1], flush=True)
    seen = person.settled()
    left = seen["counts"]["left"]
    n_right = person.right(seen) * len(seen["label"]) - (len(seen["label"]) - left)
    return {"curve": curve, "keys_per_item": person.keys / n_items, "checked": seen["checked"], "guesses_right": n_right / left}


def random_order(folder: Path, truth: list[str], encoder: str | None, at: list[int], draws: int = 3) -> list[dict[str, float]]:
    """Accuracy of the whole pile with labels of random items."""
    from sibyl.encoders.embed_source import embed_source
    from sibyl.labeling.examples import Examples
    from sibyl.labeling.run import encoder_for
    from sibyl.labeling.solve import solve_items
    from sibyl.methods.named import DEFAULT_METHOD, method_by_name
    from sibyl.sources.open import open_source

    source = open_source(folder)
    embedded = embed_source(source, encoder_for(source, encoder)[0])
    found = []
    for number in at:
        shares = []
        for seed in range(draws):
            rows = np.random.default_rng(seed).permutation(len(truth))[:number]
            labels = {embedded.names[row]: truth[row] for row in rows.tolist()}
            examples = Examples(labels, tuple(sorted(set(labels.values()))))
            method = method_by_name(DEFAULT_METHOD, embedded.matrix.shape[1], len(examples.class_names))
            table = solve_items(embedded.names, embedded.matrix, examples, method).table.set_index("item")
            shares.append(
                float(np.mean([table.loc[name, "label"] == kind for name, kind in zip(embedded.names, truth, strict=True)]))
            )
        found.append({"labels": number, "right": float(np.mean(shares)), "low": min(shares), "high": max(shares)})
    return found


def page_of(runs: dict[str, dict[str, Any]]) -> str:
    lines = [
        "# A scripted person labels 1,424 photographs by keys",
        "",
        "Written by `python runs/review.py`: part of Caltech-101, 24 classes, no example to begin with; both encoders have seen ImageNet. The person",
        "answers what `sibyl review` asks: 24 items that stand for the pile, then the queue, in which each fifth item is a check drawn at random.",
        "Accuracy is that of the whole pile, asked items among it; random order is the mean of three draws (lowest to highest).",
        "",
    ]
    for name, run in runs.items():
        checked = run["checked"]
        lines += [f"## {name}", "", "| labels | asked by the page | random order |", "|---|---|---|"]
        by_number = {one["labels"]: one for one in run["random"]}
        for one in run["curve"]:
            if one["labels"] in by_number:
                other = by_number[one["labels"]]
                lines.append(
                    f"| {one['labels']} | **{one['right']:.1%}** | {other['right']:.1%} ({other['low']:.1%} to {other['high']:.1%}) |"
                )
        holds = checked["low"] <= run["guesses_right"] <= checked["high"]
        lines += [
            "",
            f"Keys an item, with the classes' names pasted before: {run['keys_per_item']:.2f}. Checks: {checked['right']} of {checked['of']} right, so "
            f"{checked['low']:.0%} to {checked['high']:.0%} of the guesses; in truth {run['guesses_right']:.1%}, which the interval "
            f"{'holds' if holds else 'does not hold'}.",
            "",
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--encoder", nargs="*", default=["", str(DATA / "encoders" / "squeezenet1_1_features.onnx")])
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    options = parser.parse_args()
    runs: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "photos"
        truth = copied(folder)
        for encoder in options.encoder:
            name = Path(encoder).stem or "The default encoder"
            shutil.rmtree(Path(place) / "out", ignore_errors=True)
            runs[name] = session(folder, truth, options.items, encoder or None)
            runs[name]["random"] = random_order(folder, truth, encoder or None, [24, 48, 72, options.items])
            write_json(
                options.out / "review.json",
                {"commit": commit(), "version": version("sibyl-learn"), "items": options.items, "runs": runs},
            )
            write_text(options.out / "review.md", page_of(runs))


if __name__ == "__main__":
    main()
