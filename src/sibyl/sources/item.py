"""Item, Skipped, Unreadable: what every source of raw data hands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sibyl.errors import without_addresses


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to be classified: a file, or a part of one.

    Parameters
    ----------
    name : str
        Path below the source's root with forward slashes, unique within the source: the item's name in every table.
    place : Path
        The file, or the folder that it lies `below`.
    content : bytes or callable, optional
        The item itself, where it is only a part of the file, as the cell of a table; or what returns it, so that large ones are held
        once. It may raise `Unreadable`.
    below : bool
        `place` is the source's root and `name` the path below it.
    """

    name: str
    place: Path
    content: bytes | Callable[[], bytes] | None = None
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
            If the file cannot be opened, or the cell is empty.
        """
        if self.content is not None:
            return self.content() if callable(self.content) else self.content
        try:
            # Not through a `Path`: Python would keep room for each of its parts for good.
            with open(f"{self.place}/{self.name}" if self.below else self.place, "rb") as file:  # noqa: PTH123
                return file.read()
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

    def __str__(self) -> str:
        return without_addresses(super().__str__())
