"""Every exception that Sibyl raises on purpose.

SibylError
├── UserError          something the user can mend: the message says what was expected, what came, what to do;
│   │                  it holds no secrets and is safe to show on a page or over HTTP
│   ├── DataError      an input file, folder, array or label
│   │   └── InputError   rows or labels given to an estimator; also a ValueError, as scikit-learn's contract asks
│   ├── UnknownName    a name that is not in a list; the nearest known names are in the message
│   └── CheckpointError  a saved file that is damaged or belongs to another shape
└── MissingExtra       an optional library is not installed; the message is the install line
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from sibyl.install import install_line

_OBJECT = re.compile(r"<[^<>]* at 0x[0-9a-fA-F]+>")
_LINE_ENDS = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")
_LONGEST = 1500  # letters of a message


class SibylError(Exception):
    """Base class of all errors that Sibyl raises on purpose."""


def without_addresses(message: str) -> str:
    """Return what a library says without the addresses of its objects, which differ from run to run and mean nothing to a person."""
    return _OBJECT.sub("the data", message)


def reason_of(error: object, longest: int = 160, *, line: int | None = None, with_kind: bool = False) -> str:
    """Return what a library says of an error as one line, for the brackets of a message of ours.

    Parameters
    ----------
    error : exception
        What was caught.
    longest : int
        Letters that are kept.
    line : int, optional
        The one line that says it, where a library writes many; all of them when left out.
    with_kind : bool
        Begin with the kind of the error, for those whose text alone says little, such as `KeyError`.

    Returns
    -------
    str
        The kind alone where the library says nothing.
    """
    kind, said = type(error).__name__, without_addresses(str(error).encode("utf-8", "replace").decode()).strip()
    if line is not None and said:
        said = said.splitlines()[line]
    said = " ".join((f"{kind}: {said}" if with_kind and said else said).split())
    return said[:longest].rstrip() or kind


def shortened(message: str) -> str:
    """Return a message without its middle where it quotes more than anybody reads: what is wrong stands first, what to do last."""
    if len(message) <= _LONGEST:
        return message
    return f"{message[: _LONGEST * 2 // 3]} … {message[-_LONGEST // 3 :]}"


def on_one_line(message: str) -> str:
    """Return a message with the line ends of the names that it quotes written out, as two letters each."""
    return _LINE_ENDS.sub(lambda found: ascii(found[0])[1:-1], message)


class UserError(SibylError):
    """What the user can mend; the message is one clear sentence on one line, safe to show."""

    def __str__(self) -> str:
        return shortened(without_addresses(on_one_line(super().__str__())))


class DataError(UserError):
    """An input file, folder, array or label is not as expected."""


class InputError(DataError, ValueError):
    """Rows or labels given to an estimator are not as expected."""


class CheckpointError(UserError):
    """A saved network is damaged, or was made for another shape."""


class UnknownName(UserError):
    """A name that is not in a list of known names.

    Parameters
    ----------
    kind : str
        What was looked up, for example ``"method"``.
    name : str
        The name that came.
    known : iterable of str
        The names that exist.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}."
        super().__init__(f"unknown {kind} {name!r}; {hint}")


class MissingExtra(SibylError):
    """An optional library is not installed.

    Parameters
    ----------
    library : str
        The import that failed, for example ``"onnxruntime"``.
    extra : str
        The extra of ``sibyl-learn`` that brings it.
    purpose : str
        What it is needed for.
    """

    def __init__(self, library: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {library}; install it with: {install_line(extra)}")
