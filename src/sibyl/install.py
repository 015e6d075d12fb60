"""How an extra of the package is installed into this environment."""

from __future__ import annotations

import json
import shlex
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit


def install_line(extra: str) -> str:
    """Return the command that installs an extra into this environment: from where sibyl came, an index, a file or a checkout."""
    try:
        origin = json.loads(distribution("sibyl-learn").read_text("direct_url.json") or "{}")
    except PackageNotFoundError:  # not installed: it runs from a checkout
        return f"pip install {shlex.quote(f'{Path(__file__).resolve().parents[2]}[{extra}]')}"
    except ValueError:
        origin = {}
    url = urlsplit(str(origin.get("url", "")))
    if url.scheme != "file":
        return f"pip install 'sibyl-learn[{extra}]'"
    editable = "-e " if origin.get("dir_info", {}).get("editable") else ""
    place = unquote(url.path)
    if not place.endswith(".whl"):
        return f"pip install {editable}{shlex.quote(f'{place}[{extra}]')}"
    return "pip install " + shlex.quote(f"sibyl-learn[{extra}] @ {origin['url']}")
