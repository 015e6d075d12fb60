"""Named tensors and metadata in one safetensors file with checksums, whole or absent."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open

from sibyl.errors import CheckpointError, reason_of
from sibyl.storage import Json, atomic_path, parse_json

if TYPE_CHECKING:  # safetensors.numpy serves those who need not wait for torch
    from torch import Tensor

_BLOCK = 1 << 20


def checksums(text: str, arrays: Mapping[str, tuple[str, Sequence[int], Iterable[Any]]]) -> str:
    """Return what the metadata entry ``crc32`` of a file of tensors says: a CRC-32 of the other entry, ``sibyl``, and of each tensor.

    Parameters
    ----------
    text : str
        The entry ``sibyl``.
    arrays : mapping
        Name → type as safetensors writes it (``F32``), shape, and the bytes, in parts.
    """
    sums = {"": zlib.crc32(text.encode())}
    for name, (kind, shape, parts) in arrays.items():
        crc = zlib.crc32(f"{name} {kind} {list(shape)}".encode("utf-8", "replace"))
        for part in parts:
            crc = zlib.crc32(part, crc)
        sums[name] = crc
    return json.dumps({name: f"{crc:08x}" for name, crc in sums.items()})


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, object]) -> None:
    """Write named tensors and a JSON-serialisable `metadata` to one safetensors file with checksums, whole or not at all."""
    from safetensors.torch import save as safetensors_bytes

    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    text = json.dumps(metadata)
    content = safetensors_bytes(plain)
    size = int.from_bytes(content[:8], "little")
    entries = json.loads(content[8 : 8 + size])
    rows = memoryview(content)[8 + size :]
    sums = checksums(
        text, {name: (one["dtype"], one["shape"], [rows[slice(*one["data_offsets"])]]) for name, one in entries.items()}
    )
    # The header is written here: safetensors puts its metadata in another order each time, and equal runs have equal files.
    head = json.dumps({"__metadata__": {"sibyl": text, "crc32": sums}, **entries}).encode()
    head += b" " * (-len(head) % 8)
    with atomic_path(path) as partial, partial.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        file.write(rows)


def load_tensors(path: str | Path, leave: Collection[str] = (), *, check: bool = True) -> tuple[dict[str, Tensor], Json]:
    """Read what `save_tensors` wrote; tensors in `leave` are checked, but not returned, and without `check` none is checked.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or was not written by Sibyl.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; expected a safetensors checkpoint written by sibyl")
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            metadata = parse_json(about.get("sibyl", "null"))
            if check:
                _check_sums(path, about)
            tensors = {name: file.get_tensor(name) for name in file.keys() if name not in leave}  # noqa: SIM118 - not a mapping
    except MemoryError:
        raise CheckpointError(f"{path}: does not fit into memory; is this the right file?") from None
    except Exception as error:  # the library raises errors of its own, of its parser and of torch
        reason = reason_of(error, 200)
        raise CheckpointError(f"{path}: damaged or not a safetensors file ({reason}); fetch or write it again") from None
    if not isinstance(metadata, dict):
        raise CheckpointError(f"{path}: a safetensors file, but not one written by sibyl (it lacks the 'sibyl' metadata)")
    return tensors, metadata


def _check_sums(path: Path, about: Mapping[str, str]) -> None:
    """Raise ValueError where a tensor or the metadata are not what was written; files of before there were checksums pass."""
    if set(about) - {"sibyl", "crc32", "format"}:
        raise ValueError("its metadata hold other entries than sibyl writes")
    if "crc32" not in about:
        return
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        entries = parse_json(file.read(size))
        del entries["__metadata__"]

        def parts(begin: int, end: int) -> Iterator[bytes]:
            file.seek(8 + size + begin)
            while begin < end:
                block = file.read(min(_BLOCK, end - begin))
                begin += len(block) or end
                yield block

        found = checksums(
            about["sibyl"], {name: (one["dtype"], one["shape"], parts(*one["data_offsets"])) for name, one in entries.items()}
        )
    said, found = parse_json(about["crc32"]), parse_json(found)
    if said != found:
        names = sorted(set(said) ^ set(found) | {name for name in found if said.get(name) != found[name]})
        raise ValueError(f"{names[0] or 'its description'!r} is not what was written")
