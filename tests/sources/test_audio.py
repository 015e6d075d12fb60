"""Audio clips, whole and broken."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from sibyl.errors import MissingExtra
from sibyl.sources.audio import Clip, decode_audio
from sibyl.sources.item import Unreadable
from sibyl.sources.kinds import AUDIO
from sibyl.sources.open import open_source

soundfile = pytest.importorskip("soundfile", reason="SOUNDFILE ABSENT: install the extra 'audio'")
RATE = 16_000


def tone(hertz: float = 440, seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def encoded(samples: np.ndarray, kind: str = "WAV", rate: int = RATE, **settings: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=kind, **settings)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_every_format_is_read(kind: str) -> None:
    clip = decode_audio(encoded(tone(), kind))
    assert clip.rate == RATE
    assert clip.seconds == pytest.approx(0.5, abs=0.08)
    spectrum = np.abs(np.fft.rfft(clip.samples))
    assert np.argmax(spectrum) * RATE / len(clip.samples) == pytest.approx(440, abs=5)


def test_channels_are_averaged() -> None:
    both = np.stack([tone(), np.zeros_like(tone())], 1)
    assert np.allclose(decode_audio(encoded(both, subtype="FLOAT")).samples, tone() / 2, atol=1e-6)


def test_resampling_keeps_the_tone_and_drops_what_cannot_be_heard() -> None:
    clip = Clip(tone(1000, 1, 44_100), 44_100).at(RATE)
    assert len(clip.samples) == RATE
    assert np.argmax(np.abs(np.fft.rfft(clip.samples))) == pytest.approx(1000, abs=2)
    above = Clip(tone(12_000, 1, 44_100), 44_100).at(RATE)
    assert np.abs(above.samples[200:-200]).max() < 0.01
    assert clip.at(RATE) is clip


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty file"),
        (b"RIFF????WAVEfmt ", "damaged"),
        (b"not audio at all" * 20, "damaged"),
        (encoded(np.zeros(0, np.float32)), "holds no sound"),
        (encoded(np.zeros(800, np.float32)), "silent"),
        (encoded(np.full(800, np.nan, np.float32), subtype="FLOAT"), "NaN"),
        (encoded(tone(seconds=1), rate=100), "sampling rate of 100"),
    ],
)
def test_what_is_no_clip_says_why(content: bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        decode_audio(content)


def test_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(Unreadable, match="11 minutes"):
        decode_audio(encoded(np.full(660 * 1000, 0.1, np.float32), "FLAC", 1000))


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_truncated_anywhere_is_a_clip_or_unreadable(kind: str) -> None:
    content = encoded(tone(seconds=1), kind)
    for share in (0.005, 0.05, 0.4, 0.9):
        with suppress(Unreadable):
            assert decode_audio(content[: int(len(content) * share)]).seconds <= 1.1


def test_a_folder_of_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "yes").mkdir()
    (tmp_path / "yes" / "1.wav").write_bytes(encoded(tone()))
    (tmp_path / "no.flac").write_bytes(encoded(tone(), "FLAC"))
    (tmp_path / "cover.png").write_bytes(b"\x89PNG\r\n\x1a\n....")
    source = open_source(tmp_path)
    assert source.modality == "audio"
    assert source.labels == {"yes/1.wav": "yes"}
    assert source.decode(source.items[0].read()).rate == RATE
    assert [one.reason for one in source.skipped] == ["not an audio clip"]
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    with pytest.raises(MissingExtra, match=r"\[audio\]"):
        open_source(tmp_path)
    assert AUDIO.belongs(Path("a.MP3"))


def test_an_odd_rate_needs_no_long_filter() -> None:
    clip = Clip(tone(440, 1, 99_991), 99_991).at(RATE)
    assert abs(len(clip.samples) - RATE) <= 2
    spectrum = np.abs(np.fft.rfft(clip.samples))
    assert abs(int(spectrum.argmax()) - 440) <= 1
