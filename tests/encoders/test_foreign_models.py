"""A model of somebody else's runs no code, and a run names no file of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sibyl.encoders import sentence_transformers as wrapped
from sibyl.encoders.foreign_models import is_hub_name
from sibyl.encoders.named import encoder_of_run
from sibyl.encoders.sentence_transformers import SentenceEncoder
from sibyl.errors import DataError, MissingExtra
from tests.encoders.tiny_onnx import write_tiny_encoder

POOLING = {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
DENSE = {"idx": 2, "path": "2_Dense", "type": "sentence_transformers.models.Dense"}


class Loaded(Exception):
    """The library was asked to load the model."""


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("sentence_transformers")

    def load(*_: object, trust_remote_code: bool = True, **__: object) -> None:
        assert not trust_remote_code
        raise Loaded

    module.SentenceTransformer = load
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    monkeypatch.setattr(wrapped, "find_spec", lambda name: object())
    monkeypatch.setattr(wrapped, "import_torchvision", lambda: None)
    monkeypatch.setattr(wrapped, "quiet_transformers", __import__("contextlib").nullcontext)


@pytest.mark.parametrize(
    ("modules", "activation"),
    [
        ([{"type": "evil.Module", "path": ""}], ""),
        ([POOLING, {"type": "os.system", "path": ""}], ""),
        ([{"type": "sentence_transformers.models.Router", "path": ""}], ""),
        ([{"type": "sentence_transformers_evil.Pooling", "path": ""}], ""),
        ([{"type": 3, "path": ""}], ""),
        ([POOLING | {"path": "../elsewhere"}], ""),
        ([POOLING | {"path": "/etc"}], ""),
        ([DENSE], "evil.Activation"),
        ([DENSE], "subprocess.Popen"),
        ([DENSE], None),
        ({"type": "x"}, ""),
        ("[" * 100_000, ""),
        ("{", ""),
    ],
)
def test_modules_that_could_run_code_are_refused(library: None, tmp_path: Path, modules: Any, activation: str | None) -> None:
    (tmp_path / "modules.json").write_text(modules if isinstance(modules, str) else json.dumps(modules))
    (tmp_path / "evil.py").write_text("raise SystemExit('code was run')")
    (tmp_path / "2_Dense").mkdir()
    (tmp_path / "2_Dense" / "config.json").write_text(json.dumps({"activation_function": activation}))
    with pytest.raises(DataError, match=r"is not loaded|is damaged"):
        SentenceEncoder(str(tmp_path))


def test_the_library_s_own_modules_are_loaded(library: None, tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text(json.dumps([POOLING, DENSE]))
    (tmp_path / "2_Dense").mkdir()
    (tmp_path / "2_Dense" / "config.json").write_text('{"activation_function": "torch.nn.modules.activation.Tanh"}')
    with pytest.raises(Loaded):
        SentenceEncoder(str(tmp_path))
    (tmp_path / "modules.json").unlink()
    with pytest.raises(Loaded):
        SentenceEncoder(str(tmp_path))


def test_a_run_may_name_the_catalogue_and_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert encoder_of_run("conv4-cifar-fs", "run").dim == 256
    assert is_hub_name("facebook/dinov2-small")
    with pytest.raises((MissingExtra, DataError), match="open_clip"):
        encoder_of_run("open_clip:ViT-B-32@no_such_weights", "run")
    (tmp_path / "org" / "model").mkdir(parents=True)
    (tmp_path / "w.safetensors").write_bytes(b"")
    write_tiny_encoder(tmp_path / "e.onnx")
    (tmp_path / "tfidf").mkdir()
    assert encoder_of_run("tfidf", "run").name == "tfidf"
    for name in (
        "e.onnx",
        str(tmp_path / "e.onnx"),
        "./e.onnx",
        "w.safetensors",
        "org/model",
        "org",
        "transformers:org/model",
        "sentence-transformers:org/model",
        "sentence-transformers:./org/model",
        f"sentence-transformers:{tmp_path}/org",
        "transformers:../x",
        "transformers:a/../../x",
        "timm:hf-hub:org/model",
        "open_clip:ViT-B-32@w.safetensors",
        "open_clip:hf-hub:org/model",
        "absent.onnx",
        "transformers:",
        "transformers:~/x",
        "transformers:\\\\host\\x",
        "",
        "\x00",
    ):
        with pytest.raises(DataError, match="name it again with --encoder"):
            encoder_of_run(name, "run")
