"""Who may speak to the server: every refusal over real sockets, and nothing of the data runs in the page."""

from __future__ import annotations

import io
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sibyl.reviewing.app import page_files
from tests.encoders.tiny_onnx import write_tiny_encoder
from tests.reviewing.serving import Served, served

EVIL = "<img src=x onerror=alert(1)> '\"&.png"
GOOD = {"x_sibyl": "1", "content_type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Small pictures, some with names and contents that mean harm."""
    folder = tmp_path_factory.mktemp("pile")
    draw = np.random.default_rng(0)
    for number in range(12):
        pixels = np.clip(np.eye(3)[number % 3] * 160 + 40 + draw.normal(size=(30, 40, 3)) * 20, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    Image.new("RGB", (9, 9), (200, 0, 0)).save(folder / EVIL)
    polyglot = io.BytesIO()
    Image.new("RGB", (8, 8), (0, 200, 0)).save(polyglot, "GIF", comment=b"<script>alert(1)</script>")
    (folder / "polyglot.gif").write_bytes(polyglot.getvalue() + b"<script>alert(2)</script>")
    (folder / "picture.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    (folder / "page.png").write_text("<html><script>alert(1)</script></html>")
    encoder = write_tiny_encoder(tmp_path_factory.mktemp("encoder") / "encoder.onnx")
    with served(folder, "--out", tmp_path_factory.mktemp("out"), "--encoder", encoder) as one:
        one.ready()
        yield one


def test_only_whom_it_gave_the_cookie(server: Served) -> None:
    assert server.ask("/")[0] == 401
    assert server.ask("/api/session")[0] == 401
    assert server.ask("/api/session", cookie=f"{server.cookie.split('=')[0]}=wrong")[0] == 401
    assert server.ask("/static/main.js")[0] == 401
    assert server.ask("/enter")[0] == 200
    assert server.ask("/enter", {"token": "wrong"}, **GOOD)[0] == 401
    assert server.ask("/enter", {"token": server.token})[0] == 403  # without the header
    status, _, headers = server.ask("/enter", {"token": server.token}, **GOOD)
    assert status == 200
    assert "HttpOnly" in headers["set-cookie"]
    assert "samesite=strict" in headers["set-cookie"].lower()
    assert server.ask("/api/session", cookie=server.cookie)[0] == 200


def test_no_foreign_name_site_or_form(server: Served) -> None:
    inside = {"cookie": server.cookie}
    port = server.host.split(":")[1]
    assert server.ask("/api/session", Host="evil.test", **inside)[0] == 403
    assert server.ask("/api/session", Host=f"evil.test:{port}", **inside)[0] == 403
    assert server.ask("/api/session", Host=f"localhost:{port}", **inside)[0] == 200
    assert server.ask("/api/session", Origin="http://evil.test", **inside)[0] == 403
    assert server.ask("/api/session", Origin=f"http://{server.host}", **inside)[0] == 200
    assert server.ask("/api/session", Sec_Fetch_Site="cross-site", **inside)[0] == 403
    assert server.ask("/", Sec_Fetch_Site="same-site", **inside)[0] == 403
    act = {"kind": "teach", "rows": [0], "label": "x", "saw": 0}
    assert server.ask("/api/actions", act, **inside)[0] == 403
    assert server.ask("/api/actions", act, content_type="text/plain", x_sibyl="1", **inside)[0] == 403
    assert server.ask("/api/actions", act, Origin="null", **GOOD, **inside)[0] == 403
    assert server.ask("/api/actions", act, method="PUT", **GOOD, **inside)[0] == 405
    assert server.ask("/api/session", method="OPTIONS", Origin="http://evil.test", **inside)[0] == 403
    assert server.json("/api/session")["counts"]["taught"] == 0


def test_every_answer_is_sealed(server: Served) -> None:
    for path in ("/", "/enter", "/api/session", "/static/main.js", "/nowhere"):
        headers = server.ask(path, cookie=server.cookie)[2]
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert not any(name.startswith("access-control") for name in headers)


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/api/small/../../etc/passwd", "/api/small/-1", "/api/small/99999",
     "/api/small/x", "/static/", "/static/index.html%00.js", "/api/large//etc/passwd"],
)  # fmt: skip
def test_no_path_leads_out(server: Served, path: str) -> None:
    assert server.ask(path, cookie=server.cookie)[0] == 404


def test_pictures_are_decoded_and_encoded_again(server: Served) -> None:
    session = server.json("/api/session")
    names = [item["name"] for item in server.json("/api/items?rows=" + ",".join(map(str, range(session["n"]))))]
    assert EVIL in names
    assert "picture.svg" not in names
    assert "page.png" not in names
    for row, name in enumerate(names):
        for size in ("small", "large"):
            status, content, headers = server.ask(f"/api/{size}/{row}", cookie=server.cookie)
            assert status == 200, name
            assert headers["content-type"] == "image/jpeg"
            assert content.startswith(b"\xff\xd8\xff")
            assert b"script" not in content


def test_bad_bodies_are_answered_with_a_sentence(server: Served) -> None:
    inside = {"cookie": server.cookie, **GOOD}
    for body in (b"", b"[]", b"{", b'{"kind":"teach","rows":["0"],"label":"x"}', b'{"kind":"teach","rows":[0,99999],"label":"x"}',
                 b'{"kind":"teach","rows":[0],"label":"=1+1"}', b'{"kind":"teach","rows":[0],"label":""}', b'{"kind":"teach","rows":[],"label":"x"}',
                 b'{"kind":"burn","rows":[0]}', b'{"kind":"teach","rows":[true],"label":"x","saw":"y"}', b"\xff\xfe"):  # fmt: skip
        status, content, _ = server.ask("/api/actions", body, **inside)
        assert status in (400, 403), body
        assert b"error" in content
        assert b"Traceback" not in content
    assert server.ask("/api/actions", b"x" * (11 << 20), **inside)[0] == 413
    assert server.json("/api/session")["revision"] <= 2


def test_the_token_is_for_this_user_alone(server: Served) -> None:
    session = server.json("/api/session")
    mode = (Path(session["out"]) / ".review.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    host, port = server.host.split(":")
    assert host == "127.0.0.1"
    with socket.socket() as other, pytest.raises(OSError):  # noqa: PT011 - refused, or no such address
        other.settimeout(3)
        other.connect((socket.gethostbyname(socket.gethostname()) if socket.gethostname() else "192.0.2.1", int(port)))
        if other.getpeername()[0].startswith("127."):
            raise OSError


def test_the_page_never_makes_markup_of_a_text() -> None:
    for name, content in page_files().items():
        words = content.decode("utf-8")
        for forbidden in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "http://",
            "https://",
        ):
            assert forbidden not in words.replace("http://www.w3.org/2000/svg", ""), (name, forbidden)
        assert " on" not in words or name not in ("index.html", "enter.html") or "onclick" not in words
