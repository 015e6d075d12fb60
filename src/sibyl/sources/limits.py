"""How much memory a file may unfold to; checked before it is unfolded."""

from __future__ import annotations

from pathlib import Path

from sibyl.errors import DataError

ALWAYS = 1 << 30
TIMES = 100


def check_unfolded(path: Path, n_bytes: int) -> None:
    """Refuse a small file that would fill the memory.

    Parameters
    ----------
    path : Path
        The file.
    n_bytes : int
        What it would take in memory, at least.

    Raises
    ------
    DataError
        If that is more than 1 GiB and more than a hundred times the file's own size.
    """
    size = path.stat().st_size
    if n_bytes > max(ALWAYS, TIMES * size):
        raise DataError(
            f"{path}: holds {_shown(size)}, but would unfold to {_shown(n_bytes)}; if that is meant, split it into smaller files"
        )


def _shown(n_bytes: int) -> str:
    for unit, size in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes:.0f} bytes"
