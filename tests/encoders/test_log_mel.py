"""The audio encoder without weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from sibyl.encoders.log_mel import LogMelEncoder
from sibyl.sources.audio import Clip

RATE = 16_000


def glide(start: float, end: float, seconds: float = 0.6, rate: int = RATE) -> npt.NDArray[np.float32]:
    time = np.arange(int(seconds * rate)) / rate
    pitch = start + (end - start) * time / seconds
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    tones = np.stack([np.sin(k * phase) / k for k in (1, 2, 3)])
    return np.asarray(0.3 * tones.sum(0), np.float32)


def row(samples: npt.NDArray[np.float32], rate: int = RATE) -> npt.NDArray[np.float32]:
    encoder = LogMelEncoder()
    rows: npt.NDArray[np.float32] = encoder.encode([encoder.prepare(Clip(samples, rate))])
    return np.asarray(rows[0])


def cosine(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_shape_and_dim_agree() -> None:
    encoder = LogMelEncoder()
    assert row(glide(200, 400)).shape == (encoder.dim,)
    assert encoder.encode([]).shape == (0, encoder.dim)
    assert encoder.modality == "audio"


def test_loudness_rate_and_silence_around_change_little_but_the_course_of_pitch_does() -> None:
    up, down = row(glide(200, 800)), row(glide(800, 200))
    quiet = row(glide(200, 800) * 0.1)
    faster = row(glide(200, 800, rate=44_100), 44_100)
    padded = row(np.concatenate([np.zeros(4000, np.float32), glide(200, 800), np.zeros(9000, np.float32)]))
    for same in (quiet, faster, padded):
        assert cosine(up, same) > 0.97
    assert cosine(up, down) < 0.9


@pytest.mark.parametrize("n", [1, 30, 400, 1000, 160_000])
def test_every_length_gives_finite_rows(n: int) -> None:
    assert np.isfinite(row(np.random.default_rng(n).normal(0, 0.1, n).astype(np.float32))).all()
    assert np.isfinite(row(np.zeros(n, np.float32))).all()
