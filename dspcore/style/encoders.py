"""What is heard in a sound: (b, c, t) to (b, d), frozen, and known by a hash of all of it."""

from __future__ import annotations

import hashlib
import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from dspcore import registry
from dspcore.errors import UserError
from dspcore.style.metrics import mel_bank
from dspcore.style.pair_encoder import PairEncoder
from dspcore.train import Checkpoint

#: Powers below this count alike: -100 dB for a sine at full scale.
_FLOOR = 1e-10


class Encoder(nn.Module):
    """Base of all: a subclass says its options, and computes `features`.

    After `freeze` it stays as it is: `train` leaves it in eval mode (batch statistics too), and no
    parameter has a gradient. What it gives for an item depends on no other item.

    Args:
        sample_rate: Of what it hears, in Hz.
        options: Kept with it, and part of its hash.
    """

    #: As the registry has it.
    name: ClassVar[str] = "encoder"
    #: Least length of a sound, in seconds.
    shortest_s: ClassVar[float] = 0.1
    #: What makes one latent of two sounds' features, for the pairing "vae", where it has learnt.
    pair_encoder: PairEncoder | None

    def __init__(self, sample_rate: int, **options: Any) -> None:
        super().__init__()
        self.sample_rate, self.options, self.frozen = int(sample_rate), options, False
        self.pair_encoder = None

    def features(self, sound: Tensor) -> Tensor:
        """(b, c, t), long enough, to (b, d)."""
        raise NotImplementedError

    def forward(self, sound: Tensor) -> Tensor:
        """(b, c, t) to (b, d).

        Raises:
            UserError: The sound is shorter than what the encoder listens to, or silent throughout.
        """
        shortest = round(self.shortest_s * self.sample_rate)
        if sound.shape[-1] < shortest:
            raise UserError(
                f"style: the encoder {self.name!r} listens to {self.shortest_s:g} s at least, got "
                f"{sound.shape[-1] / self.sample_rate:.3f} s; give a longer recording, or repeat it"
            )
        return self.features(sound)

    @torch.no_grad()
    def embed(self, sound: Tensor, at_once: int = 32) -> Tensor:
        """`forward` in parts and without gradient, always in eval mode."""
        before = self.training
        nn.Module.train(self, False)
        out = torch.cat([self(part.float()) for part in sound.split(at_once)])
        nn.Module.train(self, before)
        return out

    def train(self, mode: bool = True) -> Self:
        """As of every module, but for a frozen encoder, which stays in eval mode."""
        return super().train(mode and not self.frozen)

    def freeze(self) -> Self:
        """No gradient and eval mode from now on, whatever the modules around it are told."""
        self.frozen = True
        self.requires_grad_(False)
        return self.train(False)

    def digest(self) -> str:
        """A name for the kind, the sample rate, the options, and every weight and buffer."""
        facts = [self.name, self.sample_rate, self.options]
        digest = hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=8)
        for name, value in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights and options as safetensors."""
        facts = {"encoder": self.name, "sample_rate": self.sample_rate, "options": self.options}
        if self.pair_encoder is not None:
            facts["pair_encoder"] = self.pair_encoder.options
        Checkpoint(dict(self.state_dict()), facts).save(Path(path))


def load_encoder(path: str | os.PathLike[str]) -> Encoder:
    """The encoder of a file that `Encoder.save` wrote, frozen.

    Raises:
        UserError: It cannot be read, or is none.
    """
    file = Checkpoint.load(Path(path))
    if "encoder" not in file.state:
        raise UserError(f"{path}: is no encoder of dspcore; `dspcore style pretrain` writes one")
    made = make_encoder(file.state["encoder"], file.state["sample_rate"], **file.state["options"])
    if file.state.get("pair_encoder"):
        made.pair_encoder = PairEncoder(**file.state["pair_encoder"])
    made.load_state_dict(file.tensors)
    return made.freeze()


def make_encoder(name: str, sample_rate: int, **options: Any) -> Encoder:
    """An encoder by the name it is registered under: logmel, statistics, conv, vae."""
    kind = registry.get("encoders", name)
    try:
        made: Encoder = kind(sample_rate, **options)
    except TypeError as error:
        raise UserError(f"style: the encoder {name!r}: {error}") from error
    return made


class LogMel(Encoder):
    """Mean of the mel spectrum in dB over time: the baseline to beat; no weights.

    Args:
        sample_rate: In Hz.
        bands: On the mel scale.
    """

    name = "logmel"

    def __init__(self, sample_rate: int, bands: int = 64) -> None:
        super().__init__(sample_rate, bands=bands)
        self.fft_size = 2 ** round(torch.tensor(0.046 * sample_rate).log2().item())
        bank = mel_bank(self.sample_rate, self.fft_size, bands)
        self.register_buffer("bank", bank, persistent=False)
        self.register_buffer("window", torch.hann_window(self.fft_size), persistent=False)
        self.bank: Tensor
        self.window: Tensor

    def spectrogram(self, sound: Tensor) -> Tensor:
        """Power in mel bands in tens of dB, (b, bands, frames), channels averaged."""
        n = self.fft_size
        flat = sound.float().flatten(0, 1)
        spectrum = torch.stft(
            flat, n, n // 4, window=self.window, center=False, return_complex=True
        )
        power = spectrum.real.square() + spectrum.imag.square()
        power = power.unflatten(0, sound.shape[:2]).mean(1) / self.window.sum().square()
        return (self.bank @ power).clamp(min=_FLOOR).log10()

    def features(self, sound: Tensor) -> Tensor:
        """(b, bands)."""
        return self.spectrogram(sound).mean(2)


class Statistics(LogMel):
    """How the mel spectrum is spread over time, how fast it moves, and echoes; no weights.

    Of every band: mean, deviation, quantiles, mean rise and fall between frames. Of the loudness:
    its modulation spectrum. Of the waveform: how much it repeats after up to half a second, in
    steps that widen. Of all: crest factors.
    """

    name = "statistics"
    shortest_s = 0.2

    def features(self, sound: Tensor) -> Tensor:
        """(b, 8 bands + 96)."""
        mel = self.spectrogram(sound)
        step = mel.diff(dim=2)
        spread = torch.quantile(mel, torch.tensor([0.05, 0.5, 0.95]).to(mel), dim=2)
        parts = [
            mel.mean(2),
            mel.std(2),
            *spread,
            step.clamp(min=0).mean(2),
            step.clamp(max=0).mean(2),
            (mel.mean(2) - mel.mean((1, 2), keepdim=False)[:, None]),
            self._modulation(mel),
            self._echoes(sound),
            self._crests(sound),
        ]
        return torch.cat(parts, dim=1)

    def _modulation(self, mel: Tensor) -> Tensor:
        """Spectrum of the level's movement in 24 bands, in tens of dB, (b, 24)."""
        level = mel.mean(1)
        level = level - level.mean(1, keepdim=True)
        spectrum = torch.fft.rfft(level, 512).abs().square()[:, 1:193]
        return (spectrum.unflatten(1, (24, 8)).mean(2) + 1e-6).log10()

    def _echoes(self, sound: Tensor) -> Tensor:
        """Correlation of the whitened waveform with itself, largest in 64 ranges of lags."""
        mono = sound.float().mean(1)
        n = 1 << (2 * mono.shape[1] - 1).bit_length()
        spectrum = torch.fft.rfft(mono, n)
        power = spectrum.abs().square()
        smooth = _mean_around(power, 256)
        repeats = torch.fft.irfft(power / (smooth + 1e-9), n)
        repeats = repeats / repeats[:, :1].clamp(min=1e-9)
        edges = torch.logspace(-3.5, -0.31, 65) * self.sample_rate
        cuts = [min(int(edge), repeats.shape[1] - 2) for edge in edges]
        found = [repeats[:, a : max(b, a + 1)].amax(1) for a, b in pairwise(cuts)]
        return torch.stack(found, dim=1)

    def _crests(self, sound: Tensor) -> Tensor:
        """Levels, peak and rms of the whole and crest of short windows, in tens of dB, (b, 8)."""
        mono = sound.float().mean(1)
        blocks = mono.unfold(1, self.fft_size, self.fft_size)
        rms = blocks.square().mean(2).clamp(min=_FLOOR).log10()
        peaks = blocks.abs().amax(2).square().clamp(min=_FLOOR).log10()
        crest = peaks - rms
        flat = [mono.square().mean(1).clamp(min=_FLOOR).log10(), peaks.amax(1), rms.amax(1)]
        flat += [crest.mean(1), crest.std(1), crest.amax(1), rms.std(1)]
        wide = (sound[:, 0] - sound[:, -1]).float().square().mean(1)
        return torch.stack([*flat, (wide + 1e-6).log10()], dim=1)


def _mean_around(values: Tensor, reach: int) -> Tensor:
    """Mean of each of (b, n) and `reach` on both sides of it, as far as there are, by sums once."""
    total = nn.functional.pad(values.double().cumsum(1), (1, 0))
    place = torch.arange(values.shape[1], device=values.device)
    first, last = (place - reach).clamp(min=0), (place + reach + 1).clamp(max=len(place))
    return ((total[:, last] - total[:, first]) / (last - first)).clamp(min=0).to(values)


for _kind in (LogMel, Statistics):
    registry.register("encoders", _kind.name, _kind)
registry.register("encoders", "conv", "dspcore.style.convolutional:Conv")
registry.register("encoders", "vae", "dspcore.style.convolutional:Vae")
