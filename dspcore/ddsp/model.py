"""The DDSP decoder: fundamental and loudness in, harmonics, noise and a room out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dspcore import ops
from dspcore.ddsp.decoder import Decoder
from dspcore.ddsp.reverb import LearnedReverb
from dspcore.errors import UserError, checking_values
from dspcore.synth import FilteredNoise, HarmonicOscillator


@dataclass
class ModelConfig:
    """What a decoder is made of.

    Attributes:
        sample_rate: In Hz.
        hop_length: Samples from frame to frame.
        harmonics: Of the tone.
        bands: Of the noise.
        hidden: Width of the network; 512 in the paper.
        reverb_seconds: Length of the learnt room; 0 for none.
    """

    sample_rate: int = 16_000
    hop_length: int = 160
    harmonics: int = 60
    bands: int = 65
    hidden: int = 128
    reverb_seconds: float = 0.3


class DDSP(nn.Module):
    """``audio = model(f0_hz, loudness_db)``: (b, f) each, to (b, 1, f * hop_length).

    Also remembers what it was trained on, for `transfer`: the median pitch, and mean and spread of
    the loudness where there is sound.

    Source: J. Engel, L. Hantrakul, C. Gu, A. Roberts, "DDSP: Differentiable Digital Signal
    Processing", ICLR 2020: the solo instrument decoder.
    """

    def __init__(self, config: ModelConfig | None = None) -> None:
        super().__init__()
        self.config = c = config or ModelConfig()
        if min(c.sample_rate, c.hop_length, c.harmonics, c.hidden) < 1 or c.bands < 2:
            raise UserError(f"ddsp: sizes must be positive, got {c}")
        self.decoder = Decoder(1 + c.harmonics + c.bands, c.hidden)
        self.harmonic = HarmonicOscillator(c.harmonics, c.sample_rate, c.hop_length)
        self.noise = FilteredNoise(c.bands, 2 * c.bands, c.sample_rate, c.hop_length)
        self.reverb = (
            LearnedReverb(c.reverb_seconds, c.sample_rate) if c.reverb_seconds > 0 else None
        )
        #: Median fundamental in Hz, mean and standard deviation of the loudness in dB.
        self.register_buffer("heard", torch.tensor([220.0, -25.0, 8.0]))
        self.heard: Tensor

    def controls(
        self, f0_hz: Tensor, loudness_db: Tensor, state: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Controls by name, (b, f, k) each, and the memory of the network after them."""
        self._check(f0_hz, loudness_db)
        out, after = self.decoder(f0_hz, loudness_db, state)
        level, shares, bands = out.split([1, self.config.harmonics, self.config.bands], -1)
        tone = self.harmonic.get_controls(level, shares, f0_hz[..., None])
        return {**tone, **self.noise.get_controls(bands)}, after

    def forward(self, f0_hz: Tensor, loudness_db: Tensor, *, room: bool = True) -> Tensor:
        """Sound (b, 1, f * hop_length).

        Args:
            f0_hz: (b, f).
            loudness_db: A-weighted, as `dspcore.ddsp.loudness` measures it, (b, f).
            room: Whether the learnt room is heard.
        """
        return self.sound(self.controls(f0_hz, loudness_db)[0], room=room)

    def sound(self, controls: dict[str, Tensor], *, room: bool = True) -> Tensor:
        """Sound (b, 1, t) of what `controls` returns, or of others by the same names."""
        parts = self.parts(controls)
        dry = parts["harmonic"] + parts["noise"]
        return dry if self.reverb is None or not room else self.reverb(dry)

    def parts(self, controls: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tone and the noise, each (b, 1, t), before the room."""
        tone = self.harmonic.get_signal(
            controls["amplitudes"], controls["harmonic_distribution"], controls["f0_hz"]
        )
        return {"harmonic": tone, "noise": self.noise.get_signal(controls["magnitudes"])}

    def stream(self, block: int | None = None) -> Stream:
        """Open a `Stream`: frames in as they come, sound out."""
        return Stream(self, block)

    def _check(self, f0_hz: Tensor, loudness_db: Tensor) -> None:
        if f0_hz.ndim != 2 or f0_hz.shape != loudness_db.shape or not f0_hz.numel():
            raise ValueError(
                "ddsp: f0_hz and loudness_db must both be (b, frames), got "
                f"{tuple(f0_hz.shape)} and {tuple(loudness_db.shape)}"
            )
        if checking_values() and not bool(torch.isfinite((f0_hz + loudness_db).detach().sum())):
            raise ValueError("ddsp: f0_hz or loudness_db has NaN or infinite values")


class Stream:
    """Plays frame by frame, without gradients: ``sound = stream(f0_hz, loudness_db)``.

    Each call takes one frame, (b,) and (b,), and returns the `hop_length` samples that lead to it
    from the frame before: one hop later than `DDSP.forward`, and otherwise the same. The first call
    returns silence.

    Args:
        model: What plays.
        block: Samples of a partition of the room's response, which adds no delay; a hop, 512 at
            least, when left out.
    """

    def __init__(self, model: DDSP, block: int | None = None) -> None:
        self.model, self.frame = model, 0
        self.memory: Tensor | None = None
        self.phase: Tensor | None = None
        self.before: tuple[Tensor, Tensor, Tensor] | None = None
        hop = model.config.hop_length
        self.way = torch.arange(hop, device=model.heard.device) / hop
        self.room: ops.Partitioned | None = None
        self.tail: ops.PartitionState | None = None
        if model.reverb is not None:
            response = model.reverb.masked().detach()
            self.room = ops.Partitioned(response, block=block or max(hop, 512))

    def __call__(self, f0_hz: Tensor, loudness_db: Tensor) -> Tensor:
        """The next `hop_length` samples, (b, 1, hop_length)."""
        with torch.no_grad():
            controls, self.memory = self.model.controls(
                f0_hz[:, None], loudness_db[:, None], self.memory
            )
            return self.play(**controls)

    def play(
        self, amplitudes: Tensor, harmonic_distribution: Tensor, f0_hz: Tensor, magnitudes: Tensor
    ) -> Tensor:
        """As calling it, with the controls themselves, (b, 1, k) each."""
        model, hop = self.model, self.model.config.hop_length
        turns = f0_hz[..., 0].double() / model.config.sample_rate
        now = (turns, (amplitudes * harmonic_distribution).mT, model.noise.taps(magnitudes))
        before, self.before = self.before, now
        if before is None:
            return amplitudes.new_zeros(len(amplitudes), 1, hop)
        turns, each, taps = (torch.cat(pair, -1) for pair in zip(before, now, strict=True))
        tone, self.phase = ops.harmonics(turns, each, hop, hop=hop, phase=self.phase)
        past = taps.shape[2] - 1
        one = taps.new_ones(len(taps), 1)
        white = ops.noise(one, past + hop, model.noise.seed, start=self.frame * hop)
        # Both responses at every sample, directly: for a few samples quicker than transforms.
        both = white[:, 0].unfold(-1, past + 1, 1) @ taps[:, 0].flip(1)
        self.frame += 1
        dry = (tone + torch.lerp(both[..., 0], both[..., 1], self.way))[:, None]
        if self.room is None:
            return dry
        wet, self.tail = self.room(dry, self.tail)
        return dry + wet


def config_of(table: dict[str, Any]) -> ModelConfig:
    """A config from the table of a file; `UserError` names a key that is unknown."""
    known = set(ModelConfig.__dataclass_fields__)
    if unknown := sorted(set(table) - known):
        raise UserError(f"ddsp: the model's config has unknown keys {', '.join(unknown)}")
    return ModelConfig(**table)
