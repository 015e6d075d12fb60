"""Item, Skipped, Unreadable: what every source of raw data hands on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Item:
    """One thing to be classified: a file, or a part of one.

    Parameters
    ----------
    name : str
        Path below the source's root with forward slashes, unique within the source: the item's name in every table.
    path : Path
        The file.
    content : bytes, optional
        The item itself, where it is only a part of the file, as the cell of a table.
    """

    name: str
    path: Path
    content: bytes | None = None

    def read(self) -> bytes:
        """Return the item's bytes.

        Raises
        ------
        Unreadable
            If the file cannot be opened.
        """
        if self.content is not None:
            return self.content
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise Unreadable(f"cannot be opened ({error.strerror})") from None


@dataclass(frozen=True)
class Skipped:
    """Something that was found but is not used.

    Parameters
    ----------
    name : str
        Name as in `Item`; bytes that are not UTF-8 are shown as escapes.
    reason : str
        Why, in a few words.
    """

    name: str
    reason: str


class Unreadable(Exception):
    """One item cannot be read; the message is the reason. Whoever reads many items catches it, skips the item and names it."""
