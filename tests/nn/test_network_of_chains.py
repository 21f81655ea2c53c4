"""Chains of sines: the formula, its forms, and starts by analysis."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dspcore import nn
from dspcore.losses import residual_db

pytestmark = pytest.mark.usefixtures("native")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_hand(chain: nn.SineChain, t: Tensor) -> Tensor:
    a, w, p = (v.reshape(len(chain.shapes), -1) for v in chain.weights())
    h = torch.zeros_like(t)
    for n in range(len(chain.shapes)):
        before = h.sin() if chain.normalize else h
        u = t + before if chain.skip_time or n == 0 else before
        h = (a[n] * torch.sin(w[n] * u[:, None] + p[n])).sum(-1)
    return h if chain.final is None else chain.final(h)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"phase": False},
        {"normalize": "sine"},
        {"skip_time": False},
        {"final_sine": True},
        {"parametrize": "amplitude"},
        {"passing": True},
    ],
    ids=str,
)
def test_a_chain_is_its_formula(options: dict[str, object]) -> None:
    t = torch.linspace(0, 3, 40)
    chain = nn.SineChain(3, 4, frequency=5.0, generator=seeded(), **options)  # type: ignore[arg-type]
    assert torch.allclose(chain(t), by_hand(chain, t), atol=1e-4)
    assert torch.allclose(chain.outputs(t)[-1], by_hand(chain, t), atol=1e-4) or options == {
        "final_sine": True
    }
    assert (chain(t).abs() <= chain.bound() + 1e-5).all()


def test_several_numbers_between_layers_are_heard_by_all() -> None:
    t = torch.linspace(0, 3, 20)
    chain = nn.SineChain(3, 2, width_between=4, frequency=5.0, generator=seeded())
    assert nn.num_params(chain) == 3 * 2 * (4 + 16 + 4)
    first, second, last = chain.outputs(t)
    assert (first.shape, second.shape, last.shape) == ((20, 4), (20, 4), (20,))
    a, w, p = chain._split()[1]
    heard = (t[:, None] + first).repeat_interleave(2, -1)[..., None]
    assert torch.allclose(second, (a * torch.sin(w * heard + p)).sum(1), atol=1e-4)


def test_stored_as_an_index_hidden_gradients_are_smaller_by_the_frequency_they_bend() -> None:
    t = torch.linspace(0, 1, 500)
    ratios = {}
    for form in ("index", "amplitude"):
        chain = nn.SineChain(2, 5, frequency=3000.0, parametrize=form, generator=seeded(1))
        with torch.no_grad():
            if form == "amplitude":  # the same chain
                chain.amplitude[:5] /= 1500.0
        (gradient,) = torch.autograd.grad(chain(t).square().mean(), chain.amplitude)
        ratios[form] = float(gradient[:5].norm() / gradient[5:].norm())
    assert ratios["amplitude"] == pytest.approx(1500 * ratios["index"], rel=1e-2)
    assert ratios["amplitude"] > 1 > ratios["index"]


def tone(seed: int, count: int = 16_000, rate: int = 16_000) -> Tensor:
    """Ten partials under one vibrato, all of it random."""
    u = torch.rand(30, generator=seeded(seed), dtype=torch.float64)
    f0, speed, depth = 110 + 220 * u[0], 4 + 4 * u[1], 0.005 + 0.02 * u[2]
    n = torch.arange(count, dtype=torch.float64) / rate
    swing = depth / (2 * math.pi * speed) * torch.sin(2 * math.pi * speed * n + 6 * u[3])
    partials = [
        (0.3 + u[9 + m]) / m * torch.sin(2 * math.pi * m * f0 * (n + swing) + 6 * u[19 + m])
        for m in range(1, 11)
    ]
    return 0.2 * torch.stack(partials).sum(0)


@pytest.mark.slow
def test_a_chain_started_by_analysis_is_a_vibrato_tone_in_33_numbers() -> None:
    found = []
    for seed in range(10):
        clip = tone(seed)
        chain = nn.SineChain.from_clip(clip, 10, 1)
        assert nn.num_params(chain) == 33
        with torch.no_grad():
            made = chain.double()(torch.arange(len(clip), dtype=torch.float64))
        found.append(-float(residual_db(made[None, None], clip[None, None])))
    assert sum(snr >= 60 for snr in found) >= 9, found


def test_a_bank_started_by_analysis_beats_a_random_one() -> None:
    n = torch.arange(2000, dtype=torch.float64)
    clip = sum(a * torch.sin(w * n + 1) for a, w in ((0.5, 0.31), (0.2, 0.9), (0.1, 1.7)))
    assert isinstance(clip, Tensor)
    bank = nn.SineChain.from_clip(clip, 3, hidden=0)
    with torch.no_grad():
        assert float(residual_db(bank.double()(n)[None, None], clip[None, None])) < -60
        drawn = nn.SineChain(1, 3, frequency=math.pi).double()
        assert float(residual_db(drawn(n)[None, None], clip[None, None])) > -1
    added = nn.AddNetwork([1.0, 0.5, 0.2])
    added.start(clip)
    assert float(residual_db(added.double()(n)[None, None].detach(), clip[None, None])) < -40
