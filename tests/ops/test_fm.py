"""FM operators: sidebands, feedback, and who hears whom when."""

from __future__ import annotations

import math

import pytest
import scipy.special
import torch
from torch import Tensor

from dspcore import ops


def play(f: list[float], a: list[float], index: list[list[float]], n: int) -> Tensor:
    """Operators that stand still, from silence."""
    frequencies, amplitudes = (torch.tensor(v, dtype=torch.float64)[None, :, None] for v in (f, a))
    matrix = torch.tensor(index, dtype=torch.float64)
    return ops.fm(frequencies, amplitudes, matrix, n, hop=max(n, 1))[0][0]


def partial(y: Tensor, f: float) -> complex:
    """The amplitude of sin at f, and of cos as the imaginary part, over whole cycles."""
    turns = 2 * math.pi * f * torch.arange(y.shape[0], dtype=torch.float64)
    return complex(2 * (y * turns.sin()).mean(), 2 * (y * turns.cos()).mean())


def test_unconnected_operators_are_sinusoids() -> None:
    f = 0.3 * torch.rand(2, 5, 4, dtype=torch.float64)
    a = torch.randn(2, 5, 4, dtype=torch.float64)
    phase = torch.rand(2, 5, dtype=torch.float64)
    y, (after, _) = ops.fm(f, a, torch.zeros(5, 5), hop=50, state=(phase, torch.zeros(2, 5)))
    expected, last = ops.sinusoids(f, a, hop=50, phase=phase)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-11)
    torch.testing.assert_close(after, last, rtol=0, atol=1e-11)


@pytest.mark.parametrize("depth", [0.3, 2.0, 6.0])
def test_sidebands_are_bessel_functions(depth: float) -> None:
    """Chowning's equation: sin(c + I sin m) has J_n(I) at c + n m."""
    carrier, modulator, n = 1_530 / 8_000, 100 / 8_000, 8_000
    y = play([modulator, carrier], [0.0, 1.0], [[0, 0], [depth, 0]], n)
    for k in range(-12, 13):
        found = partial(y, carrier + k * modulator)
        assert found.real == pytest.approx(scipy.special.jv(k, depth), abs=1e-10)
        assert abs(found.imag) < 1e-10


@pytest.mark.parametrize("depth", [0.3, 0.8])
def test_feedback_makes_a_saw_of_bessel_functions(depth: float) -> None:
    """Of y = sin(p + b y) harmonic n is 2 J_n(n b) / (n b); a sample is little of a slow cycle."""
    n = 96_000
    y = play([1 / n], [1.0], [[depth]], n)
    for k in range(1, 9):
        bent = k * depth
        assert partial(y, k / n).real == pytest.approx(
            2 * scipy.special.jv(k, bent) / bent, abs=1e-3
        )


def test_a_loop_through_an_operator_of_its_own_is_feedback_a_sample_late() -> None:
    """Two operators alike that feed each other: the second is ahead by what the order says."""
    f, depth, n = 0.01, 0.7, 300
    y = play([f, f], [1.0, 0.0], [[0, depth], [depth, 0]], n)
    z = play([f, f], [0.0, 1.0], [[0, depth], [depth, 0]], n)
    turns = 2 * math.pi * f * torch.arange(n, dtype=torch.float64)
    before = torch.cat([torch.zeros(1, dtype=torch.float64), z[:-1]])
    torch.testing.assert_close(y, torch.sin(turns + depth * before), rtol=0, atol=1e-12)
    torch.testing.assert_close(z, torch.sin(turns + depth * y), rtol=0, atol=1e-12)


def test_any_order_of_operators_plays_a_chain_when_it_follows_it() -> None:
    """Renaming operators along the chain changes nothing; backwards, each link is a sample late."""
    f, chain = [0.003, 0.007, 0.02], [[0, 0, 0], [1.5, 0, 0], [0, 0.8, 0]]
    y = play(f, [0, 0, 1.0], chain, 500)
    backwards = [[0, 0.8, 0], [0, 0, 1.5], [0, 0, 0]]
    z = play(f[::-1], [1.0, 0, 0], backwards, 500)
    turns = [2 * math.pi * v * torch.arange(500, dtype=torch.float64) for v in f]
    late = torch.cat([torch.zeros(1, dtype=torch.float64), turns[0].sin()[:-1]])
    middle = torch.sin(turns[1] + 1.5 * late)
    late = torch.cat([torch.zeros(1, dtype=torch.float64), middle[:-1]])
    torch.testing.assert_close(z, torch.sin(turns[2] + 0.8 * late), rtol=0, atol=1e-12)
    assert (y - z).abs().max() > 1e-3


def test_many_rows_play_what_one_plays() -> None:
    """Sixteen operators, all connected, at audio rate and by frames."""
    f = 0.1 * torch.rand(3, 16, 5, dtype=torch.float64)
    a, index = torch.randn(3, 16, 5), 0.1 * torch.randn(3, 16, 16, dtype=torch.float64)
    y, _ = ops.fm(f, a, index, hop=40)
    for row in range(3):
        alone, _ = ops.fm(f[row : row + 1], a[row : row + 1], index[row], hop=40)
        assert torch.equal(alone[0], y[row])
    place = torch.arange(200, dtype=torch.float64) / 40
    i, part = place.long(), place - place.floor()
    j = (i + 1).clamp(max=4)
    each = [v[..., i] + (v[..., j] - v[..., i]) * part for v in (f, a.double())]
    z, _ = ops.fm(*each, index[..., None].expand(3, 16, 16, 200))
    torch.testing.assert_close(z.float(), y, rtol=1e-4, atol=1e-4)


def test_an_index_is_found_by_its_gradient() -> None:
    f = torch.tensor([[[0.01], [0.02]]], dtype=torch.float64)
    a = torch.tensor([[[0.0], [1.0]]])
    mask = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    target = ops.fm(f, a, 1.7 * mask, 400, hop=400)[0]
    depth = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([depth], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        (ops.fm(f, a, depth * mask, 400, hop=400)[0] - target).square().mean().backward()
        optimizer.step()
    assert abs(depth.item() - 1.7) < 1e-3


def test_a_state_of_another_bank_is_refused() -> None:
    one = torch.zeros(1, 2, 1)
    with pytest.raises(ValueError, match=r"fm: state must hold .*\(1, 2\), got \(1, 3\)"):
        ops.fm(one, one, torch.zeros(2, 2), state=(torch.zeros(1, 2), torch.zeros(1, 3)))


def test_a_connection_that_is_not_a_number_is_heard_while_it_lasts() -> None:
    """Into a chain: while it lasts. Into feedback: from there on."""
    f, a = torch.full((1, 2, 8), 0.01), torch.ones(1, 2, 8)
    index = torch.zeros(1, 2, 2, 8)
    index[..., 1, 0, 4] = float("nan")
    y, _ = ops.fm(f, a, index, hop=16)
    assert y[0, 48:80].isnan().all()
    assert y[0, :48].isfinite().all()
    assert y[0, 80:].isfinite().all()
    index[..., 1, 1, :] = 0.1
    y, (phase, sines) = ops.fm(f, a, index, hop=16)
    assert y[0, :48].isfinite().all()
    assert y[0, 48:].isnan().all()
    assert phase.isfinite().all()
    assert sines.isnan().tolist() == [[False, True]]
