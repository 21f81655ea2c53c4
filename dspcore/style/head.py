"""The small network h of one effect: what is heard in two sounds to settings in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from dspcore.style.pair_encoder import PairEncoder
from dspcore.style.pairing import Pairing


class Head(nn.Module):
    """Standardises, pairs, and predicts; starts at the middle of every range.

    Args:
        dims: Of the encoder's features.
        num_params: Of the effect.
        pairing: As `Pairing` names them.
        hidden: Widths of the layers between.
        dropout: Share of the inputs that is left out while training.
        pair_encoder: Of the encoder, for the pairing "vae".
    """

    def __init__(
        self,
        dims: int,
        num_params: int,
        pairing: str = "concat+diff",
        hidden: Sequence[int] = (128, 64),
        dropout: float = 0.1,
        pair_encoder: PairEncoder | None = None,
    ) -> None:
        super().__init__()
        self.dims = dims
        self.pairing = Pairing(pairing, dims, pair_encoder)
        self.register_buffer("mean", torch.zeros(self.pairing.dims))
        self.register_buffer("deviation", torch.ones(self.pairing.dims))
        self.mean: Tensor
        self.deviation: Tensor
        sizes = [self.pairing.dims, *hidden]
        layers: list[nn.Module] = [nn.Dropout(dropout)]
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.LayerNorm(after), nn.GELU()]
        last = nn.Linear(sizes[-1], num_params)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*layers, last)

    def standardise(self, dry: Tensor, reference: Tensor) -> None:
        """Take mean and deviation of these, once, so that no batch counts later."""
        with torch.no_grad():
            paired = self.pairing(dry, reference)
        self.mean.copy_(paired.mean(0))
        self.deviation.copy_(paired.std(0, unbiased=False).clamp(min=1e-4))

    def start_at(self, p: Tensor) -> None:
        """Say one setting (num_params,) whatever is heard, until it is trained."""
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.weight.zero_()
            last.bias.copy_(torch.logit(p.float().clamp(0.02, 0.98)))

    def forward(self, dry: Tensor, reference: Tensor) -> Tensor:
        """Features (b, d) of each to settings (b, num_params)."""
        paired = (self.pairing(dry, reference) - self.mean) / self.deviation
        return torch.sigmoid(self.layers(paired.clamp(-6.0, 6.0)))
