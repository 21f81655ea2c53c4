"""A learnt curve for samples: a frequency or a gate that the target goes through, too."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WARPS = ("sine", "gate")


class Warp(nn.Module):
    """``sin(c x)``, or the gate of a wave tree ``sigmoid(c (x - tau))``, with c (and tau) learnt.

    For `dspcore.losses.Warped`: what the model made and what is wanted go through the same curve.

    Args:
        kind: sine or gate.
        c: At the start.
        tau: At the start, of a gate.
    """

    def __init__(self, kind: str = "sine", c: float = 1.0, tau: float = 0.0) -> None:
        """One parameter, two of a gate."""
        super().__init__()
        if kind not in WARPS:
            raise ValueError(f"Warp: kind must be {' or '.join(WARPS)}, got {kind!r}")
        self.kind = kind
        self.frequency = nn.Parameter(torch.tensor(float(c)))
        self.threshold = nn.Parameter(torch.tensor(float(tau))) if kind == "gate" else None

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same."""
        if self.threshold is None:
            return torch.sin(self.frequency * x)
        return torch.sigmoid(self.frequency * (x - self.threshold))
