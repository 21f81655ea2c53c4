"""Tables that an effect has for its sample rate, and the C++ that makes them for any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dspcore import audio
from dspcore.effects import ConvolutionReverb, Effect, NoiseReverb
from dspcore.effects.convolution_reverb import decaying_noise
from dspcore.effects.noise_reverb import octaves
from dspcore.effects.response import resampled

_NEAR = 1e-11  # of the largest number


@dataclass(frozen=True)
class Table:
    """Numbers that depend on the sample rate.

    Args:
        at: They themselves, as Python has them for a rate in Hz.
        code: A C++ expression over `rate` that makes them, a std::vector<double>; ``{data}`` is
            where `data` is found.
        data: What it is made of, (c, n), where it is a recording.
    """

    at: Callable[[int], Tensor]
    code: str
    data: Tensor | None = None

    def explains(self, values: Mapping[int, Tensor]) -> bool:
        """Whether they are these, by rate, each flat."""
        return all(_same(self.at(rate).flatten(), found) for rate, found in values.items())

    def definition(self, name: str) -> list[str]:
        """The C++ function `name` of the rate."""
        lines = []
        code = self.code
        if self.data is not None:
            data, single = self.data, self.data.float()
            exact = torch.equal(single.double(), data)
            kind = "float" if exact else "double"
            numbers = (single if exact else data).flatten().tolist()
            listed = ", ".join(f"{v:.9g}" if exact else repr(v) for v in numbers)
            lines.append(f"const {kind} {name}_data[] = {{{listed}}};")
            code = code.replace("{data}", f"{name}_data")
        head = f"inline std::vector<double> {name}(double rate) {{"
        return [*lines, head, f"  return {code};", "}"]


def tables(effect: Effect) -> Sequence[Table]:
    """The tables that `effect` may have."""
    found: list[Table] = []
    recordings: list[tuple[Tensor, int]] = []
    for key in effect.files:
        if path := effect.options[key]:
            sound, rate = audio.read(path)
            recordings.append((sound.double(), rate))
    if isinstance(effect, ConvolutionReverb) and effect.given is not None:
        recordings.append((effect.given.double(), effect.sample_rate))
    for sound, rate in recordings:
        found += [_recording(sound, rate), _recording(sound.mean(0, keepdim=True), rate)]
    if isinstance(effect, ConvolutionReverb):
        found.append(Table(decaying_noise, "decaying_noise(rate)"))
    if isinstance(effect, NoiseReverb):
        seconds = effect.seconds

        def cut(rate: int) -> Tensor:
            return octaves(rate, round(seconds * rate))

        code = f"octaves(rate, std::int64_t(std::nearbyint({seconds!r} * rate)))"
        found.append(Table(cut, code))
    return found


def _recording(sound: Tensor, own: int) -> Table:
    channels, length = sound.shape
    code = f"recording({{data}}, {channels}, {length}, {own}, std::int64_t(rate))"
    return Table(lambda rate: resampled(sound, own, rate), code, sound)


def _same(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    other = other.double()
    return bool((one - other).abs().max() <= _NEAR * other.abs().max())
