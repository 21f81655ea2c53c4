"""Rendering: any block size is one long block, and a file that fails is not written."""

from __future__ import annotations

import errno
import io
import math
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from dspcore import audio
from dspcore.chain import Chain
from dspcore.effects import Effect, Gain, Panner
from dspcore.errors import UserError
from dspcore.loudness import loudness
from dspcore.render import Level, Rendered, render

MakeChain = Callable[[int], Chain]


@pytest.fixture
def wet(echo: type[Effect]) -> MakeChain:
    return lambda rate: Chain([Gain(rate, gain_db=-12.0), echo(rate, feedback=0.6)])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    audio.write(tmp_path / "in.wav", 0.5 * torch.rand(2, 5_000), 44_100, "FLOAT")
    return tmp_path / "in.wav"


def plain(rate: int) -> Chain:
    return Chain([Gain(rate)])


@pytest.mark.parametrize("block", [1_000, 999, 480, 100_000])
def test_any_block_size_is_one_long_block(wet: MakeChain, source: Path, block: int) -> None:
    target = source.with_name("out.wav")
    done = render(wet, source, target, subtype="FLOAT", block=block)
    dry, rate = audio.read(source)
    chain = wet(rate)
    tail = round(chain.tail_seconds() * rate)
    assert tail > 1_000
    whole = chain(torch.cat([dry, torch.zeros(2, tail)], dim=1)[None])[0]
    assert torch.equal(audio.read(target)[0], whole)
    peak = 20 * math.log10(float(whole.abs().max()))
    assert done == Rendered(target, 44_100, 2, 5_000 + tail, "FLOAT", pytest.approx(peak))
    assert float(whole[:, -100:].abs().max()) < 1.1e-3


@pytest.mark.parametrize(("tail", "samples"), [(0.0, 5_000), (0.1, 9_410)])
def test_the_tail_can_be_set(wet: MakeChain, source: Path, tail: float, samples: int) -> None:
    assert render(wet, source, source.with_name("o.wav"), tail_seconds=tail).samples == samples


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate", [8_000, 22_050, 192_000])
def test_channels_and_sample_rates_are_kept(tmp_path: Path, channels: int, rate: int) -> None:
    samples = 0.1 * torch.randn(channels, 3_000)
    audio.write(tmp_path / "in.flac", samples, rate)
    render(plain, tmp_path / "in.flac", tmp_path / "out.flac")
    back, back_rate = audio.read(tmp_path / "out.flac")
    assert back_rate == rate
    assert torch.equal(back, audio.read(tmp_path / "in.flac")[0])


@pytest.mark.parametrize("ending", [".wav", ".flac", ".aiff", ".ogg", ".mp3"])
def test_every_format_is_read_and_written(tmp_path: Path, ending: str) -> None:
    audio.write(tmp_path / f"in{ending}", 0.1 * torch.randn(2, 6_000), 44_100)
    render(plain, tmp_path / f"in{ending}", tmp_path / f"out{ending}", block=1_000)
    assert audio.read(tmp_path / f"out{ending}")[0].shape == (2, 6_000)


def test_mono_becomes_stereo_where_the_chain_says_so(tmp_path: Path) -> None:
    audio.write(tmp_path / "in.wav", torch.full((1, 100), 0.5), 48_000)
    done = render(lambda rate: Chain([Panner(rate)]), tmp_path / "in.wav", tmp_path / "out.wav")
    assert done.channels == 2


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("block", [700, 65_536])
def test_normalizing_brings_the_loudness(wet: MakeChain, tmp_path: Path, block: int) -> None:
    audio.write(tmp_path / "in.wav", 0.01 * torch.randn(2, 60_000), 44_100)
    level = Level.parse("-20LUFS")
    render(wet, tmp_path / "in.wav", tmp_path / "out.wav", normalize=level, block=block)
    assert loudness(*audio.read(tmp_path / "out.wav")) == pytest.approx(-20.0, abs=0.01)


def test_normalizing_brings_the_peak(wet: MakeChain, source: Path) -> None:
    done = render(wet, source, source.with_name("o.wav"), normalize=Level.parse("-1 dbfs"))
    assert done.peak_dbfs == pytest.approx(-1.0, abs=1e-4)
    assert float(audio.read(done.path)[0].abs().max()) == pytest.approx(10 ** (-1 / 20), abs=1e-5)


@pytest.mark.parametrize("text", ["-14", "-14 dB", "LUFS", "-14LUFS!", ""])
def test_a_level_needs_a_number_and_a_unit(text: str) -> None:
    with pytest.raises(UserError, match="like -14LUFS or -1dBFS"):
        Level.parse(text)


def test_what_cannot_be_rendered_leaves_nothing(tmp_path: Path, source: Path) -> None:
    audio.write(tmp_path / "silent.wav", torch.zeros(1, 5_000), 48_000)
    late = np.zeros(70_000)
    late[-1] = np.nan
    soundfile.write(tmp_path / "late.wav", late, 48_000, "FLOAT")
    before = sorted(tmp_path.iterdir())

    def loud(rate: int) -> Chain:
        return Chain([Gain(rate, gain_db=30.0)])

    def refuses(rate: int) -> Chain:
        raise UserError("chain.toml: too low a rate")

    endless = Chain([Gain(44_100)])
    endless.tail_seconds = lambda: math.inf  # type: ignore[method-assign]
    cases: list[tuple[MakeChain, Path, dict[str, Any], str]] = [
        (loud, source, {}, "dBFS would clip"),
        (loud, source, {"normalize": Level(3.0, "dBFS")}, r"\+3\.00 dBFS would clip"),
        (plain, tmp_path / "late.wav", {}, r"NaN or infinite sample at 1\.458 s"),
        (plain, tmp_path / "silent.wav", {"normalize": Level(-14.0, "dBFS")}, "silent"),
        (plain, tmp_path / "missing.wav", {}, "no such file"),
        (plain, source, {"subtype": "PCM24"}, "no subtype"),
        (plain, source, {"block": 0}, "at least 1 sample"),
        (refuses, source, {}, "too low a rate"),
        (lambda _: endless, source, {}, "tail of the chain is endless"),
    ]
    for make_chain, path, options, message in cases:
        with pytest.raises(UserError, match=message):
            render(make_chain, path, tmp_path / "out.wav", **options)
    assert sorted(tmp_path.iterdir()) == before


def test_a_disk_that_is_too_small_for_the_second_pass_leaves_nothing(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: Full())
    with pytest.raises(UserError, match="the disk is full"):
        render(plain, source, source.with_name("o.wav"), normalize=Level(-3.0, "dBFS"))
    assert [path.name for path in source.parent.iterdir()] == ["in.wav"]


def test_an_interrupt_leaves_the_old_file(source: Path) -> None:
    target = source.with_name("out.wav")
    target.write_bytes(b"old")

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(plain, source, target, progress=stop)
    assert target.read_bytes() == b"old"
    assert len(list(source.parent.iterdir())) == 2


def test_a_file_may_be_rendered_onto_itself(source: Path) -> None:
    dry = audio.read(source)[0]
    render(lambda rate: Chain([Gain(rate, gain_db=-20.0)]), source, source, subtype="FLOAT")
    torch.testing.assert_close(audio.read(source)[0], 0.1 * dry)


def test_progress_tells_the_seconds_of_the_input(source: Path) -> None:
    heard: list[float] = []
    render(plain, source, source.with_name("o.wav"), progress=heard.append, block=1_000)
    assert sum(heard) == pytest.approx(5_000 / 44_100)


def test_memory_does_not_hold_the_file(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 50 blocks, those of the threads before and behind the chain: of each two and one."""
    waiting = 0
    most = 0
    lock = threading.Lock()
    read, write = audio.blocks, audio.Writer.write

    def counted(file: soundfile.SoundFile, size: int) -> Any:
        nonlocal waiting, most
        for block in read(file, size):
            with lock:
                waiting += 1
                most = max(most, waiting)
            yield block

    def written(self: audio.Writer, block: torch.Tensor) -> None:
        nonlocal waiting
        with lock:
            waiting -= 1
        write(self, block)

    monkeypatch.setattr("dspcore.render.blocks", counted)
    monkeypatch.setattr(audio.Writer, "write", written)
    render(plain, source, source.with_name("o.wav"), block=100)
    assert most <= 7


def test_real_recordings_keep_their_sound(data_folder: Path, tmp_path: Path) -> None:
    for name in ("sonic_pi/ambi_choir.flac", "fsdd/0_jackson_0.wav"):
        target = tmp_path / Path(name).name
        render(plain, data_folder / name, target)
        assert torch.equal(audio.read(target)[0], audio.read(data_folder / name)[0])
