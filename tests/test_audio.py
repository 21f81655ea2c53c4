"""Audio files: what is read is what was written, and nothing half-written stays."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from dspcore import audio, files
from dspcore.errors import UserError


def tone(channels: int = 2, samples: int = 4_410) -> torch.Tensor:
    t = torch.arange(samples) / 44_100
    return torch.stack([0.5 * torch.sin(2 * torch.pi * 440 * (c + 1) * t) for c in range(channels)])


@pytest.mark.parametrize("ending", sorted(audio.FORMATS))
def test_every_format_comes_back_in_length_and_sound(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    audio.write(path, tone(), 44_100)
    back, rate = audio.read(path)
    assert (back.shape, back.dtype, rate) == ((2, 4_410), torch.float32, 44_100)
    lossy = ending in (".ogg", ".oga", ".mp3")
    assert float((back - tone()).abs().max()) < (0.1 if lossy else 2.0**-23)


@pytest.mark.parametrize(
    ("subtype", "error"), [("PCM_16", 2.0**-15), ("pcm_24", 2.0**-23), ("FLOAT", 0.0), (None, 2e-7)]
)
def test_the_subtype_sets_the_precision(tmp_path: Path, subtype: str | None, error: float) -> None:
    audio.write(tmp_path / "x.wav", tone(), 48_000, subtype)
    assert float((audio.read(tmp_path / "x.wav")[0] - tone()).abs().max()) <= error


def test_float_files_hold_more_than_full_scale(tmp_path: Path) -> None:
    audio.write(tmp_path / "x.wav", 8 * tone(), 48_000, "FLOAT")
    assert torch.equal(audio.read(tmp_path / "x.wav")[0], 8 * tone())


def test_float64_is_written_in_full(tmp_path: Path) -> None:
    audio.write(tmp_path / "x.wav", tone().double() / 3, 48_000, "DOUBLE")
    samples, _ = soundfile.read(tmp_path / "x.wav")
    assert np.array_equal(samples.T, (tone().double() / 3).numpy())


@pytest.mark.parametrize("ending", [".wav", ".flac", ".ogg"])
def test_clipping_is_an_error_with_the_peak_and_the_fixes(tmp_path: Path, ending: str) -> None:
    with pytest.raises(UserError, match=r"\+6\.02 dBFS would clip.*--normalize.*--subtype FLOAT"):
        audio.write(tmp_path / f"x{ending}", tone() * 4.0, 48_000)
    assert list(tmp_path.iterdir()) == []


def test_full_scale_does_not_clip(tmp_path: Path) -> None:
    audio.write(tmp_path / "x.wav", torch.tensor([[1.0, -1.0, 1.0 + 2.0**-23]]), 48_000)


@pytest.mark.parametrize(
    ("name", "channels", "rate", "subtype", "message"),
    [
        ("x.wavv", 2, 48_000, None, "no audio format ends with '.wavv'; did you mean '.wav'"),
        ("x", 2, 48_000, None, "no audio format ends with 'nothing'"),
        ("x.wav", 2, 48_000, "PCM24", "WAV has no subtype 'PCM24'; did you mean 'PCM_24'"),
        ("x.mp3", 2, 12_345, None, "MP3 .* cannot hold 2 channels at 12345 Hz"),
        ("x.mp3", 6, 48_000, None, "MP3 .* cannot hold 6 channels"),
        ("no/x.wav", 2, 48_000, None, "the folder .*no does not exist"),
        ("folder.wav", 2, 48_000, None, "it is a folder"),
    ],
)
def test_what_cannot_be_written_says_why(
    tmp_path: Path, name: str, channels: int, rate: int, subtype: str | None, message: str
) -> None:
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(UserError, match=message):
        audio.write(tmp_path / name, tone(channels), rate, subtype)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.wav"]


def test_special_files_are_never_replaced() -> None:
    with pytest.raises(UserError, match="not a regular file"), files.replacing(os.devnull):
        pass
    assert not Path(os.devnull).is_file()


@pytest.mark.parametrize("wrong", [torch.zeros(4), torch.zeros(1, 4, dtype=torch.int16)])
def test_write_takes_channels_by_samples(tmp_path: Path, wrong: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"must be \(c, t\)"):
        audio.write(tmp_path / "x.wav", wrong, 48_000)


@pytest.mark.parametrize(
    ("samples", "message"),
    [(torch.tensor([[float("nan")]]), "NaN or infinite"), (torch.zeros(1, 0), "no audio to write")],
)
def test_what_is_no_audio_is_not_written(
    tmp_path: Path, samples: torch.Tensor, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        audio.write(tmp_path / "x.wav", samples, 48_000)
    assert list(tmp_path.iterdir()) == []


class FullDisk:
    """A file that takes a number of bytes and no more."""

    def __init__(self, path: Path, room: int) -> None:
        self._file = open(path, "x+b")  # noqa: SIM115
        self._room = room

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> int:
        if self._file.tell() + len(data) > self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._file.write(data)


@pytest.mark.parametrize("room", [0, 1_000, 5_000])
@pytest.mark.parametrize("ending", [".wav", ".flac", ".aiff", ".ogg", ".mp3"])
def test_a_full_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, room: int
) -> None:
    monkeypatch.setattr(files, "open", lambda path, _: FullDisk(path, room), raising=False)
    with pytest.raises(UserError, match="the disk is full; the file was not written"):
        audio.write(tmp_path / f"x{ending}", 0.5 * torch.randn(2, 44_100).clamp(-1, 1), 44_100)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_found_full_at_the_end_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="the disk is full"):
        audio.write(tmp_path / "x.wav", tone(), 44_100)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, stop: type[BaseException]
) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(b"old")

    def write() -> None:
        with audio.writing(path, 48_000, 2) as file:
            file.write(tone())
            raise stop

    with pytest.raises(stop):
        write()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x.wav", b"old")]


def test_a_signal_in_the_middle_of_a_call_into_libsndfile_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seek = audio._Sink.seek

    def interrupted(self: audio._Sink, *where: int) -> int:
        monkeypatch.undo()
        os.kill(os.getpid(), signal.SIGINT)
        return seek(self, *where)

    monkeypatch.setattr(audio._Sink, "seek", interrupted)
    with pytest.raises(KeyboardInterrupt):
        audio.write(tmp_path / "x.wav", tone(), 48_000)
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_written_file_has_the_usual_permissions(tmp_path: Path) -> None:
    audio.write(tmp_path / "x.wav", tone(), 48_000)
    (tmp_path / "y").touch()
    assert (tmp_path / "x.wav").stat().st_mode == (tmp_path / "y").stat().st_mode


def test_wav_ends_at_four_gib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(audio.LARGEST, "WAV", 1_000)
    with pytest.raises(UserError, match="WAV ends at 4 GiB"):
        audio.write(tmp_path / "x.wav", tone(), 48_000)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "nothing.wav").touch()
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 2)), 48_000)
    soundfile.write(tmp_path / "nan.wav", np.array([0, 0, np.nan]), 1_000, "FLOAT")
    soundfile.write(tmp_path / "inf.wav", np.array([[0, np.inf]]), 1_000, "FLOAT")
    whole = tmp_path / "whole.flac"
    audio.write(whole, torch.rand(2, 90_000), 44_100)
    (tmp_path / "part.flac").write_bytes(whole.read_bytes()[:100_000])
    for name, message in {
        "missing.wav": "no such file",
        "no/missing.wav": "the folder .* does not exist",
        "text.wav": "no audio that can be read",
        "nothing.wav": "no audio that can be read",
        "empty.wav": r"empty \(0 samples\)",
        "nan.wav": r"NaN or infinite sample at 0\.002 s in channel 1",
        "inf.wav": r"NaN or infinite sample at 0\.000 s in channel 2",
        "part.flac": "damaged",
        ".": "is a folder",
    }.items():
        with pytest.raises(UserError, match=message):
            audio.read(tmp_path / name)


def test_blocks_are_the_file(tmp_path: Path) -> None:
    audio.write(tmp_path / "x.wav", tone(), 48_000, "FLOAT")
    with audio.open_audio(tmp_path / "x.wav") as file:
        parts = list(audio.blocks(file, 1_000))
    assert [part.shape[1] for part in parts] == [1_000] * 4 + [410]
    assert torch.equal(torch.cat(parts, dim=1), tone())


def test_recordings_are_read_as_libsndfile_reads_them(data_folder: Path) -> None:
    for name in ("sonic_pi/ambi_choir.flac", "sonic_pi/bd_808.flac"):
        samples, rate = soundfile.read(data_folder / name, dtype="float32", always_2d=True)
        read, read_rate = audio.read(data_folder / name)
        assert rate == read_rate
        assert np.array_equal(read.numpy(), samples.T)
