"""Shards for tests: features in parquet files, a real S3 server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

MOTO = shutil.which("moto_server")
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


def write_shards(
    folder: Path, matrix: npt.NDArray[np.float32], sizes: list[int], names: list[str] | None = None, kind: str = "fixed"
) -> Path:
    """Write rows as shards of these sizes; `kind` is fixed, list or wide."""
    folder.mkdir(parents=True, exist_ok=True)
    start = 0
    for number, size in enumerate(sizes):
        part = slice(start, start := start + size)
        columns: dict[str, object] = {} if names is None else {"id": names[part]}
        if kind == "wide":
            columns |= {f"f{place}": matrix[part, place] for place in range(matrix.shape[1])}
        else:
            of = pa.list_(pa.float32(), matrix.shape[1]) if kind == "fixed" else pa.list_(pa.float32())
            columns["embedding"] = pa.array(list(matrix[part]), of)
        pq.write_table(pa.table(columns), folder / f"part-{number:03}.parquet", row_group_size=max(1, size // 2))
    return folder


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """Run moto's S3 server; yield its address."""
    assert MOTO is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with (folder / "moto.log").open("wb") as log:
        server = subprocess.Popen([MOTO, "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log, env=clean)
        try:
            address = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 60
            while True:
                try:
                    urlopen(address, timeout=1).close()
                    break
                except (URLError, OSError):
                    assert time.monotonic() < deadline, (folder / "moto.log").read_text()
                    time.sleep(0.2)
            yield address
        finally:
            server.terminate()
            server.wait(20)


@contextmanager
def refusing_store(status: int, code: str) -> Iterator[str]:
    """Run a store that answers every request with one error; yield its address."""

    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def make_bucket(address: str, name: str) -> None:
    urlopen(Request(f"{address}/{name}", data=b"", method="PUT"), timeout=30).close()


def put(address: str, key: str, content: bytes) -> None:
    urlopen(Request(f"{address}/{key}", content, {"Content-Type": "application/octet-stream"}, method="PUT"), timeout=30).close()
