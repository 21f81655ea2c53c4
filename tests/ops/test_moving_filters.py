"""What is true of the sound of the filters whose parameters move."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dspcore import ops


def response(y: Tensor, turns: float) -> complex:
    """Of an impulse response (1, 1, t), at `turns` cycles per sample."""
    time = torch.arange(y.shape[-1], dtype=torch.float64)
    return complex((y[0, 0] * torch.exp(-2j * math.pi * turns * time)).sum())


def impulse(length: int = 20_000) -> Tensor:
    return torch.nn.functional.pad(torch.ones(1, 1, 1, dtype=torch.float64), (0, length - 1))


@pytest.mark.parametrize(
    ("mode", "at_zero", "at_corner", "at_nyquist"),
    [
        ("lowpass", 1.0, 3.0, 0.0),
        ("highpass", 0.0, 3.0, 1.0),
        ("bandpass", 0.0, 1.0, 0.0),
        ("notch", 1.0, 0.0, 1.0),
        ("peak", 1.0, 6.0, 1.0),
        ("allpass", 1.0, 1.0, 1.0),
        ((1.0, 4.0, 1.0), 1.0, 4.0, 1.0),
    ],
)
def test_svf_has_the_gain_its_mode_names(
    mode: str, at_zero: float, at_corner: float, at_nyquist: float
) -> None:
    y, _ = ops.svf(impulse(), 0.013, 3.0, mode)
    found = [abs(response(y, f)) for f in (0.0, 0.013, 0.5)]
    assert found == pytest.approx([at_zero, at_corner, at_nyquist], abs=1e-9)


def test_svf_stands_still_when_its_corner_jumps_on_a_constant() -> None:
    """A low-pass that has settled holds its output, whatever its corner does."""
    x = torch.ones(1, 1, 4_000, dtype=torch.float64)
    _, settled = ops.svf(x, 0.1, 0.7)
    cutoff = 0.001 + 0.4 * torch.rand(1, 1, 4_000, dtype=torch.float64)
    y, _ = ops.svf(x, cutoff, 0.7, state=settled)
    assert (y - 1).abs().max() < 1e-12


@pytest.mark.parametrize(
    ("mode", "at_zero", "at_nyquist"), [("lowpass", 1, None), ("highpass", 0, 1)]
)
def test_onepole_passes_its_side(mode: str, at_zero: float, at_nyquist: float | None) -> None:
    y, _ = ops.onepole(impulse(), 0.9, mode)
    assert abs(response(y, 0.0)) == pytest.approx(at_zero, abs=1e-9)
    if at_nyquist is not None:
        assert abs(response(y, 0.5)) == pytest.approx(at_nyquist, abs=1e-9)


def test_onepole_corners_lie_where_the_docstring_puts_them() -> None:
    f = 0.05
    pole = (1 - math.tan(math.pi * f)) / (1 + math.tan(math.pi * f))
    high, around = (ops.onepole(impulse(), pole, mode)[0] for mode in ("highpass", "allpass"))
    assert abs(response(high, f)) == pytest.approx(math.sqrt(0.5), abs=1e-9)
    turn = response(around, f)
    assert turn / abs(turn) == pytest.approx(-1j, abs=1e-9)
    assert abs(turn) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("mode", ["lowpass", "highpass", "allpass"])
def test_onepole_in_float32_keeps_a_corner_of_a_hertz(mode: str) -> None:
    x = torch.randn(2, 1, 48_000, dtype=torch.float64)
    pole = math.exp(-2 * math.pi / 48_000)
    exact, rounded = ops.onepole(x, pole, mode)[0], ops.onepole(x.float(), pole, mode)[0]
    assert (rounded - exact).abs().max() < 1e-5 * exact.abs().max()


def test_allpass_chain_turns_the_phase_and_nothing_else() -> None:
    f = 0.05
    pole = (1 - math.tan(math.pi * f)) / (1 + math.tan(math.pi * f))
    y, _ = ops.allpass_chain(impulse(), pole, stages=4)
    assert response(y, f) == pytest.approx(1.0, abs=1e-9)  # four times 90 degrees
    assert abs(response(y, 0.2)) == pytest.approx(1.0, abs=1e-9)


def test_allpass_chain_solves_its_loop_without_delay() -> None:
    """``y = H(x + f y)``: the response is H / (1 - f H) at every frequency."""
    plain, _ = ops.allpass_chain(impulse(), 0.7, stages=6)
    looped, _ = ops.allpass_chain(impulse(), 0.7, -0.8, stages=6)
    for turns in (0.0, 0.03, 0.2, 0.5):
        h = response(plain, turns)
        assert response(looped, turns) == pytest.approx(h / (1 + 0.8 * h), abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("b", "c", "t"), [(5, 2, 133), (17, 1, 65), (1, 1, 40), (2, 1, 9)])
def test_sections_for_all_rows_owe_what_all_rows_owe(
    b: int, c: int, t: int, dtype: torch.dtype
) -> None:
    """Rows on the lanes have one gradient together; lanes past the last row add nothing."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(b, c, t, generator=generator, dtype=torch.float64).to(dtype)
    corner = torch.linspace(500.0, 5_000.0, t, dtype=torch.float64)
    sections = [ops.design.lowpass(f, 2.0, sample_rate=48_000.0) for f in corner.tolist()]
    path = torch.stack(sections, -1).reshape(1, 1, 1, 6, t).expand(1, 1, 2, 6, t).contiguous()
    both = []
    for rows in (1, b):
        sos = path.expand(rows, c if rows > 1 else 1, 2, 6, t).clone().requires_grad_()
        y, after = ops.sosfilt(x, sos)
        (gradient,) = torch.autograd.grad((y * y).sum() + after.sum(), sos)
        both.append((y.detach(), gradient.sum((0, 1))))
    assert torch.equal(both[0][0], both[1][0])
    peak = both[1][1].abs().max()
    assert (both[0][1] - both[1][1]).abs().max() < 1e-10 * peak


def test_second_derivatives_of_sections_for_all_rows() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3, 1, 12, generator=generator, dtype=torch.float64).requires_grad_()
    low = ops.design.lowpass(3_000.0, 1.0, sample_rate=48_000.0).double().reshape(1, 1, 1, 6, 1)
    sos = low.expand(1, 1, 1, 6, 12).clone().requires_grad_()

    def filtered(x: Tensor, sos: Tensor) -> Tensor:
        return ops.sosfilt(x, sos)[0]

    assert torch.autograd.gradcheck(filtered, (x, sos), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(filtered, (x, sos))
