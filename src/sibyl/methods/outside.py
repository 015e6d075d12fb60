"""Methods from outside the package: ``module:Class``, or a name that another package declares as an entry point."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib.metadata import entry_points
from inspect import isabstract
from pathlib import Path

from sibyl.errors import UserError
from sibyl.methods import METHODS, Method

GROUP = "sibyl.methods"  # of entry points


def find_outside(text: str) -> str | None:
    """Import a method from outside and enter it in `METHODS`.

    Parameters
    ----------
    text : str
        ``module:Class``, looked for in the working folder too, or the name of an entry point of the group ``sibyl.methods``.

    Returns
    -------
    str or None
        The name under which it is in `METHODS` from now on; None if `text` is neither.

    Raises
    ------
    UserError
        If the module cannot be imported, or what it holds is not a method or has another's name.
    """
    target = text
    if text.isidentifier():
        declared = list(entry_points(group=GROUP, name=text))
        if not declared:
            return None
        target = declared[0].value
    module, colon, name = target.partition(":")
    if not (colon and name.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        return None
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        kind = getattr(importlib.import_module(module), name, None)
    except Exception as error:
        raise UserError(f"{target}: module {module} cannot be imported: {type(error).__name__}: {error}") from None
    finally:
        sys.path.remove(here)
    if not (isinstance(kind, type) and issubclass(kind, Method)) or isabstract(kind):
        raise UserError(f"{target} is not a method: expected a class that derives from sibyl.methods.Method and defines solve")
    if METHODS.setdefault(kind.name, kind) is not kind:
        raise UserError(f"{target}: there is a method named {kind.name!r} already; give the class another name")
    return kind.name


def split_settings(text: str) -> tuple[str, dict[str, object]]:
    """Read ``NAME:SETTING=VALUE:SETTING=VALUE``; values are numbers, true, false, null or words.

    Returns
    -------
    str, dict
        What stands before the settings, and the settings.
    """
    parts = text.split(":")
    first = next((place for place in range(1, len(parts)) if "=" in parts[place]), len(parts))
    return ":".join(parts[:first]), dict(_setting(part) for part in parts[first:])


def _setting(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier()):
        raise UserError(f"a setting is NAME=VALUE, such as tim:support_weight=1; got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def as_declared(kind: type[Method], settings: Mapping[str, object]) -> dict[str, object]:
    """Make whole numbers floats where the method's setting is one."""
    declared: dict[str, str] = {one.name: str(one.type) for one in fields(kind)} if is_dataclass(kind) else {}
    return {
        name: float(value) if type(value) is int and "float" in declared.get(name, "") else value
        for name, value in settings.items()
    }
