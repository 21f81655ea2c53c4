"""Controls as models predict them: scaling, harmonics, checks, the way to audio rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from dspcore.errors import checking_values

Scale = Callable[[Tensor], Tensor]
Method = Literal["linear", "window", "hold", "midway"]
METHODS: tuple[Method, ...] = ("linear", "window", "hold", "midway")


class Processor(nn.Module):
    """Base of DDSP's processors: ``forward(*x)`` is ``get_signal(**get_controls(*x))``.

    Controls are (b, f, k): frame i holds at sample ``i * hop_length``. Sound is (b, 1, t).
    """

    def get_controls(self, *outputs: Tensor) -> dict[str, Tensor]:
        """What a network put out, in the units of `get_signal`."""
        raise NotImplementedError

    def get_signal(self, **controls: Any) -> Tensor:
        """The sound of controls."""
        raise NotImplementedError

    def forward(self, *outputs: Tensor, **options: Any) -> Tensor:
        """The sound of what a network put out; options as of `get_signal`."""
        return self.get_signal(**self.get_controls(*outputs), **options)


class Stepping(Processor):
    """A processor that streams: `step` gives the sound and the phase after it."""

    def step(self, *controls: Any, **options: Any) -> tuple[Tensor, Tensor]:
        """The sound of controls, and the state from which the next block goes on."""
        raise NotImplementedError

    def get_signal(self, *controls: Any, **options: Any) -> Tensor:
        """The sound of `step`, whose arguments it takes, without the state after it."""
        return self.step(*controls, **options)[0]


def exp_sigmoid(
    x: Tensor, exponent: float = 10.0, max_value: float = 2.0, threshold: float = 1e-7
) -> Tensor:
    """``max_value sigmoid(x) ** ln(exponent) + threshold``: positive, and steep in dB where small.

    Source: J. Engel et al., "DDSP: Differentiable Digital Signal Processing", ICLR 2020, eq. 5.
    """
    return max_value * torch.sigmoid(x) ** math.log(exponent) + threshold


def frequencies_sigmoid(x: Tensor, hz_min: float = 20.0, hz_max: float = 8_000.0) -> Tensor:
    """A frequency in Hz within two limits, equal ratios over equal steps of ``sigmoid(x)``."""
    return hz_min * (hz_max / hz_min) ** torch.sigmoid(x)


def remove_above_nyquist(
    amplitudes: Tensor, frequencies_hz: Tensor, sample_rate: int, *, fade: bool = False
) -> Tensor:
    """Silence partials at or above half the sample rate.

    Args:
        amplitudes: (b, f, k).
        frequencies_hz: The same shape.
        sample_rate: In Hz.
        fade: Whether partials are turned down smoothly over the last tenth below it.
    """
    share = 2 * frequencies_hz / sample_rate
    if not fade:
        return torch.where(share < 1, amplitudes, torch.zeros_like(amplitudes))
    way = ((1 - share) * 10).clamp(0, 1)
    return amplitudes * (0.5 - 0.5 * torch.cos(torch.pi * way)).to(amplitudes.dtype)


def harmonic_frequencies(f0_hz: Tensor, count: int) -> Tensor:
    """The first `count` multiples of (b, f, 1), (b, f, count)."""
    return f0_hz * torch.arange(1, count + 1, device=f0_hz.device, dtype=f0_hz.dtype)


def normalize_harmonics(
    harmonic_distribution: Tensor,
    f0_hz: Tensor | None = None,
    sample_rate: int | None = None,
    *,
    fade: bool = False,
) -> Tensor:
    """Divide by the sum, so that amplitude and timbre are apart; first without what would alias.

    Args:
        harmonic_distribution: 0 or more, (b, f, k).
        f0_hz: (b, f, 1); with `sample_rate`, harmonics above half of it count for nothing.
        sample_rate: In Hz.
        fade: As in `remove_above_nyquist`.

    Source: J. Engel et al., "DDSP: Differentiable Digital Signal Processing", ICLR 2020, 3.2.
    """
    if f0_hz is not None and sample_rate is not None:
        hz = harmonic_frequencies(f0_hz, harmonic_distribution.shape[-1])
        harmonic_distribution = remove_above_nyquist(
            harmonic_distribution, hz, sample_rate, fade=fade
        )
    return harmonic_distribution / harmonic_distribution.sum(-1, keepdim=True).clamp(min=1e-7)


def check_frames(who: str, *, signed: tuple[str, ...] = (), **controls: Tensor) -> None:
    """Raise unless controls (b, f, k) are finite, 0 or more where not `signed`, and of one b and f.

    Raises:
        TypeError, ValueError: names the control, what was wanted and what came.
    """
    first = next(iter(controls))
    for name, x in controls.items():
        if not isinstance(x, Tensor) or not x.is_floating_point():
            kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(f"{who}: {name} must be a floating-point tensor, got {kind}")
        if x.ndim != 3 or 0 in x.shape:
            raise ValueError(f"{who}: {name} must be (b, frames, k), got {tuple(x.shape)}")
        if x.shape[:2] != controls[first].shape[:2]:
            raise ValueError(
                f"{who}: {name} must have the batch and frames of {first} "
                f"{tuple(controls[first].shape[:2])}, got {tuple(x.shape[:2])}; "
                "resample one with ControlUpsample, or compute both with the same hop_length"
            )
        if not checking_values():
            continue
        least = float(x.detach().amin())
        if not bool(torch.isfinite(x.detach().sum())):
            raise ValueError(
                f"{who}: {name} has {int((~torch.isfinite(x)).sum())} NaN or infinite values "
                f"of {x.numel()}; look for a diverging network"
            )
        if name not in signed and least < 0:
            raise ValueError(
                f"{who}: {name} must be 0 or more, got {least:g}; "
                "pass outputs of a network through get_controls"
            )


class ControlUpsample(nn.Module):
    """Controls (b, f, k) at audio rate, (b, f * hop_length, k).

    Frame i stands at sample ``i * hop_length``; after the last one it is held.

    Args:
        hop_length: Samples from frame to frame.
        method: "linear": straight between frames, as the ops do by themselves, without this;
            "window": a raised cosine between them, which is DDSP's overlapping Hann windows;
            "hold": the frame until the next one; "midway": the nearest frame.
    """

    def __init__(self, hop_length: int, method: Method = "linear") -> None:
        super().__init__()
        if hop_length < 1:
            raise ValueError(f"ControlUpsample: hop_length must be at least 1, got {hop_length}")
        if method not in METHODS:
            raise ValueError(
                f"ControlUpsample: method must be one of {', '.join(METHODS)}, got {method!r}"
            )
        self.hop_length, self.method = hop_length, method

    def forward(self, controls: Tensor) -> Tensor:
        """(b, f, k) to (b, f * hop_length, k), in the type of `controls`."""
        hop = self.hop_length
        part = torch.arange(hop, device=controls.device, dtype=controls.dtype) / hop
        if self.method == "window":
            part = 0.5 - 0.5 * torch.cos(torch.pi * part)
        elif self.method == "hold":
            part = torch.zeros_like(part)
        elif self.method == "midway":
            part = (part >= 0.5).to(controls.dtype)
        after = torch.cat([controls[:, 1:], controls[:, -1:]], 1)
        spread = torch.lerp(controls[:, :, None], after[:, :, None], part[:, None])
        return spread.flatten(1, 2)


def padded_frames(controls: Tensor, frames: int) -> Tensor:
    """Controls (b, f, k) with the last frame repeated until there are `frames`."""
    missing = frames - controls.shape[1]
    if missing <= 0:
        return controls
    return pad(controls.mT, (0, missing), mode="replicate").mT
