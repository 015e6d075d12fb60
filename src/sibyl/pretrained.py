"""Trained networks by name: those that ship in ``sibyl/weights``, or files of one's own.

A name stands for an encoder, ``NAME.safetensors``, with the SIB heads that were meta-trained on its features, ``NAME-sib-1shot`` and
``NAME-sib-5shot``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sibyl.backbones.checkpoint import FORMAT as BACKBONE_FORMAT
from sibyl.backbones.checkpoint import SHIPPED, load_backbone, shipped_names
from sibyl.backbones.trained import TrainedBackbone
from sibyl.errors import CheckpointError, UnknownName
from sibyl.methods.checkpoint import load_method
from sibyl.methods.method import LearnedMethod


@dataclass(frozen=True, eq=False)
class Pretrained:
    """An encoder and the heads that were meta-trained on its features.

    Parameters
    ----------
    name : str
        Of the encoder.
    encoder : TrainedBackbone
        Images → features.
    heads : mapping of int to LearnedMethod
        Shots → method.
    """

    name: str
    encoder: TrainedBackbone
    heads: dict[int, LearnedMethod]


def load(name: str | Path) -> Pretrained:
    """Load an encoder and its heads.

    Parameters
    ----------
    name : str or path
        A name of `shipped_names`, or the path of an encoder file with its heads beside it.

    Raises
    ------
    UnknownName
        If no such encoder ships.
    CheckpointError
        If a file is damaged or holds something else.

    Examples
    --------
    >>> load("conv4-cifar-fs").encoder.dim
    256
    """
    path = Path(name)
    if not path.suffix and len(path.parts) == 1:
        path = SHIPPED / f"{name}.safetensors"
        if not path.is_file():
            raise UnknownName("trained network", str(name), shipped_names())
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such file; expected an encoder ({BACKBONE_FORMAT}), or one of: {', '.join(shipped_names())}"
        )
    heads = {}
    for head in sorted(path.parent.glob(f"{path.stem}-sib-*shot.safetensors")):
        shot = head.stem.rsplit("-", 1)[1].removesuffix("shot")
        heads[int(shot)] = load_method(head)
    return Pretrained(path.stem, load_backbone(path), heads)
