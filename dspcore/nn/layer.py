"""Dense layers of sines and stacks of them."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from dspcore import estimate, ops
from dspcore.nn.waves import charted, uncharted, wave

#: How far the later layers of a network turn at its loudest when it starts by analysis: sines are
#: straight there to 1 in 2400, -68 dB.
_STRAIGHT = 0.05


class SineWaveLayer(nn.Module):
    """``y_j = sum_i a_ij sin(w_ij x_i + p_ij)``: a dense layer of 3 i j parameters.

    A plain module: it may stand at the end of any other.

    Args:
        in_features: i.
        out_features: j.
        frequency: Random frequencies are uniform in 0 to this, radians per unit of the input.
        amplitude: Size of the sum at the start; each a is that over the square root of i.
        charts: How a frequency and a phase are used: none, relu, softplus or abs. The stored
            value may go below zero and come back.
        shape: sine, triangle or zero_tip.
        generator: Of the random start.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        frequency: float = 30.0,
        amplitude: float = 1.0,
        charts: tuple[str, str] = ("none", "none"),
        shape: str = "sine",
        generator: torch.Generator | None = None,
    ) -> None:
        """Draws the start: branches that start alike would stay alike."""
        super().__init__()
        size = (in_features, out_features)
        self.charts, self.shape = charts, shape

        def uniform() -> Tensor:
            return torch.rand(size, generator=generator)

        self.amplitude = nn.Parameter((2 * uniform() - 1) * amplitude * math.sqrt(3 / in_features))
        self.frequency = nn.Parameter(uniform() * frequency)
        self.phase = nn.Parameter(uniform() * 2 * math.pi)

    def forward(self, x: Tensor) -> Tensor:
        """(..., i) to (..., j)."""
        frequency = charted(self.frequency, self.charts[0])
        phase = charted(self.phase, self.charts[1])
        if self.shape == "sine":
            return ops.sine_layer(x, self.amplitude, frequency, phase)
        return (self.amplitude * wave(x[..., None] * frequency + phase, self.shape)).sum(-2)

    def bound(self) -> Tensor:
        """No output exceeds this, (j,): the sums of the amplitudes' sizes."""
        return self.amplitude.detach().abs().sum(0)

    @torch.no_grad()
    def start(self, clip: Tensor) -> None:
        """Take the sinusoids that explain most of a clip, for inputs that all are the time.

        Args:
            clip: (t,), or a clip for each output, (t, j).
        """
        rows = clip.reshape(len(clip), -1).T
        i, j = self.amplitude.shape
        if len(rows) != j:
            raise ValueError(
                f"SineWaveLayer: clip must be (t, {j}), a clip for each output, "
                f"got {tuple(clip.shape)}"
            )
        found = estimate.init_bank(rows.double(), i)
        self.amplitude.copy_(found.amplitudes.T)
        self.frequency.copy_(uncharted(2 * math.pi * found.frequencies.T, self.charts[0]))
        phase = torch.remainder(found.phases.T, 2 * math.pi)
        self.phase.copy_(uncharted(phase, self.charts[1]))

    @torch.no_grad()
    def pass_on(self, peak: float) -> None:
        """Add up inputs of sizes up to `peak`, each for one output, on the sines' straight part."""
        i, j = self.amplitude.shape
        own = torch.arange(i) * j // i
        w = _STRAIGHT / peak
        self.amplitude.zero_()[torch.arange(i), own] = 1 / w
        self.frequency.copy_(uncharted(torch.full((i, j), w), self.charts[0]))
        self.phase.copy_(uncharted(torch.zeros(i, j), self.charts[1]))


class SineWaveNetwork(nn.Module):
    """A stack of `SineWaveLayer` whose widths fall evenly from `base` to one output.

    Args:
        layers: How many.
        base: Width after the first.
        in_features: 1 for a time.
        out_features: 1 for a sample.
        first_frequency: Of the first layer, which hears the time, radians per unit.
        frequency: Of the others.
        charts: As in `SineWaveLayer`.
        shape: sine, triangle or zero_tip.
        generator: Of the random start.
    """

    def __init__(
        self,
        layers: int = 6,
        base: int = 100,
        *,
        in_features: int = 1,
        out_features: int = 1,
        first_frequency: float = 3000.0,
        frequency: float = 1.5,
        charts: tuple[str, str] = ("none", "none"),
        shape: str = "sine",
        generator: torch.Generator | None = None,
    ) -> None:
        """Makes the layers."""
        super().__init__()
        if layers < 1:
            raise ValueError(f"SineWaveNetwork: wants 1 layer or more, got {layers}")
        steps = torch.linspace(base, out_features, layers).round().int().tolist()
        widths = [in_features, *(steps if layers > 1 else [out_features])]
        self.layers = nn.ModuleList(
            SineWaveLayer(
                i,
                j,
                frequency=first_frequency if n == 0 else frequency,
                charts=charts,
                shape=shape,
                generator=generator,
            )
            for n, (i, j) in enumerate(pairwise(widths))
        )

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        for layer in self.layers:
            x = layer(x)
        return x

    @torch.no_grad()
    def start(self, clip: Tensor) -> None:
        """Begin as the bank of sinusoids that explains most of a clip (t,), for times in samples.

        The first layer says one sinusoid in each of its outputs; the layers after it add them up.
        """
        layers = [layer for layer in self.layers if isinstance(layer, SineWaveLayer)]
        first = layers[0]
        i, j = first.amplitude.shape
        out = layers[-1].amplitude.shape[1]
        if i != 1 or out != 1:
            raise ValueError(
                "SineWaveNetwork: a start by analysis wants in_features = out_features = 1, "
                f"got {i} and {out}"
            )
        found = estimate.init_bank(clip.double(), j)
        first.amplitude.copy_(found.amplitudes)
        first.frequency.copy_(uncharted(2 * math.pi * found.frequencies, first.charts[0]))
        phase = torch.remainder(found.phases, 2 * math.pi)
        first.phase.copy_(uncharted(phase, first.charts[1]))
        peak = float(found.amplitudes.sum().clamp(min=1e-6))
        for layer in layers[1:]:
            layer.pass_on(peak)

    def outputs(self, x: Tensor) -> list[Tensor]:
        """What every layer makes of (..., in), for pictures."""
        found = []
        for layer in self.layers:
            x = layer(x)
            found.append(x)
        return found


class FinalSine(nn.Module):
    """``A sin(C h + P)`` of what came before: bounds an output by A.

    Args:
        amplitude: A at the start.
        frequency: C at the start.
    """

    def __init__(self, amplitude: float = 1.0, frequency: float = 1.0) -> None:
        """Three parameters."""
        super().__init__()
        self.amplitude = nn.Parameter(torch.tensor(amplitude))
        self.frequency = nn.Parameter(torch.tensor(frequency))
        self.phase = nn.Parameter(torch.zeros(()))

    def forward(self, h: Tensor) -> Tensor:
        """Any shape to the same."""
        return self.amplitude * torch.sin(self.frequency * h + self.phase)
