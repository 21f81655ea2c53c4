"""More sounds out of few: another speed, level or polarity, and two at once; drawn by number."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dspcore.errors import UserError


@dataclass
class AugmentConfig:
    """What is done to clips that are learnt from, never to those that validate.

    Attributes:
        speed_octaves: A clip is played faster or slower by up to so much; pitch and length change.
        gain_db: And up to so much louder or softer.
        polarity: Half of the clips are turned over.
        mix: Share of the clips that another one of the batch is added to.
    """

    speed_octaves: float = 0.0
    gain_db: float = 0.0
    polarity: bool = False
    mix: float = 0.0

    def __post_init__(self) -> None:
        """Checks."""
        if self.speed_octaves < 0 or self.gain_db < 0 or not 0 <= self.mix <= 1:
            raise UserError(
                "augment: speed_octaves and gain_db must be 0 or more and mix from 0 to 1, got "
                f"{self.speed_octaves}, {self.gain_db} and {self.mix}"
            )


def augmented(batch: dict[str, Tensor], config: AugmentConfig, seed: int) -> dict[str, Tensor]:
    """A batch of clips with what `config` says done to it; the same seed does the same.

    Args:
        batch: audio (b, c, t), length (b,), index (b,).
        config: What is done.
        seed: Of the draw.
    """
    draw = torch.Generator().manual_seed(seed)
    audio, length = batch["audio"], batch["length"]
    b, _, t = audio.shape
    octaves, decibels, signs, mixed = torch.rand(4, b, generator=draw).unbind()
    if config.speed_octaves:
        made, lengths = [], []
        for sound, n, octave in zip(audio, length.tolist(), octaves.tolist(), strict=True):
            speed = 2.0 ** (config.speed_octaves * (2 * octave - 1))
            samples = max(1, round(n / speed))
            moved = resampled(sound[:, :n], samples)[:, :t]
            made.append(functional.pad(moved, (0, t - moved.shape[1])))
            lengths.append(min(samples, t))
        audio, length = torch.stack(made), torch.tensor(lengths)
    if config.mix and b > 1:
        other = config.mix > mixed
        added = torch.where(other[:, None, None], audio.roll(1, 0), 0.0)
        length = torch.where(other, torch.maximum(length, length.roll(1)), length)
        audio = audio + added
    gain = 10 ** (config.gain_db * (2 * decibels - 1) / 20)
    if config.polarity:
        gain = torch.where(signs < 0.5, -gain, gain)
    return {**batch, "audio": audio * gain[:, None, None], "length": length}


def resampled(sound: Tensor, samples: int) -> Tensor:
    """All of a sound (c, n) in another number of samples, band-limited, by its spectrum.

    Silence is added behind it for the ringing of its ends to fall into.
    """
    n = sound.shape[1]
    padded = n + max(256, n // 8)
    padded += -padded % 256
    longer = max(2, 2 * round(padded * samples / n / 2))
    spectrum = torch.fft.rfft(sound, padded)
    made = torch.fft.irfft(spectrum, longer) * (longer / padded)
    return made[:, :samples]
