"""Weights that lie in small packages of the package index: found without importing the package, and
checked before they are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from sibyl.errors import DataError, MissingExtra
from sibyl.storage import sha256

EXTRA = "encoders"


@dataclass(frozen=True)
class PackagedFile:
    """A file of weights inside a package.

    Parameters
    ----------
    distribution : str
        The package's name on the package index.
    package : str
        Its top-level import. It is never imported, only looked up.
    path : str
        The file, relative to the folder of the import.
    checksum : str
        SHA-256 of the file that Sibyl was tried with.
    """

    distribution: str
    package: str
    path: str
    checksum: str

    def find(self) -> Path | None:
        """Return where the file lies, or None if the package is not installed or has no such file."""
        spec = find_spec(self.package)
        folders = (spec.submodule_search_locations or ()) if spec is not None else ()
        return next((path for folder in folders if (path := Path(folder) / self.path).is_file()), None)

    @property
    def is_sound(self) -> bool:
        """Whether the file is there and is the one that Sibyl was tried with."""
        found = self.find()
        return found is not None and _checksum(found, found.stat().st_size, found.stat().st_mtime_ns) == self.checksum

    def checked(self, encoder: str) -> Path:
        """Return the path of the file, once its checksum is right.

        Parameters
        ----------
        encoder : str
            The encoder that asks, for the message.

        Raises
        ------
        MissingExtra
            If the package is not installed.
        DataError
            If the file is another one than Sibyl was tried with.
        """
        found = self.find()
        if found is None:
            raise MissingExtra(self.distribution, EXTRA, f"the encoder {encoder}")
        if not self.is_sound:
            raise DataError(
                f"{encoder}: the weights in the package {self.distribution} are not those that Sibyl was tried with: expected SHA-256 "
                f"{self.checksum[:12]}…, got {sha256(found)[:12]}…; install the version that sibyl-learn[{EXTRA}] names"
            )
        return found


@lru_cache(maxsize=16)
def _checksum(path: Path, size: int, changed: int) -> str:
    # Size and time of the last change only name the version of the file that was read.
    return sha256(path)


def need_libraries(encoder: str, *names: str) -> None:
    """Check that libraries are installed.

    Parameters
    ----------
    encoder : str
        The encoder that needs them, for the message.
    *names : str
        Their imports.

    Raises
    ------
    MissingExtra
        If one is not.
    """
    for name in names:
        if find_spec(name) is None:
            raise MissingExtra(name, EXTRA, f"the encoder {encoder}")
