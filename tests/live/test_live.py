"""Chains played live: changed while they play, measured without hardware, refused without one."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from dspcore import Chain, audio, effects, save_preset
from dspcore.cli import live, main
from dspcore.errors import UserError
from dspcore.live import NullDevice, Player, SoundDevice, devices
from dspcore.live.commands import Commands


def chain() -> Chain:
    return Chain([effects.Delay(8_000, time_ms=20.0, mix=0.5), effects.Gain(8_000, gain_db=-6.0)])


@pytest.fixture
def player() -> Player:
    """The chain in Python, with a second of noise in a loop."""
    noise = 0.1 * torch.randn(1, 8_000)
    return Player(chain(), loop=noise, engine="python")


def heard(player: Player, blocks: int, size: int = 100) -> np.ndarray:
    return np.concatenate([player.process(None, size) for _ in range(blocks)], 1)


def test_a_loop_sounds_as_the_chain_does_and_goes_round() -> None:
    noise = 0.1 * torch.randn(2, 450)
    player = Player(chain(), loop=noise, engine="python")
    fresh = player._now.engine
    fresh._stream.reset()  # type: ignore[attr-defined]
    wanted = chain()(noise.repeat(1, 2)[None])[0].detach().numpy()
    assert np.allclose(heard(player, 9), wanted, atol=1e-6)


@pytest.mark.slow
def test_the_compiled_chain_plays_as_the_interpreted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSPCORE_CACHE", str(tmp_path))
    noise = 0.1 * torch.randn(2, 8_000)
    players = [Player(chain(), loop=noise, engine=engine) for engine in ("native", "python")]
    for commands in map(Commands, players):
        assert commands.run("gain.gain_db 3").startswith("gain.gain_db  3")
    one, other = (heard(player, 20) for player in players)
    assert np.abs(one - other).max() < 1e-6
    kept = list(tmp_path.iterdir())
    assert len(kept) == 1  # and the next one finds it there
    stamp = kept[0].stat().st_mtime_ns
    Player(chain().with_values({"delay.time_ms": 50.0}), engine="native")
    assert [path.stat().st_mtime_ns for path in tmp_path.iterdir()] == [stamp]


def test_a_word_takes_another_engine_that_fades_in(player: Player) -> None:
    before = heard(player, 20)
    old = player._now.engine
    assert "ping_pong" in Commands(player).run("delay.mode ping_pong")
    after = heard(player, 20)
    assert player._now.engine is not old
    jump = np.abs(np.diff(np.concatenate([before[:, -2:], after[:, :1]], 1)))
    assert jump.max() < 0.5
    assert player.rack[0].options["mode"] == "ping_pong"  # type: ignore[index]


def test_commands_say_what_is_wrong_and_change_nothing(player: Player, tmp_path: Path) -> None:
    commands = Commands(player)
    values = player.rack.values
    assert "did you mean 'gain.gain_db'" in commands.run("gain.gain 3")
    assert "must be a number" in commands.run("gain.gain_db loud")
    assert "gain_db" in commands.run("gain.gain_db 1000")
    assert "wants a file" in commands.run("save")
    assert player.rack.values == values
    assert "delay.time_ms" in commands.run("show delay")
    assert commands.run("bypass") == "bypassed"
    target = tmp_path / "mine.toml"
    assert "written" in commands.run(f"save {target}")
    assert target.is_file()
    commands.run("quit")
    assert commands.ended


def test_the_null_device_takes_so_many_blocks(player: Player) -> None:
    NullDevice(100, hurry=True).run(player, threading.Event(), seconds=0.5)
    total = player.load.total
    assert total.seconds == pytest.approx(0.5)
    assert total.busy > 0
    assert "% of a core" in str(total)


def test_the_command_measures_without_hardware_and_reads_the_preset_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = tmp_path / "chain.toml"
    save_preset(chain(), preset)
    audio.write(tmp_path / "noise.wav", 0.1 * torch.randn(1, 800), 8_000)
    run = NullDevice.run
    texts = ["dspcore = 1\nnonsense", preset.read_text().replace("gain_db = -6.0", "gain_db = 2.0")]

    def edited(
        self: NullDevice, player: Player, stop: threading.Event, seconds: float | None
    ) -> None:
        for text in texts:
            preset.write_text(text)
            os.utime(preset, ns=(len(text), len(text)))
            assert looked.wait(60.0)
            looked.clear()
        run(self, player, stop, seconds)
        assert player.rack.values["gain.gain_db"] == 2.0

    looked, read_again = threading.Event(), live._read_again

    def watched(player: Player, path: Path) -> None:
        read_again(player, path)
        looked.set()

    monkeypatch.setattr(live, "_read_again", watched)
    monkeypatch.setattr(NullDevice, "run", edited)
    words = ["live", str(preset), str(tmp_path / "noise.wav"), "--null", "--seconds", "0.1"]
    result = CliRunner().invoke(main, [*words, "--engine", "python"], input="delay.mix 0.1\n")
    assert result.exit_code == 0, result.output
    for said in (
        "delay.mix",
        "plays on as it was",
        "read again",
        "0.1 s played in blocks of 64, load",
    ):
        assert said in result.output


class _NoDevices:
    """What sounddevice says on a machine without a sound card."""

    @staticmethod
    def query_devices() -> list[object]:
        return []


def test_without_hardware_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_sounddevice", lambda: _NoDevices)
    with pytest.raises(UserError, match="no audio device; measure without one: --null"):
        SoundDevice(64)


class _Card:
    """A sound card with sounddevice's face, which wants three blocks."""

    PortAudioError = RuntimeError
    out: np.ndarray

    @classmethod
    def query_devices(cls) -> list[object]:
        return ["card"]

    class Stream:
        def __init__(self, callback: object, blocksize: int, **_: object) -> None:
            self.callback, self.size = callback, blocksize

        def __enter__(self) -> None:
            class Status:
                output_underflow = input_overflow = False

            made = []
            for _ in range(3):
                out = np.zeros((self.size, 2), np.float32)
                self.callback(
                    np.full((self.size, 2), 0.25, np.float32), out, self.size, None, Status
                )  # type: ignore[operator]
                made.append(out)
            _Card.out = np.concatenate(made)

        def __exit__(self, *_: object) -> None:
            pass


def test_a_card_is_given_what_it_hears_through_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_sounddevice", lambda: _Card)
    player = Player(Chain([effects.Gain(8_000, gain_db=-6.0)]), engine="python")
    SoundDevice(50).run(player, threading.Event(), seconds=0.0)
    assert np.allclose(_Card.out, 0.25 * 10 ** (-6 / 20), atol=1e-6)
    assert _Card.out.shape == (150, 2)
