"""A torch network of another library as an encoder: on the GPU if there is one, in half precision
where that changes next to nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sibyl.encoders.encoder import Encoder, Rows
from sibyl.errors import DataError
from sibyl.storage import Json, content_key
from sibyl.threads import torch_threads

HALF_ERROR = 5e-3
"""Largest change of a feature row, relative to its length, for which half precision counts as exact
enough.
"""


class TorchNetwork:
    """A frozen module, placed and tried out once.

    Parameters
    ----------
    module : nn.Module
        Set to evaluation; gradients are switched off.
    features : callable
        Module and input batch → rows [item, dim].
    probe : Tensor
        A batch of the size that the network will see; half precision is tried on it.
    device : str, optional
        ``cuda`` if there is one when left out.
    half : bool, optional
        Whether to try half precision; only on a GPU when left out.

    Attributes
    ----------
    dim : int
        Columns of the rows.
    half : bool
        Whether half precision is used: if on the probe no row moves by more than `HALF_ERROR` of
        its length.
    checksum : str
        Of all weights.

    Raises
    ------
    DataError
        If the network does not return one row per item.
    """

    def __init__(
        self,
        module: nn.Module,
        features: Callable[[nn.Module, Tensor], Tensor],
        probe: Tensor,
        *,
        device: str | None = None,
        half: bool | None = None,
    ) -> None:
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.checksum = weights_checksum(module)
        self._module = module.eval().requires_grad_(False).to(self.device)
        self._features = features
        self.half = False
        with torch_threads():
            exact = self(probe)
        if exact.ndim != 2 or len(exact) != len(probe) or not exact.shape[1]:
            raise DataError(
                f"expected one feature row per item, [item, dim], got an output of shape {list(exact.shape)} for {len(probe)} items"
            )
        self.dim = int(exact.shape[1])
        if half if half is not None else self.device == "cuda":
            self.half = True
            rough = self(probe)
            lengths = np.linalg.norm(exact, axis=1) + 1e-12
            self.half = bool(np.isfinite(rough).all() and (np.linalg.norm(rough - exact, axis=1) / lengths).max() <= HALF_ERROR)

    def __call__(self, batch: Tensor) -> Rows:
        """Return the rows of a batch, float32."""
        with torch.inference_mode(), torch.autocast(self.device, torch.float16, enabled=self.half):
            rows: Rows = self._features(self._module, batch.to(self.device)).float().cpu().numpy()
        return rows


def weights_checksum(module: nn.Module) -> str:
    """Return a checksum of all weights and buffers with their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


@dataclass(eq=False)
class FrozenNetworkEncoder(Encoder[Any, npt.NDArray[np.float32]]):
    """A network with the preprocessing of its own library.

    Parameters
    ----------
    library : str
        Whose model it is.
    model : str
        Name of the model in that library, or the path it was read from.
    modality : str
        What it reads.
    network : TorchNetwork
        Computes the rows.
    preparation : callable
        Raw item → float32 array; arrays of one shape are batched, so that a row never depends on
        the lengths of its neighbours.
    settings : mapping
        The preprocessing as the library describes it; part of the cache's key.
    enough_pixels : int, optional
        See `Encoder`.
    """

    library: str
    model: str
    modality: str = field()  # unlike the base's, without a default
    network: TorchNetwork
    preparation: Callable[[Any], npt.NDArray[np.float32]]
    settings: Json = field(default_factory=dict)
    enough_pixels: int | None = None

    def __post_init__(self) -> None:
        self.name = f"{self.library}:{self.model}"
        self.key = content_key([self.library, 1, self.network.checksum, self.settings, self.network.half])
        self.dim, self.splits = self.network.dim, self.network.device == "cpu"

    @property
    def description(self) -> dict[str, Any]:
        """Library, model, checksum, dimension, preprocessing, device and precision."""
        return {
            "kind": self.library,
            "name": self.name,
            "checksum": self.network.checksum,
            "dim": self.dim,
            "preprocessing": self.settings,
            "preprocessing_from": f"{self.library}'s own settings for this model",
            "device": self.network.device,
            "precision": "half" if self.network.half else "full",
        }

    def prepare(self, item: Any) -> npt.NDArray[np.float32]:
        """Apply the library's preprocessing."""
        return self.preparation(item)

    def encode(self, batch: Sequence[npt.NDArray[np.float32]]) -> Rows:
        """Run the network: float32 [item, dim]."""
        rows = np.zeros((len(batch), self.dim), np.float32)
        for shape in dict.fromkeys(one.shape for one in batch):
            alike = [place for place, one in enumerate(batch) if one.shape == shape]
            rows[alike] = self.network(torch.from_numpy(np.stack([batch[place] for place in alike])))
        return rows


def image_network_encoder(
    library: str,
    model: str,
    module: nn.Module,
    transform: Callable[[Any], Any],
    sides: tuple[int, int],
    settings: Json,
    pixels: int,
) -> FrozenNetworkEncoder:
    """Build the encoder of images that a module and its library's own transform make.

    Parameters
    ----------
    library, model, settings
        As in `FrozenNetworkEncoder`.
    module : nn.Module
        Images [image, 3, height, width] → rows, whose further axes are flattened.
    transform : callable
        Image → what the module reads.
    sides : (int, int)
        Height and width of that.
    pixels : int
        Short side below which the transform would lose detail.
    """

    def prepare(image: Any) -> npt.NDArray[np.float32]:
        return np.asarray(transform(image), np.float32)

    def rows(module: nn.Module, batch: Tensor) -> Tensor:
        found: Tensor = module(batch)
        return found.flatten(1)

    probe = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, *sides)).astype(np.float32))
    return FrozenNetworkEncoder(library, model, "image", TorchNetwork(module, rows, probe), prepare, settings, pixels)
