"""What every fuzz target uses: damaged inputs, one after the other, until the time is over.

A target is a test that goes over `damaged(corpus)` and does with each input what a person's file would go through. Only Sibyl's own errors
may come out of it. What once failed is added to the corpus, so that it stays mended. A failure names the seed of the input: set
``SIBYL_FUZZ_SEED`` to begin with it.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

SLOW = 10.0  # seconds of processor time that one small input may take; a busy machine changes nothing
seconds = 1.0
"""Of processor time, for each target; set by ``conftest.py``."""

_TOKENS = (
    b"\0", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b'"', b'""', b",", b";", b"\t", b"'", b"=", b"nan", b"1e999",
    b"-1", b"99999999999999999999", b"\xe2\x80\xa8", b"\xc2\x85", b"\x0c", b"\x1b[2J", b"../", b"/", b"\\", b"[" * 300, b"n" * 300, b"{}",
)  # fmt: skip


def check_sentence(error: Exception) -> None:
    """What a person reads is one line, and not a page long."""
    said = str(error)
    assert said.strip()
    assert "\n" not in said
    assert len(said) < 3000


def damage(content: bytes, draw: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """Change a few places: bytes flipped, cut, doubled, moved, replaced by what readers stumble over, or by a part of another input."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 3, 8))):
        at = draw.randrange(len(data) + 1)
        end = min(len(data), at + draw.choice((1, 1, 2, 4, 16, 64, 1024)))
        kind = draw.randrange(8)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = data[at:end] * draw.choice((1, 2, 30))
        elif kind == 3:
            data[at:end] = draw.choice(_TOKENS)
        elif kind == 4:
            data[at:at] = draw.choice(_TOKENS)
        elif kind == 5:
            del data[at:]
        elif kind == 6:
            data[at:end] = draw.randbytes(end - at)
        elif others:
            other = draw.choice(list(others))
            start = draw.randrange(len(other) + 1)
            data[at:end] = other[start : start + end - at]
    return bytes(data)


@contextmanager
def _named(seed: int) -> Iterator[None]:
    started = time.process_time()
    try:
        yield
    except Exception as error:
        error.add_note(f"fuzz: the input of seed {seed}; SIBYL_FUZZ_SEED={seed} begins with it")
        raise
    taken = time.process_time() - started
    assert taken < SLOW, f"fuzz: the input of seed {seed} took {taken:.0f} s; SIBYL_FUZZ_SEED={seed} begins with it"


def damaged(corpus: Sequence[bytes]) -> Iterator[tuple[bytes, AbstractContextManager[None]]]:
    """Yield the corpus as it stands, then damaged inputs until the time is over, each with what a target enters around its use.

    Examples
    --------
    >>> for content, named in damaged(CORPUS):
    ...     with named:
    ...         read(content)
    """
    until = time.process_time() + seconds
    for place, content in enumerate(corpus):
        yield content, _named(-1 - place)
    seed = int(os.environ.get("SIBYL_FUZZ_SEED", time.time_ns() % 1_000_000_000))
    while time.process_time() < until:
        draw = random.Random(seed)
        yield damage(draw.choice(list(corpus)), draw, corpus), _named(seed)
        seed += 1
