"""The page of `benchmarks.distributed`, from its record alone: figures measured, and what they say of a billion rows."""

from __future__ import annotations

from typing import Any

NAMES = {
    "file": "one process, one file, `sibyl.label`", "one": "one worker", "threads": "two threads", "ray": "Ray, two actors",
    "killed": "Ray, one of two actors killed in the third pass",
}  # fmt: skip
WAYS = tuple(NAMES)
BILLION, WORKERS = 10**9, 256
MEGA = 1e6
SHARED = ", shared with other work"
EMBEDDED = {"local": "local", "ray": "ray", "killed": "ray, one of two actors killed"}


def page(record: dict[str, Any]) -> str:
    """Return the page as Markdown."""
    rows = [(int(key.split()[0]), key.split()[1], value) for key, value in record.items() if key[0].isdigit()]
    rows.sort(key=lambda one: (one[0], WAYS.index(one[1])))
    lines = [
        "# Shards, by one process and by several",
        "",
        "Rows of 64 columns in parquet shards of 50,000, 20 classes of unequal size, 5 examples each, made on the spot. *Different*: labels that",
        "differ from those of the first line of as many rows. Memory is anonymous, the largest of the driver and of the worker that takes most",
        "(with threads both are one process); what is mapped from files, which the system may drop, does not count. Processor seconds are those",
        "of driver and workers together, imports included."
        + (
            " The machine was shared with other work: seconds are upper bounds, and do not compare."
            * record["machine"].endswith(SHARED)
        ),
        "",
        "| rows | way | seconds | processor seconds | driver, MB | worker, MB | different | right, % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {n_rows:,} | {NAMES[way]} | {one['seconds']:.0f} | {one['processor']:.0f} | {one['driver'] / MEGA:,.0f} "
        f"| {one['worker'] / MEGA:,.0f} | {one['different']:,} | {100 * one['right']:.2f} |"
        for n_rows, way, one in rows
    ]
    lines += _compared(record, rows)
    photographs = {key.split()[1]: value for key, value in record.items() if key.startswith("photographs")}
    if photographs:
        lines += [
            "",
            "Photographs, by the default encoder, with nothing in the cache; *different* counts rows with any bit that differs.",
            "Processor seconds are those of driver and actors:",
            "",
            "| engine | photographs | seconds | processor seconds | driver, MB | worker, MB | different |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {EMBEDDED[way]} | {one['rows']:,} | {one['seconds']:.0f} | {one['processor']:.0f} | {one['driver'] / MEGA:,.0f} "
            f"| {one['worker'] / MEGA:,.0f} | {one['different']:,} |"
            for way, one in photographs.items()
        ]
    if rows and {"reduce", "bytes"} <= record.keys():
        lines += ["", "## A billion rows", "", *_estimate(record, rows, photographs)]
    lines += ["", f"Made by: `python -m benchmarks.distributed`, {record['machine']}."]
    return "\n".join(lines) + "\n"


def _compared(record: dict[str, Any], rows: list[Any]) -> list[str]:
    """Say how memory grows from the fewest rows to the most, and how many times as fast as one worker the others are."""
    sizes = sorted({n_rows for n_rows, _, _ in rows})
    found = {(n_rows, way): value for n_rows, way, value in rows}
    lines = []
    for way in dict.fromkeys(way for _, way, _ in rows):
        few, many = found.get((sizes[0], way)), found.get((sizes[-1], way))
        if few and many and len(sizes) > 1:
            grown = [f"{who} {(many[who] - few[who]) / MEGA:+,.0f} MB" for who in ("driver", "worker") if many[who]]
            lines.append(f"- {NAMES[way]}: {', '.join(grown)}")
    if lines:
        lines = ["", f"Memory, from {sizes[0]:,} rows to {sizes[-1]:,}:", "", *lines]
    faster = [
        f"{NAMES[way]} {found[sizes[-1], 'one']['seconds'] / found[sizes[-1], way]['seconds']:.2f}"
        for way in ("threads", "ray")
        if {(sizes[-1], "one"), (sizes[-1], way)} <= found.keys()
    ]
    if faster and not record["machine"].endswith(SHARED):  # beside other work, seconds do not compare
        lines += ["", f"Times as fast as one worker, {sizes[-1]:,} rows: {', '.join(faster)}."]
    if "ceiling" in record:
        lines += [
            "",
            f"Two processes at once that share nothing but the machine get through {record['ceiling']['times']:.2f} times the work of one: its",
            "two cores give no more, whatever is done with them.",
        ]
    return lines


def _estimate(record: dict[str, Any], rows: list[Any], photographs: dict[str, Any]) -> list[str]:
    n_rows, _, most = max((one for one in rows if one[1] in ("one", "ray")), key=lambda one: one[0])
    reduce, per_row = record["reduce"], most["processor"] / n_rows
    n_shards = BILLION // reduce["rows of a shard"]
    solve = per_row * BILLION / 3600
    per_pass = n_shards * reduce["seconds"]
    passes = reduce["passes"]
    lines = [
        f"An estimate from the rates above, for {BILLION:,} rows of 64 columns, 20 classes, {n_shards:,} shards, {WORKERS} workers of one core.",
        "It has not been run.",
        "",
        f"- *Solve, from reading to written labels*: {1e6 * per_row:,.0f} µs of a core a row, so {solve:,.0f} core-hours, "
        f"{60 * solve / WORKERS:,.0f} minutes on {WORKERS} cores.",
        f"- *Bytes read*: {record['bytes']['features']:.0f} a row of features, once, and {record['bytes']['names']:.1f} of names, once more: "
        f"{BILLION * (record['bytes']['features'] + record['bytes']['names']) / 1e9:,.0f} GB. Each worker then keeps "
        f"{BILLION * reduce['bytes kept of a row'] / WORKERS / 1e9:.1f} GB in files.",
        f"- *Reduce*: each shard answers each of the {passes} passes with {reduce['bytes'] / 1e3:.0f} kB; to take and add one costs the driver "
        f"{1e3 * reduce['seconds']:.1f} ms, so a pass costs it {per_pass:.0f} s and {n_shards * reduce['bytes'] / 1e9:.2f} GB of network, all "
        f"passes {passes * per_pass / 60:.1f} minutes. Adding runs beside the workers' own passes; it would hold them up once a pass takes them "
        f"less than {per_pass:.0f} s, beyond some {solve * 3600 / passes / per_pass:,.0f} workers of this size of shard. Larger shards cost less.",
    ]
    if photographs:
        one = next(iter(photographs.values()))
        encode = one["processor"] / one["rows"]
        lines.insert(
            3,
            f"- *Encode* photographs of 128 pixels by the default encoder: {1e3 * encode:.0f} ms of a core each, {encode * BILLION / 3600:,.0f} core-hours.",
        )
    return lines
