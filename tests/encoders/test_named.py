"""Encoders by name: what is known, what is missing, and what is said about it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from sibyl.encoders import catalogue
from sibyl.encoders.catalogue import KNOWN, KnownEncoder, default_encoder
from sibyl.encoders.named import encoder_by_name
from sibyl.encoders.tfidf import TfidfEncoder
from sibyl.encoders.weights import cached_weights, missing_weights
from sibyl.errors import DataError, MissingExtra, UnknownName


@pytest.mark.parametrize(
    ("library", "module", "extra"),
    [
        ("transformers", "transformers", "transformers"),
        ("timm", "timm", "timm"),
        ("torchvision", "torchvision", "torchvision"),
        ("sentence-transformers", "sentence_transformers", "texts"),
    ],
)
def test_a_missing_library_is_answered_with_the_install_line(
    library: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> object:
        return None if name == module else real(name)

    place = f"sibyl.encoders.{'torchvision_import' if library == 'torchvision' else module}"
    real = sys.modules[place].find_spec
    monkeypatch.setattr(f"{place}.find_spec", absent)
    with pytest.raises(MissingExtra, match=rf"pip install .*\[{extra}\]"):
        encoder_by_name(f"{library}:some-model")


def test_names_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean transformers"):
        encoder_by_name("transformer:facebook/dinov2-small")
    with pytest.raises(UnknownName, match="did you mean tfidf"):
        encoder_by_name("tfid")
    with pytest.raises(DataError, match="not a model that transformers"):
        encoder_by_name(str(tmp_path))
    (tmp_path / "encoder.onnx").touch()
    with pytest.raises(DataError, match=r"name the file: .*encoder\.onnx"):
        encoder_by_name(str(tmp_path))
    (tmp_path / "config.json").write_text("{broken")
    with pytest.raises(DataError, match="expected JSON"):
        encoder_by_name(str(tmp_path))


@pytest.mark.parametrize(
    ("files", "library"),
    [
        ({"modules.json": []}, "sentence-transformers"),
        ({"config.json": {"model_type": "dinov2"}}, "transformers"),
        ({"config.json": {"architecture": "vit_tiny_patch16_224"}}, "timm"),
    ],
)
def test_folders_are_recognised_by_their_files(
    files: dict[str, object], library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    asked = []

    def build(model: str) -> TfidfEncoder:
        asked.append(model)
        return TfidfEncoder()

    monkeypatch.setitem(sys.modules["sibyl.encoders.named"]._LIBRARIES, library, build)
    encoder_by_name(str(tmp_path))
    assert asked == [str(tmp_path)]


def test_every_modality_has_an_encoder_that_always_works() -> None:
    for modality in ("image", "text", "audio"):
        last = [known for known in KNOWN if known.modality == modality][-1]
        assert last.is_ready
        assert encoder_by_name(last.name).modality == modality


def test_the_default_is_the_first_that_is_ready_and_says_what_would_be_better(monkeypatch: pytest.MonkeyPatch) -> None:
    better = KnownEncoder("transformers:nobody/no-such-model", "text", "better", "nobody/no-such-model")
    builtin = KnownEncoder("tfidf", "text", "built in")
    monkeypatch.setattr(catalogue, "KNOWN", (better, builtin))
    choice = default_encoder("text")
    assert choice.encoder.name == "tfidf"
    assert "better: --encoder transformers:nobody/no-such-model" in choice.note
    assert "nobody/no-such-model" in better.needs
    monkeypatch.setattr(catalogue, "KNOWN", (builtin, better))
    assert default_encoder("text").encoder.name == "tfidf"
    with pytest.raises(UnknownName, match="modality"):
        default_encoder("table")


def test_missing_weights_say_what_to_fetch_and_what_works_without() -> None:
    error = missing_weights("timm:x", "hf download timm/x", OSError("could not\n connect " + "and so on " * 100))
    assert "hf download timm/x" in str(error)
    assert "tfidf" in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 500
    assert cached_weights("nobody/no-such-model") is None
    assert cached_weights("/not/a/model/name") is None
