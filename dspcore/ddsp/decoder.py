"""From fundamental and loudness to the controls of a harmonic and a noise synthesiser."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Decoder(nn.Module):
    """Two multi-layer perceptrons, a GRU, another perceptron, and a projection, as in the paper.

    Args:
        outputs: How many numbers a frame gets.
        hidden: Width of all layers; 512 in the paper.

    Source: J. Engel et al., "DDSP: Differentiable Digital Signal Processing", ICLR 2020, B.2.
    """

    def __init__(self, outputs: int, hidden: int = 128) -> None:
        super().__init__()
        self.pitch, self.loud = _perceptron(1, hidden), _perceptron(1, hidden)
        self.memory = nn.GRU(2 * hidden, hidden, batch_first=True)
        self.mix = _perceptron(3 * hidden, hidden)
        self.out = nn.Linear(hidden, outputs)

    def forward(
        self, f0_hz: Tensor, loudness_db: Tensor, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Outputs (b, f, outputs), and the memory after them, (1, b, hidden).

        Args:
            f0_hz: (b, f).
            loudness_db: (b, f), -80 and above.
            state: As the call before returned it.
        """
        # MIDI number over 127, and 0 to 1 for -80 to 0 dB.
        pitch = (69 + 12 * torch.log2(f0_hz.clamp(min=8.0) / 440)) / 127
        x = torch.cat(
            [self.pitch(pitch[..., None]), self.loud(1 + loudness_db[..., None] / 80)], -1
        )
        remembered, after = self.memory(x, state)
        return self.out(self.mix(torch.cat([x, remembered], -1))), after


def _perceptron(inputs: int, hidden: int, layers: int = 3) -> nn.Sequential:
    parts: list[nn.Module] = []
    for i in range(layers):
        parts += [nn.Linear(inputs if i == 0 else hidden, hidden), nn.LayerNorm(hidden)]
        parts += [nn.LeakyReLU()]
    return nn.Sequential(*parts)
