"""The reverberation of a recorded or learned impulse response."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor, nn

from dspcore import audio as files
from dspcore.effects.effect import Effect
from dspcore.effects.param import File, Param
from dspcore.effects.response import StreamedConvolution, read_response, resampled
from dspcore.errors import UserError

_SECONDS = 0.5  # of the noise that stands in for a recording


class ConvolutionReverb(Effect):
    """Let the sound ring on as a recorded impulse response does, or one that is learned.

    The response is read from `file` (mono for both sides, or one for each), at any sample rate. Or
    it is given: a tensor, or an `nn.Parameter` that is learned as any other of a module. With
    neither it is noise that falls by 60 dB in half a second.

    Args:
        sample_rate: Of the audio, in Hz.
        response: Impulse response, (n,), (1, n) or (2, n) for left and right, at that rate.
        values: Parameters in physical units and the path of a `file` by name.
    """

    channels = "stereo"

    file = File("Impulse response of a room, WAV or FLAC.")
    gain_db = Param(-36.0, 36.0, default=0.0, doc="Gain of the convolved sound.")
    mix = Param(0.0, 1.0, default=0.25, doc="Dry at 0, the room alone at 1.")

    response: Tensor

    def __init__(
        self, sample_rate: int = 48_000, *, response: Tensor | None = None, **values: float | str
    ) -> None:
        super().__init__(sample_rate, **values)
        if response is not None:
            if self.options["file"]:
                raise ValueError(f"{self.name}: give either a file or a response, not both")
            self._take(response)
        elif not self.options["file"]:
            self._take(decaying_noise(self.sample_rate))
        self._made = response is None

    def load(self, name: str) -> None:
        """Read the response; without a path it is the noise again."""
        path = self.options[name]
        self._made = True
        self._take(
            read_response(path, self.sample_rate) if path else decaying_noise(self.sample_rate)
        )

    def _take(self, response: Tensor) -> None:
        if response.ndim not in (1, 2) or response.numel() == 0:
            raise ValueError(
                f"{self.name}: response must be (n,), (1, n) or (2, n), got {tuple(response.shape)}"
            )
        if response.ndim == 2 and response.shape[0] > 2:
            raise ValueError(
                f"{self.name}: response must have one or two channels, got {response.shape[0]}"
            )
        self._ready: dict[Any, StreamedConvolution] = {}
        self.__dict__.pop("response", None)
        if isinstance(response, nn.Parameter):
            self._buffers.pop("response", None)
            self.register_parameter("response", response)
        else:
            self._parameters.pop("response", None)
            self.register_buffer("response", response, persistent=False)

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Convolve and mix."""
        wet, state = self._convolution(audio)(audio, state)
        p = {name: value[:, None].to(audio.dtype) for name, value in params.items()}
        return audio + p["mix"] * (wet * 10 ** (p["gain_db"] / 20) - audio), state

    def _convolution(self, audio: Tensor) -> StreamedConvolution:
        h = self.response.to(audio.device, audio.dtype)
        h = h.reshape(1, -1, h.shape[-1])
        if isinstance(self.response, nn.Parameter):
            return StreamedConvolution(h)
        kind = (audio.dtype, audio.device)
        if kind not in self._ready:
            self._ready[kind] = StreamedConvolution(h)
        return self._ready[kind]

    def save_response(self, path: str | os.PathLike[str]) -> None:
        """Write the response as a float32 file and let `file` name it, for a preset."""
        response = self.response.detach().reshape(-1, self.response.shape[-1]).cpu().float()
        files.write(path, response, self.sample_rate, "FLOAT")
        self.options["file"] = os.fspath(path)

    def check_saved(self) -> None:
        """A preset names a file."""
        if not self._made and not self.options["file"]:
            raise UserError(
                f"{self.name}: the response is in no file, which a preset could name; write it "
                "with effect.save_response(path) first"
            )

    def with_values(self, **values: float | str) -> Effect:
        """A copy with some values replaced and the same response."""
        if self._made or "file" in values:
            return super().with_values(**values)
        settings = {**self.values, **values}
        copy = type(self)(self.sample_rate, response=self.response, **settings)
        copy.options["file"] = self.options["file"]
        return copy

    def at_rate(self, sample_rate: int) -> Effect:
        """A copy for another rate in Hz; a response that was given is brought to it."""
        if self._made:
            return super().at_rate(sample_rate)
        own = self.response.detach().cpu()
        response = resampled(own.reshape(-1, own.shape[-1]).double(), self.sample_rate, sample_rate)
        copy = type(self)(sample_rate, response=response.to(own), **self.values)
        copy.options["file"] = self.options["file"]
        return copy

    @property
    def given(self) -> Tensor | None:
        """The response that was given, (c, n); None where it is read or made."""
        return None if self._made else self.response.detach().reshape(-1, self.response.shape[-1])

    def tail_seconds(self) -> float:
        """The length of the response."""
        return self.response.shape[-1] / self.sample_rate


def decaying_noise(sample_rate: int) -> Tensor:
    """Noise of unit energy on two sides that falls by 60 dB in half a second, (2, n) float64."""
    n = round(_SECONDS * sample_rate)
    noise = torch.randn(2, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise = noise * 10 ** (-3 * torch.arange(n, dtype=torch.float64) / n)
    return noise / noise.norm(dim=1, keepdim=True)
