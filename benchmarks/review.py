"""How fast the page of ``sibyl review`` is, and how much memory its two processes take: real server, solver and browser.

    python -m benchmarks.review [--sizes 1424x24,10000x50,100000x100] [--dim 64] [--out results]

Writes ``results/review_speed.md`` and ``.json``; of sizes that are not asked for, the record's figures stay. Piles are made: clusters of
features with names. Seconds are those of the machine as it is, with the processor's own where other processes may have had it; beside each
stands a ratio to something that the same run measures, which says the same on any machine:

- first screen, against a Python that only imports what the solver needs;
- a label acknowledged, against an append with fsync to the same disk and an answer of the same server that does nothing;
- all others solved anew as the page sees it, against the seconds that the solve itself took;
- columns fetched and the view drawn anew, against the same at the size before.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.review_page import page_of, ratios
from sibyl.storage import write_json, write_text

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[1]
PRESSES = 30
MANY = 50_000  # items from which a solve takes so long that one is measured
WATCH = """() => {
  window.waits = [];
  let begun = 0;
  const card = document.querySelector('.card');
  window.addEventListener('keydown', (event) => { if (event.key === 'Enter') begun = performance.now(); }, true);
  new MutationObserver(() => { if (begun) { window.waits.push((performance.now() - begun) / 1000); begun = 0; } })
    .observe(card, { attributes: true, attributeFilter: ['data-row'] });
}"""
ACKNOWLEDGED = """() => performance.getEntriesByType('resource').filter((one) => one.name.endsWith('api/actions')).map((one) => one.duration / 1000)"""
NOTHING = """async () => {
  const times = [];
  for (let turn = 0; turn < 20; turn++) { const from = performance.now(); await (await fetch('nowhere')).text(); times.push((performance.now() - from) / 1000); }
  return times;
}"""
DRAWN = """async () => {
  const { fetchColumns } = await import('/static/net.js');
  const times = [];
  for (let turn = 0; turn < 7; turn++) {
    const from = performance.now();
    await fetchColumns();
    document.body.offsetHeight;
    times.push((performance.now() - from) / 1000);
  }
  return times;
}"""
SCROLLED = """() => {
  const grid = document.querySelector('.grid'), times = [];
  for (let turn = 1; turn <= 40; turn++) {
    const from = performance.now();
    grid.scrollTop = turn * 700;
    grid.dispatchEvent(new Event('scroll'));
    document.body.offsetHeight;
    times.push((performance.now() - from) / 1000);
  }
  return times;
}"""


def make(path: Path, n: int, k: int, dim: int) -> dict[str, str]:
    """Write clusters of features with names; return item → class."""
    draw = np.random.default_rng(0)
    kinds = draw.integers(0, k, n)
    centres = draw.standard_normal((k, dim)).astype(np.float32)
    rows = centres[kinds] + draw.standard_normal((n, dim)).astype(np.float32)
    names = [f"item {row:06}" for row in range(n)]
    np.savez(path, features=rows, ids=np.array(names))
    return {name: f"class {kind:03}" for name, kind in zip(names, kinds.tolist(), strict=True)}


def memory(pid: int) -> dict[str, float]:
    """Largest resident memory so far, and what is resident now, in MB."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    found = {"most": "VmHWM", "now": "VmRSS", "anonymous": "RssAnon"}
    return {name: int(lines[key].split()[0]) * 1024 / 1e6 for name, key in found.items()}


def child_of(pid: int) -> int:
    """The solver, which is the server's only child."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def flushed(folder: Path, times: int = 30) -> float:
    """Median seconds of an append with fsync."""
    taken = []
    with (folder / "flushed").open("ab", buffering=0) as file:
        for _ in range(times):
            started = time.perf_counter()
            file.write(b"x" * 250)
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - started)
    return median(taken)


def imported() -> float:
    """Seconds of a Python that imports what the solver needs."""
    code = "import sibyl.labeling.label, sibyl.encoders.embed_source"
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started


def processor(*pids: int) -> float:
    """Seconds that processes have had of the processor."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in pids]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


def one_size(page: Page, folder: Path, n: int, k: int, dim: int) -> dict[str, Any]:
    """Measure with one pile: open it, teach two items a class, work the queue, look at everything."""
    truth = make(folder / "pile.npz", n, k, dim)
    taught = list({name: item for item, name in truth.items()}.values()) + list(
        {name: i for i, name in reversed(truth.items())}.values()
    )
    (folder / "examples.csv").write_text("item,label\n" + "".join(f"{item},{truth[item]}\n" for item in dict.fromkeys(taught)))
    out = folder / "out"
    found: dict[str, Any] = {"items": n, "classes": k, "columns": dim, "imports": imported(), "flushed": flushed(folder)}
    started = time.perf_counter()
    command = ["review", str(folder / "pile.npz"), "--out", str(out), "--examples", str(folder / "examples.csv"), "--no-browser"]
    server = subprocess.Popen(
        [sys.executable, "-c", "from sibyl.cli.app import main; main()", *command], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        page.goto(server.stdout.readline().split()[1])
        page.wait_for_selector("#view h2, body.ready")
        found["page there"] = time.perf_counter() - started
        page.wait_for_selector("body.ready .card[data-row]")
        found["first screen"] = time.perf_counter() - started
        solver = child_of(server.pid)
        found["processor of"] = {"first screen": processor(server.pid, solver)}
        session = settled(page)
        found["first solve"] = session["seconds"]
        worked(page, found, solver, 3 if n < MANY else 1)
        found["drawn anew"] = median(page.evaluate(DRAWN))
        page.keyboard.press("Alt+7")  # every item, as one grid
        page.wait_for_selector("body[data-view=search] .cell")
        found["scrolled"] = median(page.evaluate(SCROLLED))
        found["memory before the map"] = {"server": memory(server.pid), "solver": memory(child_of(server.pid))}
        page.keyboard.press("Alt+6")
        page.wait_for_selector("body[data-view=map] canvas")
        page.evaluate("async () => { await (await fetch('api/places')).arrayBuffer(); }")
        found["memory"] = {"server": memory(server.pid), "solver": memory(child_of(server.pid))}
    finally:
        server.terminate()
        server.wait()
    return found


def settled(page: Page) -> dict[str, Any]:
    """Wait until the guesses know of every label."""
    while True:
        session: dict[str, Any] = page.evaluate("async () => (await fetch('api/session')).json()")
        if session["solved"] >= session["revision"] > 0:
            return session
        time.sleep(0.05)


def worked(page: Page, found: dict[str, Any], solver: int, times: int) -> None:
    """Press Enter through the queue; then label once more and wait for the solve that knows of it, several times."""
    page.keyboard.press("Alt+2")
    page.wait_for_selector(".card[data-row]")
    page.wait_for_timeout(500)
    page.evaluate(WATCH)
    page.evaluate("() => { performance.clearResourceTimings(); performance.setResourceTimingBufferSize(100_000); }")
    row = ""
    for _ in range(PRESSES):
        page.wait_for_selector(f'.card[data-row]:not([data-row="{row}"])')
        page.wait_for_timeout(150)
        card = page.locator(".card[data-row]")
        row = card.get_attribute("data-row") or ""
        if card.get_attribute("data-audit") == "true":
            page.keyboard.press("1")  # a check takes no Enter
        else:
            page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    waits = page.evaluate("() => window.waits")
    found["key to next item"], found["key to next item, longest"] = median(waits), max(waits)
    taken = page.evaluate(ACKNOWLEDGED)
    found["acknowledged"], found["acknowledged, longest"] = median(taken), max(taken)
    found["answer of nothing"] = median(page.evaluate(NOTHING))
    settled(page)
    seen, alone, of_processor = [], [], []
    for _ in range(times):
        page.wait_for_timeout(1000)  # heaps are looked for after a solve
        before = processor(solver)
        row = page.locator(".card[data-row]").get_attribute("data-row") or ""
        started = time.perf_counter()
        page.keyboard.press("1" if page.locator(".card").get_attribute("data-audit") == "true" else "Enter")
        page.wait_for_selector(f'.card[data-row]:not([data-row="{row}"])')
        page.wait_for_timeout(20)
        session = settled(page)
        seen.append(time.perf_counter() - started)
        alone.append(session["seconds"])
        of_processor.append(processor(solver) - before)
    found["solved anew"], found["solve alone"] = median(seen), median(alone)
    found["processor of"]["solved anew"] = median(of_processor)


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1424x24,10000x50,100000x100")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    options = parser.parse_args()
    record_path = options.out / "review_speed.json"
    kept = json.loads(record_path.read_text())["sizes"] if record_path.is_file() else []
    by_size = {(one["items"], one["classes"]): one for one in kept if one["columns"] == options.dim and "load" in one}
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        for size in options.sizes.split(","):
            n, k = map(int, size.split("x"))
            load = os.getloadavg()[0]
            with tempfile.TemporaryDirectory() as folder:
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                page.set_default_timeout(1_800_000)
                one = one_size(page, Path(folder), n, k, options.dim)
                page.close()
            by_size[n, k] = {**one, "load": [load, os.getloadavg()[0]]}
            print(json.dumps(by_size[n, k]), flush=True)
            sizes = [by_size[each] for each in sorted(by_size)]
            for before, after in zip([None, *sizes], sizes, strict=False):
                after["ratios"] = ratios(after, before)
            record = {"cores": os.cpu_count(), "machine": platform.machine(), "sizes": sizes}
            write_json(record_path, record)
            write_text(options.out / "review_speed.md", page_of(record))


if __name__ == "__main__":
    main()
