"""How what is heard in two sounds becomes one: (b, d) and (b, d) to (b, e)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dspcore.errors import UserError, nearest


class Pairing(nn.Module):
    """Side by side, the difference, both, or the reference steering the input (FiLM).

    Args:
        kind: One of `KINDS`.
        dims: Of each of the two.

    Source:
        Difference: D. Sheng, G. Fazekas, "A feature learning siamese model for intelligent control
        of the dynamic range compressor", IJCNN 2019. FiLM: E. Perez et al., AAAI 2018.
    """

    KINDS = ("concat", "diff", "concat+diff", "film")

    def __init__(self, kind: str, dims: int) -> None:
        super().__init__()
        if kind not in self.KINDS:
            raise UserError(f"style: no pairing {kind!r}; {nearest(kind, self.KINDS)}")
        self.kind = kind
        self.dims = {"concat": 2, "diff": 1, "concat+diff": 3, "film": 2}[kind] * dims
        self.steer = nn.Linear(dims, 2 * dims) if kind == "film" else None

    def forward(self, dry: Tensor, reference: Tensor) -> Tensor:
        """(b, d) of each to (b, dims)."""
        if self.kind == "concat":
            return torch.cat([dry, reference], dim=1)
        if self.kind == "diff":
            return reference - dry
        if self.steer is None:
            return torch.cat([dry, reference, reference - dry], dim=1)
        scale, shift = self.steer(reference).chunk(2, dim=1)
        return torch.cat([dry * (1 + scale) + shift, reference - dry], dim=1)
