"""A method from what a person types: the name of a method, or the checkpoint of a trained one."""

from __future__ import annotations

from pathlib import Path

import torch

from sibyl.errors import UserError
from sibyl.methods import METHODS, LearnedMethod, Method, build_method
from sibyl.methods.checkpoint import load_method

# What labels folders and fits estimators unless told otherwise: the best of those measured under every mix
# (results/universal.md).
DEFAULT_METHOD = "universal_sib"


SHIPPED = Path(__file__).parents[1] / "weights" / "methods"


def shipped_methods() -> dict[str, Path]:
    """Return the learned methods whose weights come with the package: name → file."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.safetensors"))}


def untrained(name: str, dim: int, n_way: int, seed: int = 0) -> LearnedMethod:
    """Build a method that has parameters, with initial weights drawn from `seed`."""
    method_class = METHODS[name]
    if not issubclass(method_class, LearnedMethod):
        raise UserError(f"method {name!r} has no parameters to train; evaluate it as it is")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return method_class.for_shape(dim, n_way)


def method_by_name(name: str, dim: int, n_way: int) -> Method:
    """Return a ready method for features of `dim` columns and `n_way` classes.

    Parameters
    ----------
    name : str
        A name of `METHODS` without parameters of its own or with weights in the package, or the path of a checkpoint.
    dim, n_way : int
        Shape of the tasks.

    Raises
    ------
    UnknownName, CheckpointError, UserError
        If there is no such method, the checkpoint is damaged or of another shape, or the method must be trained first.
    """
    if name in shipped_methods():
        return load_method(shipped_methods()[name])
    if name in METHODS:
        if issubclass(METHODS[name], LearnedMethod):
            raise UserError(
                f"method {name!r} must be meta-trained first (sibyl meta-train --method {name}); then give its checkpoint"
            )
        return build_method(name)
    if Path(name).suffix == ".safetensors" or Path(name).exists():
        method = load_method(name)
        check_shape(method, dim, n_way, name)
        return method
    return build_method(name)


def check_shape(method: Method, dim: int, n_way: int, name: str) -> None:
    """Raise UserError if a learned method was made for other feature columns or another number of classes."""
    settings = method.settings if isinstance(method, LearnedMethod) else {}
    for key, wanted, what in (("dim", dim, "feature columns"), ("n_way", n_way, "classes")):
        made_for = settings.get(key)
        if made_for is not None and made_for != wanted:
            raise UserError(f"{name}: made for {made_for} {what}, the task has {wanted}; train one for that shape")
