"""The official code of Hu et al. (github.com/hushell/sib_meta_learn), run from a clone of it that the user points at; nothing of it is here."""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sibyl.errors import UserError
from sibyl.methods.sib import SIB

FILES = ("sib.py", "networks.py")
# Its names, and ours.
NAMES = {
    "bias": "bias",
    "scale_cls": "scale",
    "wnLayerFavg.weight": "init_network.diagonal",
    "dni.layer1.0": "gradient_network.linear1",
    "dni.layer1.2": "gradient_network.norm1",
    "dni.layer2.0": "gradient_network.linear2",
    "dni.layer2.2": "gradient_network.norm2",
    "dni.layer3": "gradient_network.linear3",
}


class OfficialSIB(nn.Module):
    """Its classifier with the parameters of ours: support [support, dim], labels [support], query [query, dim] → logits [query, way]."""

    def __init__(self, folder: Path, sib: SIB) -> None:
        super().__init__()
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise UserError(f"{folder} is no clone of hushell/sib_meta_learn: {', '.join(missing)} not there")
        warnings.filterwarnings("ignore", "This overload of baddbmm is deprecated", UserWarning)
        sys.path.insert(0, str(folder.resolve()))
        try:
            module = importlib.import_module("sib")
        finally:
            sys.path.pop(0)
        self.step_size = sib.step_size
        self.network = module.ClassifierSIB(sib.n_way, sib.dim, sib.n_steps)
        ours = dict(sib.named_parameters())
        for name, parameter in self.network.named_parameters():
            stem, _, last = name.rpartition(".")
            parameter.data.copy_(ours[NAMES[name] if name in NAMES else f"{NAMES[stem]}.{last}"])

    def forward(self, support: Tensor, support_y: Tensor, query: Tensor) -> Tensor:
        logits: Tensor = self.network(support[None], support_y[None], query[None], self.step_size)[0]
        return logits

    def loss(self, support: Tensor, support_y: Tensor, query: Tensor, query_y: Tensor) -> Tensor:
        return cross_entropy(self(support, support_y, query), query_y)
