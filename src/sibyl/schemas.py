"""Schemas of what is read back: each saved file is checked against its schema once, before anything is built from it.

A schema is a `Header`, a model of pydantic in strict mode: types are not converted, numbers are
finite and in a range, lists and texts have a longest length. What is wrong becomes one sentence.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import torch
from pydantic import BaseModel, ConfigDict, Field, PydanticSchemaGenerationError, TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sibyl.errors import CheckpointError, reason_of

Name = Annotated[str, Field(max_length=100_000)]
Count = Annotated[int, Field(ge=0, le=1 << 40)]
Size = Annotated[int, Field(ge=1, le=1 << 24)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Scalar = bool | Annotated[int, Field(ge=-(1 << 53), le=1 << 53)] | Number | Name | None

_LARGEST = 1e9
_SLACK = 1 << 20  # numbers
_FACTORIES = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.eye, torch.arange)


class Header(BaseModel):
    """What a saved file says of itself; further entries are passed over, lest a newer version's file is refused."""

    model_config = ConfigDict(
        strict=True, frozen=True, allow_inf_nan=False, arbitrary_types_allowed=False, hide_input_in_errors=True
    )


Schema = TypeVar("Schema", bound=Header)


def checked(schema: type[Schema], value: object, path: str | Path, what: str) -> Schema:
    """Check what a file says of itself.

    Parameters
    ----------
    schema : type
        What it must be.
    value : object
        Parsed JSON.
    path : path
        The file, for the message.
    what : str
        What it should be, with its article: ``a trained backbone``.

    Raises
    ------
    CheckpointError
        If it says something else; the message names the first entry that is wrong.
    """
    if isinstance(value, dict) and "format" in schema.model_fields and isinstance(value.get("format"), str):
        wanted = schema.model_fields["format"].annotation
        if value["format"] not in getattr(wanted, "__args__", ()):
            raise CheckpointError(f"{path}: expected {what}, got {value['format'][:80]!r}")
    try:
        return schema.model_validate(value)
    except (ValidationError, RecursionError) as error:
        raise CheckpointError(f"{path}: not {what}, or damaged ({_reason(error)}); fetch or write it again") from None


def _reason(error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))[:80]
    return f"{place!r}: {first['msg'][:120]}"


def is_alike(value: object, like: object) -> bool:
    """Whether parsed JSON has the types of `like`: the same keys, finite numbers, none of them negative where that one is a whole number.

    Lists and mappings that are empty in `like` may hold anything.
    """
    if isinstance(like, Mapping):
        same = isinstance(value, Mapping) and (not like or value.keys() == like.keys())
        return same and all(is_alike(value[name], one) for name, one in like.items())  # type: ignore[index]
    if isinstance(like, list | tuple):
        same = isinstance(value, list | tuple) and (not like or len(value) == len(like))
        return same and all(is_alike(one, other) for one, other in zip(value, like, strict=False))  # type: ignore[call-overload]
    if isinstance(like, bool) or like is None or isinstance(like, str):
        return type(value) is type(like)
    if isinstance(like, int):
        return type(value) is int and value >= 0
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def check_finite(path: str | Path, tensors: Mapping[str, Tensor]) -> None:
    """Raise CheckpointError, naming the tensor, if a number is NaN or infinite."""
    for name, tensor in tensors.items():
        if (tensor.is_floating_point() or tensor.is_complex()) and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{path}: {name[:80]!r} holds NaN or infinity; fetch or write the file again")


def filled(build: Callable[[], nn.Module], tensors: Mapping[str, Tensor], path: str | Path) -> Any:
    """Build a network and give it its tensors.

    While it is built, no more numbers are allocated than go with those of the tensors, so that a
    small file cannot ask for a huge network. Initial weights are drawn and overwritten; the
    caller's random numbers stay untouched.

    Raises
    ------
    CheckpointError
        If the tensors are not those of such a network, or not finite.
    """
    try:
        with torch.random.fork_rng(devices=[]), _Bounded(_SLACK + 4 * sum(tensor.numel() for tensor in tensors.values())):
            network = build()
        _compare(network.state_dict(), tensors)
        network.load_state_dict(dict(tensors))
    except CheckpointError:
        raise
    except Exception as error:  # whatever a constructor says of settings that no version wrote
        reason = reason_of(error, 200, line=-1)
        raise CheckpointError(f"{path}: its tensors do not fit its settings ({reason}); the file is damaged or edited") from None
    check_finite(path, tensors)
    return network.eval()


class _Bounded(TorchFunctionMode):
    """Let constructors allocate so many numbers and no more."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.left = most

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _FACTORIES:
            sizes = kwargs.get("size", args) if kwargs else args
            flat = [one for part in sizes for one in (part if isinstance(part, list | tuple) else [part])]
            if func is torch.eye and len(flat) == 1:
                flat *= 2
            asked = math.prod(max(int(one), 1) for one in flat if isinstance(one, int))
            self.left -= asked
            if asked > 1 << 62 or self.left < 0:
                raise ValueError("asks for a larger network than its tensors are")
        return func(*args, **(kwargs or {}))


def _compare(wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    for name in sorted(wanted.keys() ^ tensors.keys()):
        raise ValueError(f"{'lacks' if name in wanted else 'holds'} the tensor {name[:80]!r}")
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape:
            raise ValueError(f"the tensor {name[:80]!r} is {list(tensor.shape)}, not {list(wanted[name].shape)}")


def check_settings(kind: type, settings: Mapping[str, Any], path: str | Path, largest: int = 1000) -> None:
    """Check settings that a method is to be built from.

    Parameters
    ----------
    kind : type
        Of the method; its constructor says which settings there are, and of which type.
    settings : mapping
        From a file.
    path : path
        The file, for the message.
    largest : int
        Of the numbers of steps, channels and the like: nothing shall take for ever.

    Raises
    ------
    CheckpointError
        If one is unknown, of another type, negative where it counts, or beyond what any version
        wrote.
    """
    constructor: Any = kind.__init__  # type: ignore[misc]
    hints, known = get_type_hints(constructor), inspect.signature(kind).parameters
    for name, value in settings.items():
        try:
            if name not in known:
                raise ValueError("there is no such setting")
            usual = known[name].default if isinstance(known[name].default, int) else 0
            limit = max(1000, 10 * usual, largest) if isinstance(value, int) else _LARGEST
            if name in hints:
                TypeAdapter(hints[name]).validate_python(value, strict=not isinstance(value, list))
            if (isinstance(value, int | float) and not -_LARGEST <= value <= limit) or (type(value) is int and value < 0):
                raise ValueError("out of range")
        except (ValueError, PydanticSchemaGenerationError):
            raise CheckpointError(
                f"{path}: the setting {name[:80]!r} is {str(value)[:40]!r}, which no version of sibyl wrote; fetch or write the file again"
            ) from None
