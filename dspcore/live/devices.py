"""Where sound comes from and goes to: the audio hardware, or nothing, for measuring."""

from __future__ import annotations

import threading
import time
from typing import Any

from dspcore.errors import UserError
from dspcore.live.player import Player


class NullDevice:
    """Wants blocks as a device does, at the same times, and throws them away.

    Args:
        block: Samples in a block.
        hurry: Whether it takes the blocks as fast as they come.
    """

    def __init__(self, block: int, *, hurry: bool = False) -> None:
        self.block, self.hurry = block, hurry

    def run(self, player: Player, stop: threading.Event, seconds: float | None = None) -> None:
        """Play until `stop` is set, or for so many seconds of sound."""
        rate = player.rack.sample_rate
        blocks = None if seconds is None else max(1, round(seconds * rate / self.block))
        began, count = time.perf_counter(), 0
        while not stop.is_set() and (blocks is None or count < blocks):
            player.process(None, self.block)
            count += 1
            if not self.hurry:
                stop.wait(max(0.0, began + count * self.block / rate - time.perf_counter()))


class SoundDevice:
    """The audio hardware, through PortAudio.

    Args:
        block: Samples in a block; 0 leaves it to the device.
        device: A name or a part of one, or a number of `listed`; the system's own by default.
        hears: Whether it takes sound in, too.

    Raises:
        UserError: There is no such device, or none at all, or sounddevice is not installed.
    """

    def __init__(self, block: int, *, device: str | None = None, hears: bool = True) -> None:
        self.block, self.hears = block, hears
        self._sd = _sounddevice()
        self._device: int | str | None = int(device) if device and device.isdigit() else device
        if not self._sd.query_devices():
            raise UserError("live: this machine has no audio device; measure without one: --null")

    @staticmethod
    def listed() -> str:
        """Every device, a line each."""
        found = str(_sounddevice().query_devices())
        return found or "no audio device on this machine; measure without one: --null"

    def run(self, player: Player, stop: threading.Event, seconds: float | None = None) -> None:
        """Play until `stop` is set, or for so many seconds."""
        sd = self._sd

        def heard(indata: Any, outdata: Any, frames: int, _: Any, status: Any) -> None:
            if status.output_underflow or status.input_overflow:
                player.load.missed()
            audio = None if indata is None else indata.T.copy()
            outdata[:] = player.process(audio, frames).T

        settings = {
            "samplerate": player.rack.sample_rate, "blocksize": self.block,
            "device": self._device, "dtype": "float32", "latency": "low",
        }  # fmt: skip
        try:
            if self.hears:
                channels = (player.channels, 2)
                stream = sd.Stream(channels=channels, callback=heard, **settings)
            else:

                def told(out: Any, frames: int, when: Any, status: Any) -> None:
                    heard(None, out, frames, when, status)

                stream = sd.OutputStream(channels=2, callback=told, **settings)
            with stream:
                stop.wait(seconds)
        except (sd.PortAudioError, ValueError) as error:
            raise UserError(
                f"live: the audio device cannot be opened: {error}; "
                "dspcore live --devices lists them, --null measures without one"
            ) from error


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise UserError(
            "live: needs sounddevice; install it: pip install 'dspcore[live]'"
        ) from error
    except OSError as error:
        raise UserError(
            "live: needs PortAudio; install it: apt-get install libportaudio2"
        ) from error
    return sounddevice
