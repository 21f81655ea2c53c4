"""How loud audio sounds: integrated loudness by ITU-R BS.1770-4, in LUFS, block by block."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

#: Loudness of a mean square of 1 after K-weighting.
OFFSET = -0.691
#: Blocks below this loudness are silence (LUFS), and those this far below the rest are pauses (LU).
ABSOLUTE_GATE = -70.0
RELATIVE_GATE = -10.0

#: Weights by number of channels, in the order of WAV: 5 is L R C Ls Rs, 6 has the LFE, which does
#: not count, before the surrounds. Every other number of channels counts each channel alike.
WEIGHTS = {5: [1.0, 1.0, 1.0, 1.41, 1.41], 6: [1.0, 1.0, 1.0, 0.0, 1.41, 1.41]}


class LoudnessMeter:
    """Measures integrated loudness while audio passes in blocks of any size.

    Keeps one number for every 100 ms. Audio shorter than a gating block (400 ms) counts as one
    block that ends in silence.

    Args:
        sample_rate: In Hz.
        channels: Of the audio; see `WEIGHTS`.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.sample_rate = sample_rate
        self._sos = k_weighting(sample_rate)
        self._weights = torch.tensor(WEIGHTS.get(channels, [1.0] * channels), dtype=torch.float64)
        self._state: Tensor | None = None
        self._energies = [0.0]  # of every 100 ms, the last one still open
        self._samples = 0

    def add(self, block: Tensor) -> None:
        """Hear the next block, (c, t)."""
        from dspcore import ops

        filtered, self._state = ops.sosfilt(block[None], self._sos, self._state)
        power = (self._weights @ filtered[0].double().square()).numpy()
        start, self._samples = self._samples, self._samples + block.shape[-1]
        first = len(self._energies)
        last = self._samples * 10 // self.sample_rate
        cuts = [-(-i * self.sample_rate // 10) - start for i in range(first, last + 1)]
        sums = [float(part.sum()) for part in np.split(power, cuts)]
        self._energies[-1] += sums[0]
        self._energies.extend(sums[1:])

    def integrated(self) -> float:
        """The loudness of all that was heard, in LUFS; minus infinity for silence."""
        energies = np.array(self._energies[:-1])  # the open one is not complete
        if len(energies) < 4:
            energies = np.array([sum(self._energies), 0.0, 0.0, 0.0])
        power = np.convolve(energies, np.ones(4), "valid") / (0.4 * self.sample_rate)
        power = power[power > _power(ABSOLUTE_GATE)]
        if len(power):
            power = power[power > power.mean() * 10 ** (RELATIVE_GATE / 10)]
        return OFFSET + 10 * math.log10(power.mean()) if len(power) else -math.inf


def loudness(audio: Tensor, sample_rate: int) -> float:
    """Integrated loudness of audio (c, t) in LUFS; minus infinity for silence."""
    meter = LoudnessMeter(sample_rate, audio.shape[0])
    meter.add(audio)
    return meter.integrated()


def k_weighting(sample_rate: int) -> Tensor:
    """Second-order sections (2, 6) of the K-weighting: a shelf for the head, then a high-pass.

    BS.1770-4 tabulates them at 48 kHz; these formulas give its numbers there and the same analogue
    filters at other rates (B. De Man, "Evaluation of implementations of the EBU R128 loudness
    measurement", AES 145, 2018).
    """
    k = math.tan(math.pi * 1681.9744509555319 / sample_rate)
    q, high = 0.7071752369554193, 10 ** (3.99984385397 / 20)
    middle = high**0.499666774155
    norm = 1 + k / q + k * k
    shelf = [
        (high + middle * k / q + k * k) / norm,
        2 * (k * k - high) / norm,
        (high - middle * k / q + k * k) / norm,
        1.0,
        2 * (k * k - 1) / norm,
        (1 - k / q + k * k) / norm,
    ]
    k, q = math.tan(math.pi * 38.13547087613982 / sample_rate), 0.5003270373253953
    norm = 1 + k / q + k * k
    highpass = [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm]
    return torch.tensor([shelf, highpass], dtype=torch.float64)


def _power(lufs: float) -> float:
    return 10.0 ** ((lufs - OFFSET) / 10)
