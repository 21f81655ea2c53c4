"""Harmonics of a fundamental, and free partials: additive synthesis from frames."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from dspcore import ops
from dspcore.synth.controls import (
    ControlUpsample,
    Scale,
    Stepping,
    check_frames,
    exp_sigmoid,
    frequencies_sigmoid,
    normalize_harmonics,
    remove_above_nyquist,
)
from dspcore.synth.frequency_gradient import pulled

FREQ_GRADS = ("true", "surrogate", "transport", "none")


class HarmonicOscillator(Stepping):
    """``y[t] = a[t] sum_k d_k[t] sin(2 pi k p[t])``, p the phase of f0, exact in float64.

    Harmonics at or above half the sample rate are silent at every sample.

    Args:
        n_harmonics: How many, k.
        sample_rate: In Hz.
        hop_length: Samples from frame to frame.
        scale_fn: Makes outputs of a network positive in `get_controls`; None where they are.
        amp_resample: Between frames: "linear", in the kernel, where nothing of the size samples x
            harmonics is made; or "window", DDSP's Hann windows, at that cost.
        normalize_below_nyquist: Whether a harmonic above it counts in the sum of the distribution.
        fade: Whether harmonics fade out over the last tenth below it, rather than being cut.

    Source: J. Engel et al., "DDSP: Differentiable Digital Signal Processing", ICLR 2020.
    """

    def __init__(
        self,
        n_harmonics: int = 60,
        sample_rate: int = 48_000,
        hop_length: int = 480,
        *,
        scale_fn: Scale | None = exp_sigmoid,
        amp_resample: Literal["linear", "window"] = "linear",
        normalize_below_nyquist: bool = True,
        fade: bool = False,
    ) -> None:
        super().__init__()
        if amp_resample not in ("linear", "window"):
            raise ValueError(
                f"HarmonicOscillator: amp_resample must be linear or window, got {amp_resample!r}"
            )
        self.n_harmonics, self.sample_rate, self.hop_length = n_harmonics, sample_rate, hop_length
        self.scale_fn, self.amp_resample = scale_fn, amp_resample
        self.normalize_below_nyquist, self.fade = normalize_below_nyquist, fade

    def get_controls(  # type: ignore[override]
        self, amplitudes: Tensor, harmonic_distribution: Tensor, f0_hz: Tensor
    ) -> dict[str, Tensor]:
        """Positive amplitudes (b, f, 1), a distribution (b, f, k) that sums to 1, f0 (b, f, 1)."""
        if self.scale_fn is not None:
            amplitudes = self.scale_fn(amplitudes)
            harmonic_distribution = self.scale_fn(harmonic_distribution)
        rate = self.sample_rate if self.normalize_below_nyquist else None
        distribution = normalize_harmonics(harmonic_distribution, f0_hz, rate, fade=self.fade)
        return {
            "amplitudes": amplitudes,
            "harmonic_distribution": distribution,
            "f0_hz": f0_hz,
        }

    def step(
        self,
        amplitudes: Tensor,
        harmonic_distribution: Tensor,
        f0_hz: Tensor,
        num_samples: int | None = None,
        *,
        start: int = 0,
        state: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Sound, and the phase after it: blocks of any length join without a seam.

        Args:
            amplitudes: Linear, 0 or more, (b, f, 1).
            harmonic_distribution: Share of each harmonic, 0 or more, (b, f, k).
            f0_hz: (b, f, 1); negative turns backwards. Best in float64 for long sounds.
            num_samples: Length t; to the end of the last frame when left out.
            start: Sample of the frame grid at which the block begins.
            state: Phase of the fundamental there, in cycles, (b,): as the call before returned it;
                0 when left out.

        Returns:
            (b, 1, t) in the type of `amplitudes`, and the phase after the last sample, (b,).

        Raises:
            TypeError, ValueError: controls that are negative, NaN, or of other frames.
        """
        check_frames(
            "HarmonicOscillator",
            signed=("f0_hz",),
            amplitudes=amplitudes,
            harmonic_distribution=harmonic_distribution,
            f0_hz=f0_hz,
        )
        if harmonic_distribution.shape[2] != self.n_harmonics:
            raise ValueError(
                f"HarmonicOscillator: harmonic_distribution must have {self.n_harmonics} "
                f"harmonics, got {harmonic_distribution.shape[2]}"
            )
        each = amplitudes * harmonic_distribution
        turns, hop = f0_hz[..., 0].double() / self.sample_rate, self.hop_length
        if self.amp_resample == "window":
            each = ControlUpsample(hop, "window")(each)
            turns = ControlUpsample(hop)(turns[..., None])[..., 0]
            hop = 1
        y, after = ops.harmonics(turns, each.mT, num_samples, hop=hop, start=start, phase=state)
        return y[:, None], after


class SinusoidalBank(Stepping):
    """``y[t] = sum_k a_k[t] sin(2 pi p_k[t])``: partials that go where they like.

    Args:
        n_sinusoids: How many, k.
        sample_rate: In Hz.
        hop_length: Samples from frame to frame.
        amp_scale_fn: Makes outputs of a network amplitudes in `get_controls`; None where they are.
        freq_scale_fn: Makes them frequencies in Hz; None where they are.
        freq_grad: What frequencies get in the backward pass; may be changed as training goes on.
            "true": the exact derivative, which leads from within about a bin of the whole sound.
            "surrogate": a slope to where sound is missing, heard through a wave that dies away;
            "transport": along the axis to where it is missing, in order: both lead from afar and
            end near, see `dspcore.synth.frequency_gradient`. "none": cut, as many DDSP models do.
    """

    def __init__(
        self,
        n_sinusoids: int = 100,
        sample_rate: int = 48_000,
        hop_length: int = 480,
        *,
        amp_scale_fn: Scale | None = exp_sigmoid,
        freq_scale_fn: Scale | None = frequencies_sigmoid,
        freq_grad: Literal["true", "surrogate", "transport", "none"] = "true",
    ) -> None:
        super().__init__()
        if freq_grad not in FREQ_GRADS:
            raise ValueError(
                f"SinusoidalBank: freq_grad must be {', '.join(FREQ_GRADS)}, got {freq_grad!r}"
            )
        self.n_sinusoids, self.sample_rate, self.hop_length = n_sinusoids, sample_rate, hop_length
        self.amp_scale_fn, self.freq_scale_fn = amp_scale_fn, freq_scale_fn
        self.freq_grad = freq_grad

    def get_controls(self, amplitudes: Tensor, frequencies: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        """Amplitudes, 0 above half the sample rate, and frequencies in Hz, both (b, f, k)."""
        if self.amp_scale_fn is not None:
            amplitudes = self.amp_scale_fn(amplitudes)
        if self.freq_scale_fn is not None:
            frequencies = self.freq_scale_fn(frequencies)
        amplitudes = remove_above_nyquist(amplitudes, frequencies, self.sample_rate)
        return {"amplitudes": amplitudes, "frequencies_hz": frequencies}

    def step(
        self,
        amplitudes: Tensor,
        frequencies_hz: Tensor,
        num_samples: int | None = None,
        *,
        start: int = 0,
        state: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Sound (b, 1, t) of amplitudes and frequencies (b, f, k), and the phases (b, k) after it.

        Arguments as of `HarmonicOscillator.step`. Frequencies above half the sample rate alias
        here; `get_controls` silences them.
        """
        check_frames(
            "SinusoidalBank",
            signed=("frequencies_hz",),
            amplitudes=amplitudes,
            frequencies_hz=frequencies_hz,
        )
        heard = frequencies_hz if self.freq_grad == "true" else frequencies_hz.detach()
        turns = heard.double().mT / self.sample_rate
        y, after = ops.sinusoids(
            turns, amplitudes.mT, num_samples, hop=self.hop_length, start=start, phase=state
        )
        if self.freq_grad in ("surrogate", "transport"):
            y = pulled(y, frequencies_hz / self.sample_rate, self.hop_length, start, self.freq_grad)
        return y[:, None], after
