"""Item, Skipped, Unreadable: what every source of raw data hands on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to be classified: a file, or a part of one.

    Parameters
    ----------
    name : str
        Path below the source's root with forward slashes, unique within the source: the item's name in every table.
    place : Path
        The file, or the folder that it lies `below`.
    content : bytes, optional
        The item itself, where it is only a part of the file, as the cell of a table.
    below : bool
        `place` is the source's root and `name` the path below it; a hundred thousand items then share one path.
    """

    name: str
    place: Path
    content: bytes | None = None
    below: bool = field(default=False, kw_only=True)

    @property
    def path(self) -> Path:
        """The file."""
        return self.place / self.name if self.below else self.place

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
