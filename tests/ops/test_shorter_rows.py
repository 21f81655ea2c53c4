"""Rows in parts, as CUDA tensors go: the whole row's sound, states and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dspcore.ops import _parts, antialiased, limiter_gain, sinusoids


def bank(b: int, k: int, f: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(f)
    frequencies = 0.2 * torch.rand((b, k, f), generator=generator, dtype=torch.float64)
    amplitudes = torch.randn((b, k, f), generator=generator, dtype=torch.float64)
    return frequencies, amplitudes, torch.rand((b, k), generator=generator, dtype=torch.float64)


def everything(arguments: tuple[Tensor, ...], t: int, hop: int, start: int) -> list[Tensor]:
    tensors = [a.clone().requires_grad_() for a in arguments]
    frequencies, amplitudes, phase = tensors
    y, after = sinusoids(frequencies, amplitudes, t, hop=hop, start=start, phase=phase)
    loss = (y * torch.linspace(-1, 1, y.numel()).reshape(y.shape)).sum() + (2 * after).sin().sum()
    return [y, after, *torch.autograd.grad(loss, tensors)]


@pytest.mark.parametrize(
    ("f", "t", "hop", "start"),
    [
        (40, 40, 1, 0),
        (40, 31, 1, 5),
        (9, 130, 16, 0),
        (9, 77, 16, 35),
        (3, 48, 16, 0),
        (2, 5, 16, 9),
        (1, 16, 16, 0),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 5, 64])
def test_parts_are_the_whole_row(
    f: int, t: int, hop: int, start: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = bank(2, 3, f)
    expected = everything(arguments, t, hop, start)
    with monkeypatch.context() as patch:
        patch.setattr(_parts, "frames_of_a_part", lambda *_: size)
        found = everything(arguments, t, hop, start)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_ten_minutes_in_parts_do_not_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    frequencies = torch.full((1, 1, 50_001), 0.1234567890123, dtype=torch.float64)
    amplitudes = torch.ones_like(frequencies).float()
    whole, end = sinusoids(frequencies, amplitudes, hop=512)
    monkeypatch.setattr(_parts, "frames_of_a_part", lambda *_: 100)
    y, after = sinusoids(frequencies, amplitudes, hop=512)
    torch.testing.assert_close(after, end, rtol=0, atol=1e-6)
    torch.testing.assert_close(y[:, -1000:], whole[:, -1000:], rtol=0, atol=2e-5)


def test_rows_are_divided_until_they_fill_a_gpu() -> None:
    class OnGpu:
        is_cuda = True

    of = _parts.frames_of_a_part
    assert of(torch.zeros(1), 1, 10_000, 64) == 0
    like: Tensor = OnGpu()  # type: ignore[assignment]
    assert of(like, 8, 1_000, 64) == 1
    assert of(like, 1, 25_600_000, 1) == 391  # ten minutes at audio rate: 65,474 parts
    assert of(like, 40_000, 1_000, 64) == 0
    assert of(like, 1, 1, 64) == 0
    assert of(like, 0, 10, 64) == 0
    assert _parts.samples_of_a_part(like, 2, 88_200) == 65


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize(
    ("t", "size"), [(200, 64), (131, 64), (130, 64), (67, 64), (9, 3), (300, 7)]
)
def test_parts_of_a_shaper_are_the_whole_row(
    t: int, size: int, moving: bool, order: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(t)
    x, gain, state = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((2, 3, t), (2, 3, t) if moving else (2, 3), (2, 3, 2)[: order + 1])
    )
    both = []
    for divided in (0, size):
        monkeypatch.setattr(_parts, "samples_of_a_part", lambda *_, n=divided: n)
        tensors = [a.clone().requires_grad_() for a in (x, gain, state)]
        y, after = antialiased(tensors[0], "tanh", tensors[1], tensors[2], order=order)
        loss = (y * torch.linspace(-1, 1, y.numel()).reshape(y.shape)).sum() + after.sin().sum()
        both.append([y.detach(), after.detach(), *torch.autograd.grad(loss, tensors)])
    assert torch.equal(both[1][0], both[0][0])
    assert torch.equal(both[1][1], both[0][1])
    for a, b in zip(both[1][2:], both[0][2:], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("lookahead", [0, 5, 40])
@pytest.mark.parametrize("moving", [False, True])
def test_parts_of_a_limiter_are_the_whole_row(
    lookahead: int, moving: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(lookahead)
    x = 3 * torch.randn(2, 2, 400, generator=generator, dtype=torch.float64)
    threshold = -6 + torch.rand(2, 2, 400 if moving else 1, generator=generator).double()
    _, state = limiter_gain(x.flip(-1), -6.0, 0.01, lookahead=lookahead)
    both = []
    for divided in (0, 50):
        monkeypatch.setattr(_parts, "samples_of_a_part", lambda *_, n=divided: n)
        tensors = [a.clone().requires_grad_() for a in (x, threshold)]
        gain, after = limiter_gain(
            tensors[0],
            tensors[1] if moving else tensors[1][..., 0],
            0.01,
            state,
            lookahead=lookahead,
        )
        loss = (gain * torch.linspace(-1, 1, gain.numel()).reshape(gain.shape)).sum()
        loss = loss + sum(part.sin().sum() for part in after)
        both.append([gain, *after, *torch.autograd.grad(loss, tensors)])
    for a, b in zip(*both, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.gpu
def test_a_divided_bank_on_a_gpu_is_the_whole_row() -> None:
    arguments = bank(2, 5, 900)
    expected = everything(arguments, 50_000, 64, 70)
    tensors = [a.cuda().requires_grad_() for a in arguments]
    y, after = sinusoids(tensors[0], tensors[1], 50_000, hop=64, start=70, phase=tensors[2])
    loss = (y * torch.linspace(-1, 1, y.numel()).reshape(y.shape).cuda()).sum()
    found = [y, after, *torch.autograd.grad(loss + (2 * after).sin().sum(), tensors)]
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.cpu(), b, rtol=1e-8, atol=1e-9)
