"""The folder that an archive of a benchmark unpacks into."""

from __future__ import annotations

import shutil
from pathlib import Path

from sibyl.datasets.archives import unpack
from sibyl.datasets.download import Remote, download, missing
from sibyl.errors import DataError


def unpacked_folder(remote: Remote, root: Path, name: str, inside: str, fetch: bool, what: str) -> Path:
    """Return ``root/name``, unpacked from an archive beside it that holds one folder of this name.

    It is unpacked beside its final place and moved when it is whole.

    Parameters
    ----------
    remote : Remote
        The archive.
    root : Path
        Where it lies, or is to lie.
    name, inside : str
        The folder, and a path in the archive that shows that it is the right one.
    fetch : bool
        Download the archive if it is not there.
    what : str
        What is missing without it, for the message.

    Raises
    ------
    DataError
        If the archive is missing or damaged, or is another one.
    """
    if fetch:
        download(remote, root)
    archive = root / remote.file_name
    if not archive.is_file():
        raise missing(remote, root, what)
    unpacked = unpack(archive, root / f"{name}.unpacked")
    if not (unpacked / inside).is_dir():
        raise DataError(f"{archive}: holds no folder {inside}; is this the right archive? fetch {remote.address}")
    (unpacked / name).rename(root / name)
    shutil.rmtree(unpacked)
    return root / name
