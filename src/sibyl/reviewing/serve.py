"""From a command to a page in the browser: the folder's lock, a port, an address with its token, and an end that loses nothing."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from sibyl.errors import DataError, MissingExtra, SibylError
from sibyl.reviewing.journal import FILE
from sibyl.reviewing.pile import Opening

ADDRESS_FILE, LOCK_FILE = ".review.json", ".review.lock"
SLOW = 30.0  # seconds within which a request must have come


def resolved(opening: Opening) -> Opening:
    """Return what to open: where an output folder is named, the pile that its journal tells of.

    Raises
    ------
    DataError
        If the pile does not exist, or the output folder holds the labels of another pile.
    """
    path, out = Path(opening.path), Path(opening.out)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; name a folder, a table, features, or the output folder of an earlier run")
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file; the output needs a folder")
    kept = _kept(path)
    if kept is not None:
        return replace(kept, out=str(path.absolute()), cache=opening.cache, encoder=opening.encoder or kept.encoder)
    earlier = _kept(out)
    opening = replace(opening, path=str(path.absolute()), out=str(out.absolute()))
    if earlier is not None and Path(earlier.path) != Path(opening.path):
        raise DataError(f"{out}: holds the labels of {earlier.path}; choose another folder with --out, or: sibyl review {out}")
    if earlier is not None:
        opening = replace(opening, encoder=opening.encoder or earlier.encoder)
    return opening


def _kept(out: Path) -> Opening | None:
    try:
        lines = (out / FILE).read_text(encoding="utf-8").splitlines() if (out / FILE).is_file() else []
    except (OSError, UnicodeDecodeError):
        return None
    for line in reversed(lines):
        if '"kind":"open"' in line:
            try:
                return Opening(**json.loads(line)["opening"])
            except (ValueError, KeyError, TypeError):
                return None
    return None


def serve(
    opening: Opening,
    *,
    port: int = 0,
    open_browser: bool = True,
    classes: Sequence[str] = (),
    told: Callable[[str], None] = print,
    say: Callable[[str], None] = lambda words: None,
) -> None:
    """Serve the page until it is interrupted.

    Parameters
    ----------
    opening : Opening
        What to review.
    port : int
        0 takes any free one.
    open_browser : bool
        Whether to open the page in the browser.
    classes : sequence of str
        Names of classes that are known from the start.
    told : callable
        Is given the address, once the server listens.
    say : callable
        Is given what was labelled and how to go on, after Finish and at the end.

    Raises
    ------
    DataError
        If the pile or the folder is not as expected, or another review has the folder.
    MissingExtra
        If starlette or uvicorn is not installed.
    """
    need_server()
    opening = resolved(opening)
    out = Path(opening.out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out}: cannot be made ({error.strerror}); choose another folder with --out") from None
    lock = FileLock(out / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DataError(f"another sibyl review has this folder: {_address_in(out) or 'its address is in its terminal'}") from None
    try:
        with _listening(port, out) as listening:
            _run(opening, listening, open_browser, classes, told, say)
    finally:
        lock.release()


def _listening(port: int, out: Path) -> socket.socket:
    """Bind a port of this machine: the one that was asked for; else, if it is free, the one of last time, where a page may be waiting."""
    address = _address_in(out)
    last = address.removeprefix("http://127.0.0.1:").split("/")[0]
    wanted = [port] if port else [*([int(last)] if last.isdecimal() else []), 0]
    for one in wanted:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", one))
        except OSError as error:
            listening.close()
            if one == wanted[-1]:
                raise DataError(f"port {one} is taken ({error.strerror}); choose another with --port, or leave it out") from None
        else:
            return listening
    raise AssertionError("there is always a last one")


def _run(
    opening: Opening,
    listening: socket.socket,
    open_browser: bool,
    classes: Sequence[str],
    told: Callable[[str], None],
    say: Callable[[str], None],
) -> None:
    import uvicorn

    from sibyl.reviewing.app import review_app
    from sibyl.reviewing.events import Events
    from sibyl.reviewing.patience import patient
    from sibyl.reviewing.session import Session

    port = int(listening.getsockname()[1])
    token = _token_of_last_time(Path(opening.out)) or secrets.token_urlsafe(32)
    address = f"http://127.0.0.1:{port}/enter#{token}"
    _keep_address(Path(opening.out), address)
    events = Events()
    session = Session(opening, events.announce, classes, say)
    app = review_app(session, events, token, port)
    config = uvicorn.Config(
        app,
        http=patient(SLOW),
        ws="none",
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
        lifespan="on",
    )

    class Server(uvicorn.Server):
        """Tells its address once it listens, and lets the pages go when it ends."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            told(address)
            if open_browser:
                webbrowser.open(address)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            events.close()
            await super().shutdown(sockets)

    with suppress(KeyboardInterrupt):  # the way to end it
        Server(config).run(sockets=[listening])


def need_server() -> None:
    """Say how to install the server's libraries where they are missing."""
    for library in ("starlette", "uvicorn"):
        try:
            __import__(library)
        except ImportError:
            raise MissingExtra(library, "review", "sibyl review") from None


def _keep_address(out: Path, address: str) -> None:
    path = out / ADDRESS_FILE
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # the token is for this user alone
    with os.fdopen(handle, "w") as file:
        json.dump({"address": address, "pid": os.getpid()}, file)


def _token_of_last_time(out: Path) -> str:
    """Keep the token of a folder, if nobody else could read it: a page that is still open goes on by itself after a restart."""
    path = out / ADDRESS_FILE
    if os.name != "posix" or not path.is_file() or path.stat().st_mode & 0o077 or path.stat().st_uid != os.getuid():
        return ""
    token = _address_in(out).partition("#")[2]
    return token if len(token) >= 43 else ""


def _address_in(out: Path) -> str:
    try:
        return str(json.loads((out / ADDRESS_FILE).read_text())["address"])
    except (OSError, ValueError, KeyError):
        return ""


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve for `sibyl.review`: the address, or what is wrong, is one line on the standard output."""
    given = argparse.ArgumentParser()
    given.add_argument("path")
    given.add_argument("out")
    for name in ("encoder", "examples", "column", "label-column", "id-column"):
        given.add_argument(f"--{name}")
    given.add_argument("--class", action="append", default=[], dest="classes")
    given.add_argument("--no-browser", action="store_true")
    asked = vars(given.parse_args(arguments))
    classes, no_browser = asked.pop("classes"), asked.pop("no_browser")
    try:
        serve(Opening(**asked), open_browser=not no_browser, classes=classes, told=lambda address: print(address, flush=True))  # noqa: T201
    except SibylError as error:
        print(" ".join(str(error).split()), flush=True)  # noqa: T201
        sys.exit(2)


if __name__ == "__main__":
    main()
