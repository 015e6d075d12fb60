"""The machine as it may be: another encoding, a full or closed output, no home, closed folders, little memory; and a quiet one."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

import pytest

import sibyl.cli.app
from sibyl.cli.app import main
from sibyl.errors import DataError, MissingExtra
from sibyl.install import install_line
from sibyl.messages import printable

COMMAND = "from sibyl.cli.app import main; main()"


# Become somebody without an entry in the list of users, once everything is imported: Python itself may lie where only root may read.
SOMEBODY = "import os; os.setuid(54321); "


def run(*arguments: str, stdout: int | None = subprocess.PIPE, **env: str) -> subprocess.CompletedProcess[bytes]:
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("HOME", "COLUMNS", "XDG_CACHE_HOME", "SIBYL_CACHE")
    }
    return subprocess.run(
        [sys.executable, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=inherited | env,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_an_output_that_is_not_utf8(encoding: str) -> None:
    done = run("-c", COMMAND, "encoders", PYTHONIOENCODING=encoding, HOME="/tmp")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"tfidf" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_output_is_one_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        done = run("-c", COMMAND, "encoders", stdout=full.fileno(), HOME="/tmp")
    assert done.returncode == 2
    assert b"No space left on device" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("width", ["0", "-3", "wide", ""])
def test_a_width_that_is_none(width: str) -> None:
    done = run("-c", COMMAND, "--help", COLUMNS=width, HOME="/tmp")
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can run as somebody else")
def test_a_user_without_a_home() -> None:
    """What a container with --user has: a number without an entry, and no $HOME."""
    done = run("-c", f"from sibyl.storage import cache_folder; {SOMEBODY} print(cache_folder())", TMPDIR="/tmp")
    assert done.stdout.strip() == b"/tmp/sibyl-of-user-54321/.cache/sibyl", done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can run as somebody else")
def test_a_closed_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    tmp_path.chmod(0o755)
    inside = str(tmp_path / "closed" / "pile")
    imports = "import rich.console, sibyl.labeling.label, sibyl.labeling.report, sibyl.cli.app; "
    done = run(
        "-c", f"{imports}{SOMEBODY} sibyl.cli.app.main()", "label", inside, "--example", "a=1", "--out", "/tmp/x", TMPDIR="/tmp"
    )
    assert done.returncode == 2
    assert b"Permission denied" in done.stderr
    assert done.stderr.count(b"\n") == 1, done.stderr.decode()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "not enough memory"),
        (PermissionError(13, "Permission denied", "/closed/x"), "/closed/x: the system refuses (Permission denied)"),
        (DataError("file '\x1b[2J\u202egnp.exe'"), r"file '\x1b[2J\u202egnp.exe'"),
        (OSError(36, "File name too long", "n" * 300), "File name too long"),
    ],
)
def test_what_goes_wrong_is_a_sentence(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise error

    monkeypatch.setattr(sibyl.cli.app, "app", fails)
    with pytest.raises(SystemExit) as end:
        main()
    said = capfd.readouterr().err
    assert end.value.code == 2
    assert words in said
    assert said.count("\n") == 1
    assert printable(said.rstrip("\n")) == said.rstrip("\n")


def test_the_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["sibyl", "--version"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code in (0, None)
    assert capsys.readouterr().out == f"sibyl {sibyl.__version__}\n"


def test_onnxruntime_keeps_no_device_id_and_reports_nothing(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    (tmp_path / "home").mkdir()
    code = (
        "import sys; from tests.encoders.tiny_onnx import write_tiny_encoder; from sibyl.encoders.onnx import OnnxEncoder;"
        "OnnxEncoder(write_tiny_encoder(__import__('pathlib').Path(sys.argv[1])))"
    )
    done = run("-c", code, str(tmp_path / "e.onnx"), HOME=str(tmp_path / "home"), PYTHONPATH=os.pathsep.join(sys.path))
    assert done.returncode == 0, done.stderr.decode()
    assert [path for path in (tmp_path / "home").rglob("*") if "onnxruntime" in str(path) or "Microsoft" in str(path)] == []


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (None, "pip install 'sibyl-learn[audio]'"),
        ({"url": "file:///home/me/my%20sibyl", "dir_info": {"editable": True}}, "pip install -e '/home/me/my sibyl[audio]'"),
        ({"url": "file:///home/me/sibyl", "dir_info": {}}, "pip install '/home/me/sibyl[audio]'"),
        (
            {"url": "file:///dist/sibyl_learn-0.1.0-py3-none-any.whl", "archive_info": {}},
            "pip install 'sibyl-learn[audio] @ file:///dist/sibyl_learn-0.1.0-py3-none-any.whl'",
        ),
    ],
)
def test_the_advice_works_where_sibyl_came_from(
    origin: dict[str, object] | None, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Installed(Distribution):
        def read_text(self, filename: str) -> str | None:
            return None if origin is None else json.dumps(origin)

        def locate_file(self, path: object) -> Path:
            raise NotImplementedError

    monkeypatch.setattr("sibyl.install.distribution", lambda name: Installed())
    assert install_line("audio") == line
    assert str(MissingExtra("soundfile", "audio", "reading clips")).endswith(line)


def test_the_advice_names_the_checkout_where_sibyl_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Distribution:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("sibyl.install.distribution", absent)
    place = shlex.split(install_line("audio"))[-1].removesuffix("[audio]")
    assert (Path(place) / "pyproject.toml").is_file()


def test_reasons_hold_no_addresses() -> None:
    from sibyl.sources.audio import decode_audio
    from sibyl.sources.item import Unreadable

    with pytest.raises(Unreadable) as caught:
        decode_audio(b"no audio at all" * 9)
    assert "0x" not in str(caught.value)
    assert "0x" not in str(DataError(f"expected rows, got {object()}"))
