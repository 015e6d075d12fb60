"""Names of files in an output folder, for those who need no more than that; it imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

RUN = "run.safetensors"
CORRECTIONS = "corrections.csv"
_CORRECTIONS = "corrections*.csv"


def correction_files(out: str | Path) -> list[Path]:
    """Return the files of corrections in an output folder, in order of their names."""
    return sorted(path for path in Path(out).glob(_CORRECTIONS) if path.is_file())
