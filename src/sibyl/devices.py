"""Where torch computes: the processor, or a GPU that is really there."""

from __future__ import annotations

import torch

from sibyl.errors import UserError, reason_of


def usable_device(name: str) -> str:
    """Return `name`, such as ``cpu``, ``cuda`` or ``cuda:1``, if torch can compute there.

    Raises
    ------
    UserError
        If it is another kind of device, or one that this torch does not see.
    """
    if name != "cpu" and name.partition(":")[0] != "cuda":
        raise UserError(f"--device takes cpu or cuda (cuda:1 for the second GPU), got {name!r}")
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError) as error:
        reason = reason_of(error, line=0)
        raise UserError(f"--device {name}: torch cannot compute there ({reason}); leave it out for the processor") from None
    return name


def forked(name: str) -> list[torch.device]:
    """Return the devices whose random numbers `torch.random.fork_rng` is to keep, beside the processor's."""
    return [] if name == "cpu" else [torch.device(name)]
