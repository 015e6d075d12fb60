"""LogMelEncoder: audio clips by the course of their spectrum, without any weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from sibyl.encoders.encoder import Encoder, Rows
from sibyl.sources.audio import Clip
from sibyl.storage import content_key

RATE = 16_000
WINDOW, HOP = 400, 160  # samples: 25 and 10 ms
N_BANDS, N_COEFFICIENTS, N_PARTS = 40, 13, 8
_QUIET = 8.0  # in log energy: what lies so far below the loudest frame is the silence around the sound
Array = npt.NDArray[np.float64]


class LogMelEncoder(Encoder[Clip, npt.NDArray[np.float32]]):
    """Mel-frequency cepstral coefficients (Davis and Mermelstein, IEEE Trans. ASSP 28(4), 1980),
    averaged over eighths of the clip.

    The power spectrum of 25 ms windows at 16 kHz is summed in 40 mel bands, and its logarithm
    turned by a cosine transform into 13 coefficients; silence before and after is cut off. A row
    holds the course of the coefficients, less their mean over the clip, in eighths of the clip, and
    that mean (but for the loudness) once: taking the mean out of the course takes out most of the
    speaker and the room. Of the settings tried, these told spoken words of many synthetic voices
    apart best (`docs/log.md`). The encoder hears timbre and its course, but knows nothing of words
    or sources, so it is weak: a trained network is the better choice wherever its weights can be
    had.
    """

    name = "log-mel"
    key = content_key(["log-mel 2", RATE, WINDOW, HOP, N_BANDS, N_COEFFICIENTS, N_PARTS, _QUIET])
    dim = N_COEFFICIENTS * N_PARTS + N_COEFFICIENTS - 1
    modality = "audio"

    @property
    def description(self) -> dict[str, Any]:
        """Name, dimension and settings."""
        return {
            "kind": "log-mel",
            "name": self.name,
            "dim": self.dim,
            "preprocessing": {"rate": RATE, "bands": N_BANDS, "coefficients": N_COEFFICIENTS, "parts": N_PARTS},
            "preprocessing_from": "built in; weak, a trained network is better",
        }

    def prepare(self, item: Clip) -> npt.NDArray[np.float32]:
        """Return the clip's row; all the work is here, where it runs in threads."""
        return _row(item.at(RATE).samples.astype(np.float64))

    def encode(self, batch: Sequence[npt.NDArray[np.float32]]) -> Rows:
        """Stack rows: float32 [clip, dim]."""
        return np.stack(batch) if batch else np.zeros((0, self.dim), np.float32)


def _row(samples: Array) -> npt.NDArray[np.float32]:
    # Importing these takes longer than reading a clip: only where one is read.
    from scipy.fft import dct
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    samples = np.pad(samples, (0, max(0, 2 * WINDOW - len(samples))))
    short = ShortTimeFFT(hann(WINDOW, sym=False), HOP, RATE, mfft=512, scale_to="magnitude")
    power = np.abs(short.stft(samples)) ** 2
    energy = np.log(_mel_bands() @ power + 1e-10)  # [band, window]
    loud = energy.max(0)
    heard = np.flatnonzero(loud > loud.max() - _QUIET)
    energy = energy[:, heard[0] : heard[-1] + 1]
    cepstrum = dct(energy, axis=0, norm="ortho")[:N_COEFFICIENTS]
    mean = cepstrum.mean(1)
    course = cepstrum - mean[:, None]
    edges = np.linspace(0, course.shape[1], N_PARTS + 1)
    parts = [course[:, int(a) : max(int(a) + 1, int(b))].mean(1) for a, b in pairwise(edges)]
    return np.concatenate([*parts, mean[1:]]).astype(np.float32)


@lru_cache(maxsize=1)
def _mel_bands() -> Array:
    """Triangles of equal width on the mel scale, [band, frequency]."""

    def mel(hertz: Array) -> Array:
        return 2595 * np.log10(1 + hertz / 700)

    lowest, highest = mel(np.array([40.0, RATE / 2]))
    corners = np.linspace(lowest, highest, N_BANDS + 2)
    at = mel(np.linspace(0, RATE / 2, 257))
    rising = (at - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
    falling = (corners[2:, None] - at) / (corners[2:] - corners[1:-1])[:, None]
    bands: Array = np.clip(np.minimum(rising, falling), 0, None)
    return bands
