"""Starts by analysis: every network begins as what an analysis hears in a clip."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from dspcore import nn
from dspcore.losses import residual_db

pytestmark = pytest.mark.usefixtures("native")
T = 1_024


def tones() -> Tensor:
    """Four sinusoids of which none lies on a bin."""
    n = torch.arange(T, dtype=torch.float64)
    rows = ((0.011, 0.5), (0.0301, 0.3), (0.0773, 0.2), (0.151, 0.1))
    return sum((a * torch.sin(2 * math.pi * f * n + 9 * f) for f, a in rows), torch.zeros_like(n))


def snr(model: torch.nn.Module, times: Tensor, clip: Tensor) -> float:
    with torch.no_grad():
        found = model(times).reshape(-1).double()
    return -float(residual_db(found[None, None], clip[None, None]))


CASES: dict[str, tuple[Any, dict[str, Any], Tensor, float]] = {
    "layer": (nn.SineWaveLayer, {"in_features": 4, "out_features": 1}, torch.ones(4), 35),
    "network": (nn.SineWaveNetwork, {"layers": 4, "base": 8}, torch.ones(1), 50),
    "charted": (
        nn.SineWaveNetwork,
        {"layers": 3, "base": 4, "charts": ("softplus", "softplus")},
        torch.ones(1),
        35,
    ),
    "bank": (nn.SineChain, {"layers": 1, "waves": 4}, torch.ones(()), 35),
    "added": (nn.AddNetwork, {"frequencies": [1.0, 0.5, 0.25, 0.1]}, torch.ones(()), 60),
    "windowed": (nn.WindowedSines, {"waves": 8}, torch.ones(()), 12),
    "tree": (nn.WaveTree, {"levels": 6}, torch.ones(()), 10),
    "leaves": (nn.WaveTree, {"levels": 6, "amplitude": "final"}, torch.ones(()), 3),
}


@pytest.mark.parametrize("name", CASES)
def test_a_network_starts_as_the_analysis_and_at_random_when_asked(name: str) -> None:
    kind, options, unit, least = CASES[name]
    clip = tones()
    times = torch.arange(T, dtype=torch.float32)
    times = times[:, None] * unit if unit.ndim else times
    made = nn.for_clip(kind, clip, **options)
    assert snr(made, times, clip) > least
    drawn = nn.for_clip(kind, clip, start="random", **options)
    assert snr(drawn, times, clip) < 1


@pytest.mark.parametrize("gates", ["plain", "concrete", "none"])
def test_super_super_sine_starts_from_what_its_input_lacks(gates: str) -> None:
    clip = tones()[:400]
    model = nn.for_clip(nn.SuperSuperSine, clip, layers=2, waves=8, gates=gates, final_sine=True)
    times = nn.time_axis(400, "unit")
    assert snr(model.eval(), times, clip) > 15
    assert snr(nn.SuperSuperSine(2, 8, gates=gates), times, clip) < 1


def test_a_chain_of_three_layers_starts_as_partials_on_a_bent_axis() -> None:
    n = torch.arange(4_096, dtype=torch.float64)
    bend = 3.0 * torch.sin(2 * math.pi * 5 * n / 16_000)
    turns = 180 / 16_000 * (n + bend)
    clip = sum((torch.sin(2 * math.pi * m * turns) / m for m in (1, 2, 3)), torch.zeros_like(n))
    chain = nn.for_clip(nn.SineChain, clip, layers=3, waves=[2, 1, 3]).double()
    assert nn.num_params(chain) == 18
    assert snr(chain, n, clip) > 60
    assert chain.outputs(n)[0].abs().max() == 0
    with pytest.raises(ValueError, match="use the random start"):
        nn.for_clip(nn.SineChain, clip, layers=2, waves=3, normalize="sine")


def test_two_ropes_start_by_least_squares() -> None:
    n = torch.arange(320, dtype=torch.float64)
    clip = 0.7 * torch.sin(2 * math.pi * n / 32 + 1.0)
    for mode, least in (("quadrature", 100.0), ("antiphase", 1.0), ("sigmoid", 0.5)):
        made = nn.for_clip(nn.DoubleDutchLayer, clip, denominator=32, mode=mode)
        assert snr(made, n, clip) > least


def test_silence_is_a_start_too() -> None:
    nothing = torch.zeros(256)
    for kind, options in (
        (nn.SineWaveNetwork, {"layers": 3, "base": 4}),
        (nn.WaveTree, {"levels": 4}),
    ):
        times = torch.arange(256.0)
        times = times[:, None] if kind is nn.SineWaveNetwork else times
        assert float(nn.for_clip(kind, nothing, **options)(times).detach().abs().max()) < 10 ** (
            -90 / 20
        )


def test_what_has_no_start_is_said() -> None:
    with pytest.raises(TypeError, match="FinalSine has no start"):
        nn.for_clip(nn.FinalSine, tones())  # type: ignore[type-var]
    with pytest.raises(ValueError, match="analysis or random"):
        nn.for_clip(nn.WaveTree, tones(), start="luck", levels=3)
    with pytest.raises(ValueError, match="share = False"):
        nn.for_clip(nn.WaveTree, tones(), levels=3, share=True)
    with pytest.raises(ValueError, match="a clip for each output"):
        nn.SineWaveLayer(3, 2).start(tones())


def test_complex_sinusoids_find_a_frequency_from_afar_and_become_real() -> None:
    n = torch.arange(64, dtype=torch.float64)
    y = torch.sin(2 * math.pi * 0.31 * n + 0.4)
    model = nn.ComplexSinusoids(1, 64, generator=torch.Generator().manual_seed(3)).double()
    before = float(model.to_real().frequencies)
    assert abs(before - 0.31) > 2 / 64
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(400):
        optimizer.zero_grad()
        (model() - y).square().mean().backward()
        optimizer.step()
    found = model.polish(y)
    assert float(found.frequencies) == pytest.approx(0.31, abs=1e-6)
    assert float(found.phases) == pytest.approx(0.4, abs=1e-3)
    real = model.to_real()
    assert torch.allclose(real.render()[0], model().detach(), atol=1e-6)


def test_poles_stay_near_the_circle() -> None:
    model = nn.ComplexSinusoids(3, 4_096)
    with torch.no_grad():
        model.z.mul_(100)
    assert bool(model().isfinite().all())
    model.constrain = False
    assert not bool(model().isfinite().all())
    with pytest.raises(ValueError, match="n >= 1"):
        nn.ComplexSinusoids(0, 64)


def test_a_warp_goes_over_both_sides_and_cannot_cheat_when_normalised() -> None:
    from dspcore import losses

    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 2, 1, 50, generator=generator) - 0.5
    for kind in ("sine", "gate"):
        warp = nn.Warp(kind, c=0.5)
        plain = losses.Warped(losses.Waveform(), warp, normalize=False)
        held = losses.Warped(losses.Waveform(), warp)
        assert torch.allclose(plain(x, y), (warp(x) - warp(y)).square().mean((1, 2)))
        with torch.no_grad():
            size, relative = plain(x, y), held(x, y)
            warp.frequency.mul_(0.01)
            assert bool((plain(x, y) < 1e-3 * size).all())  # the cheat: both sides small
            assert bool((held(x, y) > 0.9 * relative).all())
        (slope,) = torch.autograd.grad(held(x, y).sum(), warp.frequency)
        assert bool(slope.isfinite())
    with pytest.raises(ValueError, match="sine or gate"):
        nn.Warp("step")
