"""A scripted person labels a pile of photographs in ``sibyl review`` by keys alone: how right the whole pile is after how many labels.

    python runs/review.py [--items 100] [--only NAME …] [--out results] [--anew]

A real server, a real Chromium, a real solver. The person knows the true class of each photograph (the name of its folder, which the page never
sees: the files are copied under numbers) and types as few letters as it takes: Enter where the first guess is right, a digit where another
candidate is, and otherwise the beginning of the name. Where the names of the classes are given before, as in most labelling jobs, two or three
letters find one; where they are not, each class is typed out once. Beside it, the same number of labels in random order, solved alike.
Data: $SIBYL_DATA, or ../shared/data beside the repository; test data, so nothing is chosen on it. What results/review.json has already is not
measured again; features are kept by sibyl's own cache.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from experiment import ROOT, commit, write_record
from review_page import GOAL_AT, page_of

from sibyl.storage import write_text

if TYPE_CHECKING:
    from playwright.sync_api import Page

DATA = Path(os.environ.get("SIBYL_DATA", ROOT.parent / "shared" / "data"))
SQUEEZENET = DATA / "encoders" / "squeezenet1_1_features.onnx"
RUNS: dict[str, dict[str, Any]] = {
    "EfficientNet-Lite2, names given": {"encoder": None, "names_given": True},
    "EfficientNet-Lite2, names typed": {"encoder": None, "names_given": False},
    "SqueezeNet 1.1, names given": {"encoder": SQUEEZENET, "names_given": True},
}
FIRST = 24
LOOK = """async () => {
  const answer = await fetch('api/columns'), session = await (await fetch('api/session')).json();
  const buffer = await answer.arrayBuffer(), n = new DataView(buffer).getUint32(8, true);
  return { label: [...new Uint16Array(buffer, 20, n)], status: [...new Uint8Array(buffer, 20 + 8 * n, n)], classes: session.classes.map((one) => one.name), checked: session.checked,
    solved: session.solved, revision: session.revision, counts: session.counts, encoder: session.encoder };
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

    def __init__(self, page: Page, truth: list[str], known: list[str]) -> None:
        self._page, self.truth, self.keys = page, truth, 0
        self.letters = 0  # of new names: keys that no page can spare
        self._known = known  # in the order in which the page offers them

    def press(self, *keys: str) -> None:
        for key in keys:
            self._page.keyboard.press(key)
            self.keys += 1

    def answer(self, row: int, digit_of: dict[str, str], *, enter: str = "") -> None:
        """Say what an item is, with the fewest keys: `enter` is what Enter would say, `digit_of` what digits would."""
        name = self.truth[row]
        if name == enter:
            self.press("Enter")
        elif name in digit_of:
            self.press(digit_of[name])
        else:
            self.press(*self._beginning(name), "Enter")
        if name not in self._known:
            self._known.append(name)
            self.letters += len(name)

    def _beginning(self, name: str) -> str:
        """The shortest beginning whose first match is the class, large letters like small ones; the whole of a new name."""
        if name in self._known:
            for length in range(1, len(name)):
                begun = name[:length].lower()
                if next(other for other in self._known if other.lower().startswith(begun)) == name:
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
                [place < len(classes) and classes[place] == name for place, name in zip(seen["label"], self.truth, strict=True)]
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


def session(folder: Path, truth: list[str], n_items: int, encoder: Path | None, *, names_given: bool) -> dict[str, Any]:
    """Let the person label until so many items were asked."""
    from playwright.sync_api import sync_playwright

    known = sorted(set(truth)) if names_given else []
    with tempfile.TemporaryDirectory() as out:
        command = [
            sys.executable,
            "-c",
            "from sibyl.cli.app import main; main()",
            "review",
            str(folder),
            "--out",
            out,
            "--no-browser",
        ]
        command += ["--classes", ",".join(known)] if known else []
        command += [] if encoder is None else ["--encoder", str(encoder)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        try:
            address = server.stdout.readline().split()[1]
            chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
            with sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                page.set_default_timeout(120_000)
                page.goto(address)
                page.wait_for_selector("body.ready", timeout=1_800_000)
                page.wait_for_selector(".sheet .cell.at")
                return _label(page, Person(page, truth, known), n_items)
        finally:
            server.terminate()
            server.wait()


def _label(page: Page, person: Person, n_items: int) -> dict[str, Any]:
    curve: list[dict[str, Any]] = []

    def note(labels: int) -> dict[str, Any]:
        seen = person.settled()
        met = len({place for place in seen["label"] if place < len(seen["classes"])})
        curve.append({"labels": labels, "right": person.right(seen), "keys": person.keys, "classes": met})
        print(curve[-1], flush=True)
        page.wait_for_timeout(500)  # the page takes the new guesses up
        return seen

    row = -1
    for asked in range(FIRST):
        page.wait_for_selector(f'.sheet .cell.at:not([data-row="{row}"])')
        row = int(page.locator(".sheet .cell.at").first.get_attribute("data-row") or 0)
        guess = page.locator(f'.sheet .cell[data-row="{row}"] .cap.guess .name')
        person.answer(row, {}, enter=guess.inner_text() if guess.count() else "")
        if asked % 6 == 5:
            person.settled()
            page.wait_for_timeout(500)
    page.wait_for_selector('body[data-view="next"] .card[data-row]')
    note(FIRST)
    row, checks = -1, 0
    for asked in range(FIRST, n_items):
        page.wait_for_selector(f'.card[data-row]:not([data-row="{row}"])')
        card = page.locator(".card[data-row]")
        row = int(card.get_attribute("data-row") or 0)
        checks += card.get_attribute("data-audit") == "true"
        names = card.locator(".option .name").all_inner_texts()
        keys = dict(zip(names, card.locator(".option kbd").all_inner_texts(), strict=True))
        first = card.locator(".option.first .name")
        person.answer(
            row, {name: key for name, key in keys.items() if key.isdigit()}, enter=first.inner_text() if first.count() else ""
        )
        if (asked + 1 - FIRST) % 4 == 0 or asked + 1 == n_items:
            seen = note(asked + 1)
    said = {row: seen["classes"][seen["label"][row]] for row, status in enumerate(seen["status"]) if status}
    wrong = [row for row, name in said.items() if name != person.truth[row]]
    if wrong or len(said) != n_items:
        raise RuntimeError(f"the person labelled {len(said)} items, {len(wrong)} of them wrongly")
    left = seen["counts"]["left"]
    n_right = person.right(seen) * len(seen["label"]) - (len(seen["label"]) - left)
    return {
        "curve": curve, "keys_per_item": person.keys / n_items, "letters": person.letters, "checked": seen["checked"], "checks": checks,
        "guesses_right": n_right / left, "encoder": seen["encoder"],
    }  # fmt: skip


def random_order(folder: Path, truth: list[str], encoder: Path | None, at: list[int], draws: int = 3) -> list[dict[str, float]]:
    """Accuracy of the whole pile with labels of random items."""
    from sibyl.encoders.chosen import encoder_for
    from sibyl.encoders.embed_source import embed_source
    from sibyl.labeling.examples import Examples
    from sibyl.labeling.solve import solve_items
    from sibyl.methods.named import DEFAULT_METHOD, method_by_name
    from sibyl.sources.open import open_source

    source = open_source(folder)
    embedded = embed_source(source, encoder_for(source, None if encoder is None else str(encoder))[0])
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=GOAL_AT)
    parser.add_argument("--only", nargs="*", default=list(RUNS), choices=list(RUNS))
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    parser.add_argument("--anew", action="store_true", help="measure again what results/review.json has")
    options = parser.parse_args()
    record = options.out / "review.json"
    before = json.loads(record.read_text()) if record.is_file() else {}
    before = before if before.get("items") == options.items and not options.anew else {"runs": {}, "random": {}}
    measured_at = before.get("commit", commit())
    runs: dict[str, dict[str, Any]] = before["runs"]
    orders: dict[str, list[dict[str, float]]] = before["random"]
    missing = [name for name in options.only if name not in runs]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "photos"
        truth = copied(folder) if missing else []
        for name in missing:
            encoder = RUNS[name]["encoder"]
            run = session(folder, truth, options.items, encoder, names_given=RUNS[name]["names_given"])
            alike = name.split(",")[0]
            if alike not in orders:
                orders[alike] = random_order(folder, truth, encoder, [24, 48, 72, options.items])
            runs = {one: {**runs, name: run}[one] for one in RUNS if one in {*runs, name}}
            write_record(record, ("sibyl-learn", "torch", "numpy"), items=options.items, runs=runs, random=orders)
            measured_at = commit()
    write_text(options.out / "review.md", page_of(runs, orders, measured_at))


if __name__ == "__main__":
    main()
