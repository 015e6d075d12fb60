"""Disks and object stores alike: where a path or a URI points, and what their errors mean."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
from pyarrow import fs

from sibyl.errors import DataError, reason_of

SCHEMES = ("s3", "gs", "gcs", "hdfs", "viewfs", "file")
_SECONDS = 10.0  # until a store that does not answer is given up
_ATTEMPTS = 2


@dataclass(frozen=True, eq=False)
class Place:
    """A folder on a disk or in an object store.

    Parameters
    ----------
    uri : str
        As a person wrote it, without what stands behind ``?``.
    filesystem : pyarrow.fs.FileSystem
    path : str
        What the file system calls it.
    is_remote : bool
        It lies in an object store, where nothing can be renamed.
    """

    uri: str
    filesystem: Any
    path: str
    is_remote: bool

    def below(self, name: str) -> str:
        """Return the path of a file in this folder."""
        return f"{self.path}/{name}"


def place_of(path: str | Path) -> Place:
    """Find the file system of a path or URI.

    For S3 the region, keys and ``AWS_ENDPOINT_URL`` come from the environment, as other tools take them; ``?region=…``,
    ``?endpoint_override=…`` and ``?scheme=http`` behind the URI go before.

    Raises
    ------
    DataError
        If the scheme is not known, or the store cannot be set up.
    """
    written = str(path)
    scheme = written.partition("://")[0] if "://" in written else ""
    if not scheme:
        return Place(written.rstrip("/") or written, fs.LocalFileSystem(), str(Path(path).absolute()), False)
    if scheme not in SCHEMES:
        raise DataError(f"{written}: unknown kind of store {scheme!r}; known: a path, {', '.join(f'{one}://' for one in SCHEMES)}")
    uri = written.split("?", 1)[0].rstrip("/")
    try:
        if scheme == "s3":
            return Place(uri, _s3(written), uri.removeprefix("s3://"), True)
        filesystem, inside = fs.FileSystem.from_uri(written)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(sentence_of(uri, error)) from None
    return Place(uri, filesystem, inside.rstrip("/"), scheme != "file")


def _s3(uri: str) -> Any:
    options = {name: values[-1] for name, values in parse_qs(urlsplit(uri).query).items()}
    endpoint = options.get("endpoint_override") or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    settings: dict[str, Any] = {
        "region": options.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
        "connect_timeout": _SECONDS,
        "request_timeout": 3 * _SECONDS,
        "retry_strategy": fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
    }
    if int(pa.__version__.partition(".")[0]) >= 20:  # a file that fits one part is then one request, whole or absent
        settings["allow_delayed_open"] = True
    if endpoint:
        scheme, separator, host = endpoint.rpartition("://")
        settings["endpoint_override"] = host
        settings["scheme"] = options.get("scheme") or (scheme if separator else "https")
    return fs.S3FileSystem(**{name: value for name, value in settings.items() if value is not None})


def sentence_of(uri: str, error: BaseException) -> str:
    """Say in one sentence why a folder or a file cannot be reached."""
    text = reason_of(error, 4000)
    low = text.lower()
    if isinstance(error, FileNotFoundError) or "no_such_bucket" in low or "nosuchbucket" in low or "no such file" in low:
        return f"{uri}: no such folder or bucket"
    if any(one in low for one in ("access_denied", "access denied", "forbidden", "credential", "no_such_access_key", "signature")):
        return f"{uri}: access denied; set credentials that may read it, for example AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if any(one in low for one in ("storagefull", "insufficient", "quota", "no space left")):
        return f"{uri}: no room left there ({text[:160]})"
    if any(one in low for one in ("network_connection", "connect", "timeout", "timed out", "resolve host")):
        return f"{uri}: the store cannot be reached ({text[:160]}); check the network, the region and the endpoint"
    if isinstance(error, PermissionError):
        return f"{uri}: no permission"
    return f"{uri}: cannot be read ({text[:200]})"
