"""Classic waves and wavetables from frames, without aliases."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from dspcore import ops
from dspcore.synth.controls import Scale, Stepping, check_frames, exp_sigmoid


class _Wave(Stepping):
    """A wave of `dspcore.ops.oscillator`: amplitudes and f0 (b, f, 1) in, sound (b, 1, t) out.

    Args:
        sample_rate: In Hz.
        hop_length: Samples from frame to frame.
        scale_fn: Makes outputs of a network amplitudes in `get_controls`; None where they are.
    """

    shape: ClassVar[str]

    def __init__(
        self,
        sample_rate: int = 48_000,
        hop_length: int = 480,
        *,
        scale_fn: Scale | None = exp_sigmoid,
    ) -> None:
        super().__init__()
        self.sample_rate, self.hop_length, self.scale_fn = sample_rate, hop_length, scale_fn

    def get_controls(self, amplitudes: Tensor, f0_hz: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        """Positive amplitudes and f0, (b, f, 1) each."""
        if self.scale_fn is not None:
            amplitudes = self.scale_fn(amplitudes)
        return {"amplitudes": amplitudes, "f0_hz": f0_hz}

    def step(
        self,
        amplitudes: Tensor,
        f0_hz: Tensor,
        num_samples: int | None = None,
        *,
        start: int = 0,
        state: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Sound (b, 1, t) and the phase after it, (b,); arguments as of `HarmonicOscillator`."""
        return self._wave(amplitudes, f0_hz, 0.5, num_samples, start, state)

    def _wave(
        self,
        amplitudes: Tensor,
        f0_hz: Tensor,
        width: Tensor | float,
        num_samples: int | None,
        start: int,
        state: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        who = type(self).__name__
        check_frames(who, signed=("f0_hz",), amplitudes=amplitudes, f0_hz=f0_hz)
        y, after = ops.oscillator(
            f0_hz[..., 0].double() / self.sample_rate,
            amplitudes[..., 0],
            num_samples,
            shape=self.shape,
            width=width,
            hop=self.hop_length,
            start=start,
            phase=state,
        )
        return y[:, None], after


class SawOscillator(_Wave):
    """Rises from -1 to 1 in each cycle; see `dspcore.ops.oscillator`."""

    shape = "saw"


class SquareOscillator(_Wave):
    """1 for half a cycle, -1 for the other; see `dspcore.ops.oscillator`."""

    shape = "square"


class TriangleOscillator(_Wave):
    """Begins at 0 and rises first; see `dspcore.ops.oscillator`."""

    shape = "triangle"


class PulseOscillator(_Wave):
    """1 for a part of the cycle, -1 for the rest, with an exact gradient to that part."""

    shape = "pulse"

    def get_controls(  # type: ignore[override]
        self, amplitudes: Tensor, f0_hz: Tensor, width: Tensor
    ) -> dict[str, Tensor]:
        """As for the others; `width` (b, f, 1) through a sigmoid where there is a `scale_fn`."""
        width = width if self.scale_fn is None else torch.sigmoid(width)
        return {**super().get_controls(amplitudes, f0_hz), "width": width}

    def step(  # type: ignore[override]
        self,
        amplitudes: Tensor,
        f0_hz: Tensor,
        width: Tensor,
        num_samples: int | None = None,
        *,
        start: int = 0,
        state: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Sound (b, 1, t) and the phase after it; `width` in 0 to 1 is (b, f, 1)."""
        check_frames("PulseOscillator", amplitudes=amplitudes, width=width)
        return self._wave(amplitudes, f0_hz, width[..., 0].double(), num_samples, start, state)


class WavetableOscillator(Stepping):
    """Waves given as one cycle each, blended frame by frame, read without aliases.

    Args:
        n_tables: How many waves.
        table_size: Values of a cycle, at least 4.
        sample_rate: In Hz.
        hop_length: Samples from frame to frame.
        scale_fn: Makes outputs of a network amplitudes in `get_controls`; None where they are.
        tables: The waves, (n_tables, table_size); noise of small amplitude when left out. They are
            parameters of the module, and learn.

    Source: S. Shan, L. Hantrakul, J. Chen, M. Avent, D. Trevelyan, "Differentiable Wavetable
    Synthesis", ICASSP 2022.
    """

    def __init__(
        self,
        n_tables: int = 8,
        table_size: int = 2_048,
        sample_rate: int = 48_000,
        hop_length: int = 480,
        *,
        scale_fn: Scale | None = exp_sigmoid,
        tables: Tensor | None = None,
    ) -> None:
        super().__init__()
        if tables is None:
            tables = 0.01 * torch.randn(n_tables, table_size)
        if tables.shape != (n_tables, table_size):
            raise ValueError(
                f"WavetableOscillator: tables must be {(n_tables, table_size)}, "
                f"got {tuple(tables.shape)}"
            )
        self.tables = nn.Parameter(tables)
        self.sample_rate, self.hop_length, self.scale_fn = sample_rate, hop_length, scale_fn

    def get_controls(self, amplitudes: Tensor, weights: Tensor, f0_hz: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        """Positive amplitudes (b, f, 1), weights (b, f, n) that sum to 1, f0 (b, f, 1)."""
        if self.scale_fn is not None:
            amplitudes, weights = self.scale_fn(amplitudes), weights.softmax(-1)
        return {"amplitudes": amplitudes, "weights": weights, "f0_hz": f0_hz}

    def step(
        self,
        amplitudes: Tensor,
        weights: Tensor,
        f0_hz: Tensor,
        num_samples: int | None = None,
        *,
        start: int = 0,
        state: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Sound (b, 1, t) and the phase after it, (b,); arguments as of `HarmonicOscillator`."""
        check_frames(
            "WavetableOscillator",
            signed=("f0_hz", "weights"),
            amplitudes=amplitudes,
            weights=weights,
            f0_hz=f0_hz,
        )
        b, _, n = weights.shape
        turns = f0_hz[..., 0].double() / self.sample_rate
        y, after = ops.wavetable(
            turns.repeat_interleave(n, 0),
            self.tables.to(amplitudes.dtype).repeat(b, 1),
            num_samples,
            amplitude=(amplitudes * weights).mT.flatten(0, 1),
            hop=self.hop_length,
            start=start,
            phase=None if state is None else state.repeat_interleave(n, 0),
        )
        return y.unflatten(0, (b, n)).sum(1, keepdim=True), after[::n]
