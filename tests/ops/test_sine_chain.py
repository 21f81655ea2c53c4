"""Chains of sines: depth, splits, the identity, and what they are equal to."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dspcore import ops

pytestmark = pytest.mark.usefixtures("native")


def weights(*shape: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a, w, p = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3))
    return a / shape[-1], 1 + w / 4, 3 * p


def test_a_chain_of_one_layer_is_a_bank_of_sines() -> None:
    t = torch.linspace(-3, 3, 500, dtype=torch.float64)
    a, w, p = weights(1, 20)

    bank = (a * torch.sin(w * t[:, None] + p)).sum(-1)
    torch.testing.assert_close(ops.sine_chain(t, a, w, p), bank, rtol=0, atol=1e-13)


def test_deep_chains_agree_with_plain_torch() -> None:
    """70 layers: more than the backward pass keeps at once."""
    t = torch.linspace(0, 1, 300, dtype=torch.float64, requires_grad=True)
    given = [v.requires_grad_() for v in weights(70, 2)]
    given[0].data *= 0.2

    def plain(a: Tensor, w: Tensor, p: Tensor) -> Tensor:
        h = torch.zeros_like(t)
        for layer in range(70):
            h = (a[layer] * torch.sin(w[layer] * (t + h)[:, None] + p[layer])).sum(-1)
        return h

    found, expected = ops.sine_chain(t, *given), plain(*given)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    cotangent = torch.randn(300, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for g, e in zip(
        torch.autograd.grad(found, [t, *given], cotangent),
        torch.autograd.grad(expected, [t, *given], cotangent),
        strict=True,
    ):
        torch.testing.assert_close(g, e, rtol=1e-9, atol=1e-9)


def test_layers_of_no_amplitude_are_nothing() -> None:
    """A chain behind silent layers is the chain: identity is within reach (R38)."""
    t = torch.linspace(0, 5, 1_000)
    a, w, p = (v.float() for v in weights(3, 4))
    silent = [torch.cat([torch.zeros(2, 4), v]) for v in (a, w, p)]
    torch.testing.assert_close(ops.sine_chain(t, *silent), ops.sine_chain(t, a, w, p))


@pytest.mark.parametrize("n", [1, 127, 1_024, 2_500])
def test_parts_and_threads_do_not_matter(n: int) -> None:
    t = torch.linspace(0, 9, n, requires_grad=True)
    given = [v.float().requires_grad_() for v in weights(4, 3)]
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            y = ops.sine_chain(t, *given)
            found.append([y, *torch.autograd.grad(y.square().sum(), [t, *given])])
    finally:
        torch.set_num_threads(threads)
    for one, two in zip(*found, strict=True):
        assert torch.equal(one, two)
    split = torch.cat([ops.sine_chain(part, *given) for part in t.split(100)])
    torch.testing.assert_close(split, found[0][0], rtol=0, atol=1e-5)


def test_chains_side_by_side_are_each_their_own() -> None:
    t = torch.rand(5, 40, 3, dtype=torch.float64)
    a, w, p = weights(5, 2, 3)
    together = ops.sine_chain(t, a, w, p)
    for row in range(5):
        alone = ops.sine_chain(t[row], a[row], w[row], p[row])
        torch.testing.assert_close(together[row], alone, rtol=0, atol=1e-14)


def test_what_does_not_fit_is_refused() -> None:
    t, (a, w, p) = torch.zeros(7), (v.float() for v in weights(2, 3))
    with pytest.raises(ValueError, match=r"frequency must have the shape of amplitude \(2, 3\)"):
        ops.sine_chain(t, a, w[:1], p)
    with pytest.raises(ValueError, match=r"use t.expand\(2, -1\) for one time axis"):
        ops.sine_chain(t, *(v.expand(2, 2, 3) for v in (a, w, p)))
    with pytest.raises(TypeError, match=r"phase must be torch\.float32, as t is"):
        ops.sine_chain(t, a, w, p.double())
    with pytest.raises(ValueError, match="from 1 to 1024 layers, got 0"):
        ops.sine_chain(t, a[:0], w[:0], p[:0])
