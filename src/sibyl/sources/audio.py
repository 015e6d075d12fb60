"""Audio clips: wav, flac, ogg, mp3 and others that libsndfile reads, brought to one channel."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from sibyl.errors import MissingExtra, reason_of
from sibyl.sources.item import Unreadable

ENDINGS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif")
MAX_SECONDS = 600
MAX_SAMPLES = 1 << 28  # of all channels together
_MAX_RATIO = 4096
SILENCE = 1e-4  # a peak of −80 dB
READER = "mono float32 1"  # part of every feature cache key: raise the number when samples change


@dataclass(frozen=True, eq=False)
class Clip:
    """Sound of one channel.

    Parameters
    ----------
    samples : float32 array [sample]
        Between −1 and 1.
    rate : int
        Samples per second.
    """

    samples: npt.NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / self.rate

    def at(self, rate: int) -> Clip:
        """Return the clip at another sampling rate, without aliasing."""
        if rate == self.rate:
            return self
        from scipy.signal import resample_poly  # half of what importing sibyl.sources takes, and only here

        # An odd rate, such as 999,983 Hz, would need a filter as long as its ratio: a simpler one differs by less than a thousandth of a tone.
        ratio = Fraction(rate, self.rate).limit_denominator(_MAX_RATIO)
        return Clip(resample_poly(self.samples, ratio.numerator, ratio.denominator).astype(np.float32), rate)


def decode_audio(content: bytes) -> Clip:
    """Turn the bytes of an audio file into a clip; channels are averaged.

    Raises
    ------
    Unreadable
        If the file is damaged, silent, without any sample, longer than ten minutes, or holds NaN.
    MissingExtra
        If soundfile is not installed.
    """
    soundfile = need_soundfile()
    if not content:
        raise Unreadable("empty file")
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate, channels, frames = int(file.samplerate), int(file.channels), int(file.frames)
            if not 1_000 <= rate <= 1_000_000:
                raise Unreadable(f"sampling rate of {rate} Hz")
            if frames > MAX_SECONDS * rate or frames * channels > MAX_SAMPLES:
                raise Unreadable(f"{frames / rate / 60:.0f} minutes long, the limit is {MAX_SECONDS // 60}; cut it")
            samples = file.read(frames, dtype="float32", always_2d=True).mean(1)
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError, OSError) as error:
        raise Unreadable(f"damaged or not an audio file ({reason_of(error, 80)})") from None
    if not len(samples):
        raise Unreadable("holds no sound")
    if not np.isfinite(samples).all():
        raise Unreadable("holds NaN or infinity")
    if np.abs(samples).max() < SILENCE:
        raise Unreadable("silent")
    return Clip(samples, rate)


def need_soundfile() -> Any:
    """Return the library that reads audio files, or say how to install it."""
    try:
        import soundfile
    except ImportError:
        raise MissingExtra("soundfile", "audio", "reading audio clips") from None
    return soundfile


def begins_like_audio(head: bytes) -> bool:
    """Tell whether bytes begin as an audio file does."""
    is_riff = head[:4] in (b"RIFF", b"FORM") and head[8:12] in (b"WAVE", b"AIFF", b"AIFC")
    return is_riff or head.startswith((b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"))
