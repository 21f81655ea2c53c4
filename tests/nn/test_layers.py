"""Sine layers and networks: what the formulas say, counts, starts, gates, memory."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from dspcore import nn, train


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def samples(count: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.arange(count, dtype=dtype)


@pytest.mark.usefixtures("native")
def test_parameters_are_as_many_as_the_journal_counts() -> None:
    assert nn.num_params(nn.SineChain(10, 5, phase=False)) == 100
    assert nn.num_params(nn.SineChain(10, 5)) == 150
    assert nn.num_params(nn.SineWaveLayer(7, 3)) == 3 * 7 * 3
    network = nn.SineWaveNetwork(6, 100)
    widths = [tuple(layer.amplitude.shape) for layer in network.layers]
    assert [j for _, j in widths] == [100, 80, 60, 41, 21, 1]
    assert network(torch.linspace(0, 1, 9)[:, None]).shape == (9, 1)


def test_waves_above_the_sample_rate_have_the_samples_and_gradients_of_waves_below() -> None:
    n = samples(64)
    for j in (1, 7):
        low = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
        high = (low + 2 * math.pi * j).detach().requires_grad_()
        target = torch.cos(0.7 * n)
        found = []
        for w in (low, high):
            sound = torch.sin(w * n)
            (gradient,) = torch.autograd.grad((sound - target).square().mean(), w)
            found.append((sound.detach(), gradient))
        assert torch.allclose(*(sound for sound, _ in found), atol=1e-9)
        assert abs(float(found[0][1] - found[1][1])) < 1e-9
    assert nn.above_nyquist(torch.tensor([3.0, 3.2])).tolist() == [False, True]


def spectrum_phase(sound: Tensor, period: int) -> float:
    """Phase of the sine of that period in whole periods of a sound."""
    bin_ = torch.fft.rfft(sound)[len(sound) // period]
    return float(torch.atan2(bin_.real, -bin_.imag))


def test_double_dutch_in_antiphase_knows_two_phases_and_in_quadrature_all() -> None:
    n = samples(320)
    anti = nn.DoubleDutchLayer(32, "antiphase").double()
    with torch.no_grad():
        anti.amplitude.copy_(torch.tensor([0.7, 0.7]))
        assert float(anti(n).abs().max()) < 1e-12
        for pair, phase in (((0.5, 0.2), 0.0), ((0.2, 0.5), math.pi)):
            anti.amplitude.copy_(torch.tensor(pair))
            assert abs(abs(spectrum_phase(anti(n), 32)) - phase) < 1e-6
        quadrature = nn.DoubleDutchLayer(32).double()
        for phase in (-2.5, -0.4, 1.0, 3.0):
            quadrature.amplitude.copy_(torch.tensor([math.cos(phase), math.sin(phase)]))
            assert spectrum_phase(quadrature(n), 32) == pytest.approx(phase, abs=1e-6)
        soft = nn.DoubleDutchLayer(32, "sigmoid", amplitudes=(1.0, 0.5))
        assert soft(n)[8] == pytest.approx(1.0, abs=0.02)
        assert soft(n)[24] == pytest.approx(-0.5, abs=0.02)
    chained = anti(n, quadrature(n))
    assert torch.allclose(chained, anti(n) + quadrature(n))


def test_a_zero_tip_is_silent_at_its_crest_and_has_the_sine_s_slope() -> None:
    x = torch.linspace(0, 7, 400, dtype=torch.float64, requires_grad=True)
    y = nn.wave(x, "zero_tip", tip=0.05)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert torch.allclose(slope, x.cos(), atol=1e-12)
    crest = x.sin().abs() > 0.95
    assert crest.sum() > 20
    assert (y[crest] == 0).all()
    assert torch.equal(y[~crest], x.sin()[~crest])
    triangle = nn.wave(torch.tensor([0.25, 0.5, 1.5, 1.75]) * math.pi, "triangle")
    assert torch.allclose(triangle, torch.tensor([0.5, 1.0, -1.0, -0.5]), atol=1e-3)


def test_a_layer_of_any_shape_is_its_formula() -> None:
    x = torch.randn(5, 4, generator=seeded())
    for shape in ("sine", "triangle", "zero_tip"):
        layer = nn.SineWaveLayer(4, 3, charts=("relu", "abs"), shape=shape, generator=seeded(1))
        with torch.no_grad():
            layer.frequency[0, 0] = -1.0  # counts as 0 and may come back
        angle = x[:, :, None] * layer.frequency.relu() + layer.phase.abs()
        wanted = (layer.amplitude * nn.wave(angle, shape)).sum(1)
        assert torch.allclose(layer(x), wanted, atol=2e-5)
        assert (layer(x).abs() <= layer.bound() + 1e-6).all()


def test_a_binary_network_learns_itself() -> None:
    target = nn.BinaryWaveNetwork(6, generator=seeded(3))
    clip = target(samples(256)).detach()
    found = nn.BinaryWaveNetwork(6, generator=seeded(4))
    assert (found(samples(256)) - clip).abs().max() > 0.01
    found.start(clip)
    assert (found(samples(256)) - clip).abs().max() < 1e-5
    target.to_canonical()
    found.to_canonical()
    assert torch.allclose(target(samples(256)), clip, atol=1e-5)
    # The highest is at Nyquist: of it the samples show a sin(p) alone.
    assert torch.allclose(found.amplitude[1:], target.amplitude[1:], atol=1e-5)
    assert float(nn.phase_distance(found.phase, target.phase)[1:].detach().max()) < 1e-3
    increments = nn.SineWaveLayerInc(5, copies=2)
    assert increments.frequency.tolist() == [2 * math.pi / d for d in (1, 2, 3, 4, 5)] * 2
    increments.start(torch.sin(2 * math.pi * samples(60) / 4))
    wanted = torch.sin(2 * math.pi * samples(60) / 4).float()
    assert torch.allclose(increments(samples(60)), wanted, atol=1e-5)


def test_added_layers_stand_from_high_to_low_and_their_gradients_fall_that_way(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("runs") / "run"
    network = nn.AddNetwork([0.02 * 2**n for n in range(5)])
    frequencies = [float(layer.log_frequency.detach().exp()) for layer in network.layers]
    assert frequencies == sorted(frequencies, reverse=True)
    t, target = samples(4000, torch.float32), torch.randn(4000, generator=seeded())

    def loss(model: torch.nn.Module, batch: Tensor, step: int) -> Tensor:
        return (model(t) - target).square().mean()

    rule = train.OptimizerConfig("sgd", lr=0.0)
    common = {"steps": 1, "trackers": [], "progress": False, "accelerator": "cpu"}
    config = train.FitConfig(folder=str(folder), statistics_every=1, optimizer=rule, **common)
    train.fit(network, loss, lambda n: torch.zeros(1), config)
    rows = train.read_statistics(folder)
    # By hand: d/dlog w of mean (s - y)^2 = mean 2 (s - y) a w t cos(w t + p).
    error = (network(t) - target).detach()
    for n, layer in enumerate(network.layers):
        a, w, p = layer.amplitude, layer.log_frequency.exp(), layer.phase
        by_hand = (2 * error * a * w * t * torch.cos(w * t + p)).mean().abs().detach()
        (row,) = (r for r in rows if (r["layer"], r["type"]) == (f"layers.{n}", "log_frequency"))
        assert row["gradient_rms"] == pytest.approx(float(by_hand), rel=1e-3)
    sizes = [r["gradient_rms"] for r in rows if r["type"] == "log_frequency"]
    assert sizes[0] > 2 * sizes[-1]


def test_greedy_layers_take_what_the_ones_before_left_and_no_gradient_crosses() -> None:
    network = nn.AddNetwork([0.5, 0.1])
    t = samples(200, torch.float32)
    target = 0.3 * torch.sin(0.5 * t)
    loss = network.greedy_loss(t, target)
    gradients = torch.autograd.grad(loss, network.layers[0].parameters())
    alone = (target - network.layers[0](t)).square().mean()
    wanted = torch.autograd.grad(alone, network.layers[0].parameters())
    assert torch.allclose(torch.stack(gradients), torch.stack(wanted))


def test_a_tree_s_path_is_the_formula_of_its_open_waves() -> None:
    tree = nn.WaveTree(4, frequency=0.3, generator=seeded(5)).double()
    t = samples(50)
    found = tree(t)
    rows = zip(tree.amplitude, tree.frequency, tree.phase, tree.threshold, strict=True)
    waves = [tuple(float(v.detach()) for v in row) for row in rows]
    for at in (3, 17, 42):
        node, total = 0, 0.0
        for _ in range(4):
            a, w, p, tau = waves[node]
            sound = math.sin(w * at + p)
            total += a * sound
            node = 2 * node + 1 + (sound > tau)
        assert float(found[at].detach()) == pytest.approx(total, abs=1e-9)
    opened = tree.activations(t)
    assert [len(level) for level in opened] == [1, 2, 4, 8]
    assert all((level.sum(0) == 1).all() for level in opened)
    (through,) = torch.autograd.grad(found.square().sum(), tree.threshold, retain_graph=True)
    assert through.any()
    tree.update = "branch"
    (held,) = torch.autograd.grad(tree(t).square().sum(), tree.threshold, allow_unused=True)
    assert held is None or not held.any()


def test_a_soft_tree_hardens_into_the_hard_one_and_weights_sum_to_one() -> None:
    soft = nn.WaveTree(5, gate="sigmoid", frequency=0.2, generator=seeded(6)).double()
    hard = nn.WaveTree(5, gate="hard", frequency=0.2, generator=seeded(6)).double()
    t = samples(300)
    one = torch.ones(300, dtype=torch.float64)
    assert all(torch.allclose(level.sum(0), one) for level in soft.activations(t))
    with torch.no_grad():
        soft.slope.fill_(1e9)
        assert torch.allclose(soft(t), hard(t), atol=1e-9)
        for mode in ("final", "none"):
            soft.mode = hard.mode = mode
            assert torch.allclose(soft(t), hard(t), atol=1e-9)


MEMORY = """
import resource, sys, torch
from dspcore import nn

t = torch.arange(16_000, dtype=torch.float32)
tree = nn.WaveTree(10, gate=sys.argv[1])
tree(t[:100]).sum().backward()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
tree(t).square().mean().backward()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("gate", ["hard", "sigmoid"])
def test_a_tree_of_ten_levels_stays_under_200_megabytes(gate: str) -> None:
    tree = nn.WaveTree(10)
    assert tree.frequency.shape == tree.amplitude.shape == (1023,)  # nothing is shared
    assert nn.WaveTree(10, share=True).frequency.shape == (10,)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, gate],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert float(done.stdout) < 200


def test_super_super_sine_starts_as_the_identity_and_prunes_what_does_nothing() -> None:
    x = torch.randn(100, generator=seeded())
    model = nn.SuperSuperSine(4, 3, generator=seeded(1))
    assert torch.equal(model(x), x)
    with torch.no_grad():
        model.gate.copy_(torch.tensor([0.5, 0.0, 1e-6, -0.3]))
    small = model.pruned(1e-3)
    assert small.amplitude.shape == (2, 3)
    assert torch.allclose(small(x), model(x), atol=1e-5)
    sparse = nn.SuperSuperSine(4, 3, gates="concrete", generator=seeded(1))
    with torch.no_grad():
        sparse.gate.copy_(torch.tensor([9.0, -9.0, 9.0, -9.0]))
    assert sparse.eval().gate_values().tolist() == [1, 0, 1, 0]
    assert float(sparse.penalty().detach()) == pytest.approx(2.0, abs=0.01)
    assert torch.allclose(sparse.pruned()(x), sparse(x), atol=1e-6)
    with torch.no_grad():
        sparse.gate.fill_(-9.0)
    assert torch.equal(sparse.pruned()(x), x)


def test_penalties_hold_parameters_up() -> None:
    values = torch.tensor([-0.5, 0.005, 2.0], requires_grad=True)
    assert float(nn.barrier([values], 0.01).detach()) == pytest.approx(0.51 + 0.005)
    assert torch.autograd.grad(nn.barrier([values], 0.01), values)[0].tolist() == [-1, -1, 0]
    assert float(nn.barrier([values[1:]], 0.01, "log").detach()) == pytest.approx(
        math.log(2), rel=1e-4
    )
    layer = nn.SineWaveLayer(2, 2, generator=seeded())
    keep = nn.OnlyIncrease(layer, ["amplitude"])
    before = layer.amplitude.detach().clone()
    with torch.no_grad():
        layer.amplitude += torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    keep()
    wanted = before + torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert torch.allclose(layer.amplitude, wanted)


def test_time_axes_are_what_they_are_called() -> None:
    assert nn.time_axis(3).tolist() == [0, 1, 2]
    assert nn.time_axis(3, "seconds", sample_rate=2).tolist() == [0, 0.5, 1]
    assert nn.time_axis(3, "unit").tolist() == [-1, 0, 1]
    axis = nn.time_axis(500, (4, 7), dtype=torch.float64)
    assert len(axis.sin().unique()) == 500
    with pytest.raises(ValueError, match="kind must be samples"):
        nn.time_axis(3, "hours")
