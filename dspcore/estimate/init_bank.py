"""A bank of steady sinusoids to start a sine network from."""

from __future__ import annotations

import torch
from torch import Tensor

from dspcore.estimate import _model
from dspcore.estimate.polish import refine
from dspcore.estimate.result import Estimate


def init_bank(y: Tensor, k: int, *, steps: int = 4) -> Estimate:
    """The `k` steady sinusoids that explain most of a whole clip, found one by one.

    Each is the highest peak of what the ones before left over, moved a few steps to its own
    optimum; at the end all amplitudes are solved for together. Unlike `nomp`, the frequencies are
    not refined jointly, so hundreds of components on seconds of sound take seconds.

    Args:
        y: Clips, (b, t) or (t,).
        k: How many.
        steps: Least-squares steps of each new component.
    """
    y = _model.checked("init_bank", y, k)
    t = y.shape[1]
    left, parts = y, []
    for _ in range(k):
        f = _model.strongest(left)[0][:, None]
        f, _, _, left = refine(left, f, steps=steps, tolerance=1e-4)
        parts.append(f)
    f = torch.cat(parts, 1)
    return _model.finish(t, f, _model.amplitudes(y, _model.columns(f, t)))
