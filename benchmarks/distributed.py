"""Piles in parquet shards by one process, by threads, and by Ray actors of which one is killed: seconds, memory, labels that differ.

    python -m benchmarks.distributed [--rows 1000000,10000000] [--ways file,one,threads,ray,killed] [--photos FOLDER] [--work build/distributed] [--out results]

Rows are made on the spot (seeded): 64 columns, 20 classes of unequal size, 5 examples each, shards of 50,000 rows; they take 0.33 GB of
the disk a million, another 0.7 GB while they are solved, twice the 0.33 with `file`, and are taken away once all ways of that size are
measured. Ten million by one worker take a quarter of an hour on a quiet core. Each way runs in a process of its own. Memory is the largest anonymous memory (file pages, which the system may drop at any time, do not count) of the
driver and of the worker that takes most; processor time is that of all of them. `file` is `sibyl.label` on one file of all rows, and what
the labels of all others are compared with. `killed`: one of two actors gets SIGKILL after the first shard of the third pass.

`ceiling`, always measured: 250,000 rows by one worker, alone and then by two processes at once that share nothing: how many times the
work of one core both get through, which no two threads or actors can better.

With --photos, the images of a folder are embedded by the default encoder, by `local`, `ray` and `killed` (an actor gets SIGKILL once it has
worked for some seconds), each with an empty cache.

Each figure is kept in the record as soon as it is measured; what is there is not measured again. The page is written from the record alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from benchmarks.distributed_page import SHARED, page
from benchmarks.distributed_reduce import reduced
from benchmarks.distributed_rows import N_WAY, examples_of, made, truth_of
from benchmarks.distributed_watch import Watch, kill_one, ray_workers
from sibyl.storage import read_json, write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
WAYS = {"one": ("local", 1), "threads": ("local", 2), "ray": ("ray", 2), "killed": ("ray", 2)}
THIRD = 3
FEW = 250_000  # rows of `ceiling`
TRIES = 5  # on a busy machine Ray does not always start within its half minute


class Watched:
    """An engine that tells of its workers, and loses one in the third pass if asked to."""

    def __init__(self, engine: Any, watch: Watch, kills: bool) -> None:
        self._engine, self._kills, self._passes = engine, kills, 0
        self.n_workers, self.share, self.close = engine.n_workers, engine.share, engine.close
        self.killed = 0
        if hasattr(engine, "processes"):
            seen = set(engine.processes())
            watch.workers = lambda: tuple(seen)
            self._seen = seen

    def map(self, call: Any, numbers: Sequence[int]) -> Iterator[Any]:
        """Go over shards."""
        self._passes += type(call).__name__ != "Gather"  # that fetches a few rows
        kill = self._kills and self._passes == THIRD
        for place, one in enumerate(self._engine.map(call, numbers)):
            if kill and not place:
                os.kill(self._engine.processes()[0], signal.SIGKILL)
                self.killed += 1
            yield one
        if kill:
            self._seen |= set(self._engine.processes())


def measure(way: str, n_rows: int, work: Path) -> None:
    """Label, in this process, and print what it took."""
    if way in ("reduce", "bytes"):
        print(json.dumps(reduced() if way == "reduce" else bytes_of(work / f"rows-{n_rows}")))
        return
    from sibyl.labeling.label import label

    sharded: Any = import_module("sibyl.sharding.label")

    folder, out = work / f"rows-{n_rows}", work / f"labels-{n_rows}-{way}-{os.getpid()}"
    examples, watch = examples_of(n_rows), Watch()
    engines: list[Watched] = []
    of_name = sharded.engine_by_name

    def watched(*arguments: Any) -> Any:
        engines.append(Watched(of_name(*arguments), watch, way == "killed"))
        return engines[-1]

    began = time.perf_counter()
    if way == "file":
        codes = codes_of(label(folder.with_suffix(".parquet"), examples)["label"])
    else:
        sharded.engine_by_name = watched
        engine, workers = WAYS[way]
        sharded.label_shards(folder, examples, out, engine=engine, workers=workers)
    seconds, figures = time.perf_counter() - began, watch.figures()
    if way != "file":
        codes = np.concatenate(
            [codes_of(pq.read_table(path, columns=["label"])["label"].to_pandas()) for path in sorted(out.glob("*.parquet"))]
        )
        shutil.rmtree(out)
    reference = work / f"labels-{n_rows}.npy"
    if not reference.exists():
        np.save(reference, codes)
    figures |= {
        "seconds": seconds, "different": int((np.load(reference) != codes).sum()), "right": float((codes == truth_of(n_rows)).mean()),
        "killed": sum(one.killed for one in engines),
    }  # fmt: skip
    print(json.dumps(figures))


def codes_of(labels: Any) -> npt.NDArray[np.int8]:
    """Return labels as numbers."""
    found: npt.NDArray[np.int8] = pd.Categorical(labels, categories=[f"class {one:02}" for one in range(N_WAY)]).codes
    return found


def bytes_of(folder: Path) -> dict[str, float]:
    """Return the bytes of a row in the shards: features, and names."""
    found = {"features": 0, "names": 0}
    n_rows = 0
    for path in folder.glob("*.parquet"):
        about = pq.ParquetFile(path).metadata
        n_rows += about.num_rows
        for group in range(about.num_row_groups):
            for place in range(about.num_columns):
                column = about.row_group(group).column(place)
                found["names" if column.path_in_schema == "id" else "features"] += column.total_compressed_size
    return {name: size / n_rows for name, size in found.items()}


def embed(way: str, photos: Path, work: Path) -> None:
    """Embed a folder, in this process, and print what it took."""
    from sibyl.cli.app import main

    out, engine = work / f"features-{way}", "local" if way == "local" else "ray"
    os.environ["SIBYL_CACHE"] = str(work / f"cache-{way}-{time.time_ns()}")
    watch, began, killed = Watch(), time.perf_counter(), list[int]()
    if engine == "ray":
        watch.workers = ray_workers
    if way == "killed":
        threading.Thread(target=kill_one, args=(watch, killed), daemon=True).start()
    options = ["--engine", "ray", "--workers", "2"] if engine == "ray" else []
    sys.argv = ["sibyl", "embed", str(photos), "--out", str(out), "--json", *options]
    with suppress(SystemExit):
        main()
    figures = watch.figures() | {"seconds": time.perf_counter() - began}
    from sibyl.features import Features

    found = Features.load(out)
    reference = work / "features.npy"
    if not reference.exists():
        np.save(reference, found.matrix)
    rows = np.load(reference)
    figures |= {"killed": len(killed), "rows": len(found), "different": int((rows != found.matrix).any(1).sum())}
    print(json.dumps(figures))


def started(what: Sequence[str]) -> subprocess.Popen[str]:
    """Measure in a process of its own."""
    environment = os.environ | {"SIBYL_CACHE": os.environ.get("SIBYL_CACHE", str(ROOT / "build" / "distributed" / "cache"))}
    command = [sys.executable, "-m", "benchmarks.distributed", *what]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)


def run(what: Sequence[str]) -> dict[str, Any]:
    """Measure, and return what was found."""
    for _ in range(TRIES):
        with started(what) as process:
            told = process.communicate()[0]
        if not process.returncode:
            found: dict[str, Any] = json.loads(told.splitlines()[-1])
            return found
    raise SystemExit(f"{' '.join(what)}: ended with code {process.returncode}, {TRIES} times")


def ceiling(what: Sequence[str]) -> dict[str, float]:
    """Measure the same thing alone, and twice at once, in processes that share nothing but the machine."""
    alone = run(what)["seconds"]
    both = [started(what) for _ in range(2)]
    told = [process.communicate()[0] for process in both]
    if any(process.returncode for process in both):
        raise SystemExit(f"{' '.join(what)}: ended with an error beside itself")
    together = max(json.loads(one.splitlines()[-1])["seconds"] for one in told)
    return {"alone": alone, "together": together, "times": 2 * alone / together}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="1000000")
    parser.add_argument("--ways", default=",".join(("file", *WAYS)))
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "distributed")
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    parser.add_argument("--shared", action="store_true", help="say that the machine had other work, too")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--embed", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure[0], int(arguments.measure[1]), arguments.work)
        return
    if arguments.embed:
        embed(arguments.embed, arguments.photos, arguments.work)
        return
    arguments.work.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "distributed.json"
    record: dict[str, Any] = read_json(path) if path.exists() else {}
    record |= {"machine": f"{os.cpu_count()} cores ({platform.machine()}){SHARED if arguments.shared else ''}"}

    def keep(key: str, what: Sequence[str], measured: Callable[[Sequence[str]], dict[str, Any]] | None = None) -> None:
        if key not in record:
            record[key] = (measured or run)([*what, "--work", str(arguments.work)])
            print(key, record[key], flush=True)
        write_json(path, record)
        write_text(arguments.out / "distributed.md", page(record))

    for n_rows in map(int, arguments.rows.split(",")):
        wanted = [way for way in arguments.ways.split(",") if f"{n_rows} {way}" not in record]
        with made(arguments.work, n_rows, wanted):
            is_first = not any(key.startswith(f"{n_rows} ") for key in record)
            if wanted and not is_first and not (arguments.work / f"labels-{n_rows}.npy").exists():
                raise SystemExit(f"the labels to compare those of {n_rows:,} rows with are gone; take that size out of {path.name}")
            for way in wanted:
                keep(f"{n_rows} {way}", ["--measure", way, str(n_rows)])
    with made(arguments.work, FEW, [one for one in ("ceiling", "bytes") if one not in record]):
        keep("ceiling", ["--measure", "one", str(FEW)], ceiling)
        keep("bytes", ["--measure", "bytes", str(FEW)])
    for way in ("local", "ray", "killed") if arguments.photos else ():
        keep(f"photographs {way}", ["--embed", way, "--photos", str(arguments.photos.absolute())])
    keep("reduce", ["--measure", "reduce", "0"])


if __name__ == "__main__":
    main()
