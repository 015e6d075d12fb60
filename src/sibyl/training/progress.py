"""What a training run reports, in two files beside its checkpoints: one for programs, one for tables."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from sibyl.storage import Json, write_text


def write_progress(folder: Path, lines: Sequence[Json]) -> None:
    """Write the reports so far to ``progress.jsonl`` and ``progress.csv``, whole or not at all; a column for each name met."""
    write_text(folder / "progress.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    table = io.StringIO()
    writer = csv.DictWriter(table, list(dict.fromkeys(name for line in lines for name in line)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_text(folder / "progress.csv", table.getvalue())
