"""How what is heard in two sounds becomes one: (b, d) and (b, d) to (b, e)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dspcore.errors import UserError, nearest
from dspcore.style.pair_encoder import PairEncoder


class Pairing(nn.Module):
    """Side by side, the difference, both, the reference steering the input (FiLM), or a latent.

    Args:
        kind: One of `KINDS`.
        dims: Of each of the two.
        pair_encoder: That of the encoder, for "vae"; frozen, and no part of this module's weights.

    Source:
        Difference: D. Sheng, G. Fazekas, "A feature learning siamese model for intelligent control
        of the dynamic range compressor", IJCNN 2019. FiLM: E. Perez et al., AAAI 2018.
    """

    KINDS = ("concat", "diff", "concat+diff", "film", "vae")

    def __init__(self, kind: str, dims: int, pair_encoder: PairEncoder | None = None) -> None:
        super().__init__()
        if kind not in self.KINDS:
            raise UserError(f"style: no pairing {kind!r}; {nearest(kind, self.KINDS)}")
        if kind == "vae" and pair_encoder is None:
            raise UserError(
                "style: the pairing 'vae' needs an encoder with a pair encoder; make one: "
                "dspcore style pretrain --pairing vae"
            )
        self.kind = kind
        self._latent: tuple[PairEncoder, ...] = () if pair_encoder is None else (pair_encoder,)
        self.dims = {"concat": 2, "diff": 1, "concat+diff": 3, "film": 2, "vae": 0}[kind] * dims
        if kind == "vae" and pair_encoder is not None:
            self.dims = pair_encoder.latent
        self.steer = nn.Linear(dims, 2 * dims) if kind == "film" else None

    def forward(self, dry: Tensor, reference: Tensor) -> Tensor:
        """(b, d) of each to (b, dims)."""
        if self.kind == "concat":
            return torch.cat([dry, reference], dim=1)
        if self.kind == "diff":
            return reference - dry
        if self.kind == "vae":
            return self._latent[0](dry, reference)
        if self.steer is None:
            return torch.cat([dry, reference, reference - dry], dim=1)
        scale, shift = self.steer(reference).chunk(2, dim=1)
        return torch.cat([dry * (1 + scale) + shift, reference - dry], dim=1)
