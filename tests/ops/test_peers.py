"""Ops against other people's code that claims the same mathematics: SciPy, torchlpc, torchcomp."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch
from test_records import error_db
from torch import Tensor

from dspcore import ops
from dspcore.ops import design

RATE = 48_000


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def by_scipy(sos: Any, x: Tensor) -> Tensor:
    sections = np.asarray(sos)
    return torch.from_numpy(scipy.signal.sosfilt(sections / sections[:, 3:4], x.numpy()))


@pytest.mark.parametrize(
    "sos",
    [
        pytest.param(scipy.signal.butter(2, 1_000, fs=RATE, output="sos"), id="butter 2"),
        pytest.param(
            scipy.signal.butter(5, 100, "high", fs=RATE, output="sos"), id="butter 5 high"
        ),
        pytest.param(scipy.signal.butter(12, 3_000, fs=RATE, output="sos"), id="butter 12"),
        pytest.param(
            scipy.signal.butter(6, [300, 3_000], "band", fs=RATE, output="sos"), id="butter band"
        ),
        pytest.param(scipy.signal.ellip(7, 0.5, 60, 8_000, fs=RATE, output="sos"), id="ellip 7"),
        pytest.param(scipy.signal.ellip(12, 1, 80, 500, fs=RATE, output="sos"), id="ellip 12"),
        pytest.param(
            scipy.signal.cheby2(8, 40, [900, 1_100], "stop", fs=RATE, output="sos"),
            id="cheby2 stop",
        ),
        pytest.param(design.lowpass(20.0, 10.0, RATE)[None], id="20 Hz, Q 10"),
        pytest.param(design.peak(20.0, 10.0, 12.0, RATE)[None], id="bell at 20 Hz, Q 10"),
        pytest.param(design.allpass(60.0, 5.0, RATE)[None], id="all-pass at 60 Hz"),
    ],
)
def test_float64_sections_are_scipy_s(sos: Any) -> None:
    x = noise(2, 2, 20_000)
    y, _ = ops.sosfilt(x, torch.as_tensor(sos))
    assert error_db(y, by_scipy(sos, x)) < -120.0


@pytest.mark.parametrize("shape", ["lowpass", "highpass", "bandpass", "notch"])
@pytest.mark.parametrize("q", [0.7, 2.0, 10.0])
@pytest.mark.parametrize("cutoff_hz", [20.0, 30.0, 60.0])
def test_float32_stays_near_the_truth_in_the_deep_bass(
    cutoff_hz: float, q: float, shape: str
) -> None:
    """Where a float32 biquad in direct form is 25 to 55 dB from it."""
    sos = getattr(design, shape)(cutoff_hz, q, RATE)[None]
    x = noise(2, 1, RATE // 2).float()
    y, _ = ops.sosfilt(x, sos)
    assert error_db(y, by_scipy(sos, x.double())) < -100.0


@pytest.mark.parametrize(("b_order", "a_order"), [(0, 1), (2, 2), (7, 3), (3, 10), (30, 0)])
def test_lfilter_is_scipy_s_with_its_states(b_order: int, a_order: int) -> None:
    order = max(b_order, a_order)
    b, a = noise(b_order + 1), torch.cat([torch.tensor([1.7]).double(), 0.1 * noise(a_order)])
    x, zi = noise(2, 3, 200), noise(2, 3, order)
    y, zf = ops.lfilter(x, b, a, zi)
    truth, ending = scipy.signal.lfilter(b.numpy(), a.numpy(), x.numpy(), zi=zi.numpy())
    assert error_db(y, torch.from_numpy(truth)) < -250.0
    assert error_db(zf, torch.from_numpy(ending)) < -250.0


def test_lfilter_in_float32_is_exact_at_20_hz() -> None:
    b, a = scipy.signal.butter(2, 20, fs=RATE)
    x = noise(2, 1, RATE // 2).float()
    y, _ = ops.lfilter(x, torch.from_numpy(b), torch.from_numpy(a))
    truth = scipy.signal.lfilter(b, a, x.double().numpy())
    assert error_db(y, torch.from_numpy(truth)) < -130.0


def stable(order: int, rows: int, samples: int) -> Tensor:
    """Coefficients (rows, samples, order) whose magnitudes sum to less than 1, drifting."""
    a = torch.linspace(0, 1, samples, dtype=torch.float64)[:, None]
    a = noise(rows, 1, order) * a + noise(rows, 1, order) * (1 - a)
    return 0.9 * a / a.abs().sum(-1, keepdim=True).clamp(min=1.0)


# numba and torchlpc deprecate parts of themselves while they load.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("order", [1, 2, 22])
def test_allpole_is_torchlpc(order: int) -> None:
    peer = pytest.importorskip("torchlpc")
    x, a, zi = noise(3, 500), stable(order, 3, 500), noise(3, order)
    weight, results = noise(3, 500), []
    for ours in (True, False):
        leaves = [v.clone().requires_grad_() for v in (x, a, zi)]
        if ours:
            y = ops.allpole(leaves[0][:, None], leaves[1].mT[:, None], leaves[2][:, None])[0][:, 0]
        else:
            y = peer.sample_wise_lpc(*leaves)
        results.append([y.detach(), *torch.autograd.grad((y * weight).sum(), leaves)])
    for found, theirs in zip(*results, strict=True):
        assert error_db(found, theirs) < -250.0


@pytest.mark.filterwarnings("ignore")
def test_envelope_is_torchcomp() -> None:
    """Its attack is taken where the input falls below the output, for it follows a gain."""
    core = pytest.importorskip("torchcomp.core")
    x, start = noise(3, 500).abs(), torch.rand(3, dtype=torch.float64)
    attack, release = 0.1 + 0.4 * torch.rand(2, 3, dtype=torch.float64)
    weight, results = noise(3, 500), []
    for ours in (True, False):
        leaves = [v.clone().requires_grad_() for v in (x, attack, release, start)]
        if ours:
            level, up, down, state = (v[:, None] for v in leaves)
            y = ops.envelope(level, up, down, state)[0][:, 0]
        else:
            y = core.compressor_core(leaves[0], leaves[3], leaves[2], leaves[1])
        results.append([y.detach(), *torch.autograd.grad((y * weight).sum(), leaves)])
    for found, theirs in zip(*results, strict=True):
        assert error_db(found, theirs) < -250.0
