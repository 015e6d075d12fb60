"""What items are called: from a name as a person or a tool writes it to the name below the source, and what it may have meant."""

from __future__ import annotations

import difflib
import heapq
import os
import unicodedata
from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path, PurePosixPath

from sibyl.labeling.label_studio import addressed

_NEAR_AMONG = 20_000  # names compared when the nearest ones are sought


def naming(
    root: str | Path, names: Collection[str], contents: Callable[[], Mapping[str, str]] | None = None
) -> Callable[[str], str]:
    """Return what brings an item as written in a table, be it an address of Label Studio, to its name below `root`."""
    # A table loses blanks around its cells: a name that has some is found by what is left of it.
    blank = {name.strip(): name for name in names if name[:1].isspace() or name[-1:].isspace()}
    address_item, by_content = addressed(names), None if contents is None else cache(contents)
    odd = [name for name in names if not name.isascii()]
    alike: dict[str, list[str]] = {}

    def same_letters(item: str) -> str | None:
        if odd and not alike:  # one system writes an accent as part of its letter, another behind it
            for name in odd:
                alike.setdefault(composed(name), []).append(name)
        found = [] if item.isascii() else alike.get(composed(item), [])
        return found[0] if len(found) == 1 else None

    def item_named(written: str) -> str:
        item = written if written in names else _item_name(written, Path(root))
        if item in names:
            return item
        known = blank.get(item) or same_letters(item) or address_item(written)
        if known is None and by_content is not None:
            known = by_content().get(written.strip())
        return item if known is None else known

    return item_named


def composed(text: str) -> str:
    """Return a name without blanks around it, in the Unicode form that composes letters and accents."""
    return unicodedata.normalize("NFC", text).strip()


def _item_name(written: str, root: Path) -> str:
    path = Path(written)
    if path.is_absolute():
        for base in (root.absolute(), root.resolve()):
            if path.is_relative_to(base):
                return path.relative_to(base).as_posix()
        return written
    # A path that exists as written may hold a backslash; otherwise it is taken for Windows' separator.
    plain = written if "\\" not in written or _exists(root / written) else written.replace("\\", "/")
    # What a shell completes starts at the working folder and not at the source.
    if root.is_dir() and not _exists(root / plain) and _exists(path) and path.absolute().is_relative_to(root.absolute()):
        plain = path.absolute().relative_to(root.absolute()).as_posix()
    return PurePosixPath(plain).as_posix()


def _exists(path: Path) -> bool:
    """Whether something lies at a path; a name that is too long for a file system, or a closed folder, is a no."""
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises there


def hint(item: str, names: Collection[str]) -> str:
    """Say what the items are called, for somebody who named one that is not there."""
    numbers = [int(name) for name in names if name.isdecimal()]
    if names and len(numbers) == len(names):
        return f"items are called by numbers, from {min(numbers)} to {max(numbers)}"
    near = [] if item.isdecimal() else _nearest(item, names)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"items are called {', '.join(map(repr, heapq.nsmallest(2, names)))} …"


def _nearest(item: str, names: Collection[str]) -> list[str]:
    base = _plain(item)
    folder = PurePosixPath(item).parent
    same = [name for name in names if _plain(name) == base]
    same.sort(key=lambda name: (PurePosixPath(name).parent != folder, name))
    if same:
        return same[:3]
    return difflib.get_close_matches(item, sorted(names)[:_NEAR_AMONG], n=3, cutoff=0.6)


def _plain(name: str) -> str:
    """Return a file's name without its folder, capitals and zeros in front: ``9.jpg`` may mean ``009.jpg``."""
    return PurePosixPath(name).name.lower().lstrip("0")
