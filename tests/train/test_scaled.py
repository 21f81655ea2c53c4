"""Steps in proportion to amplitudes and periods (R71)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dspcore import nn, train
from dspcore.errors import UserError

QUIET = {"trackers": [], "progress": False, "accelerator": "cpu", "seed": 0}


def after_one_step(scaled: dict[str, str], name: str = "adam") -> tuple[dict[str, Tensor], ...]:
    """Parameters before and after a step in which every gradient is 1."""
    model = nn.AddNetwork([0.5, 0.1], amplitude=0.2)
    with torch.no_grad():
        model.layers[1].amplitude.fill_(0.6)

    def loss(model: torch.nn.Module, batch: Tensor, step: int) -> Tensor:
        return torch.stack([p.sum() for p in model.parameters()]).sum()

    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    rule = train.OptimizerConfig(name, lr=0.01, scaled=scaled)
    config = train.FitConfig(steps=1, optimizer=rule, **QUIET)  # type: ignore[arg-type]
    train.fit(model, loss, lambda step: torch.zeros(1), config)
    return before, {n: p.detach() for n, p in model.named_parameters()}


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_the_biggest_waves_and_the_longest_move_furthest(name: str) -> None:
    before, after = after_one_step({"*.phase": "period", "*.amplitude": "amplitude"}, name)

    def moved(key: str) -> list[float]:
        return [float(before[f"layers.{n}.{key}"] - after[f"layers.{n}.{key}"]) for n in (0, 1)]

    # Periods 1 / 0.5 and 1 / 0.1, mean 6; amplitudes 0.2 and 0.6, mean 0.4.
    assert moved("phase") == pytest.approx([0.01 * 2 / 6, 0.01 * 10 / 6], rel=1e-3)
    assert moved("amplitude") == pytest.approx([0.005, 0.015], rel=1e-3)
    assert moved("log_frequency") == pytest.approx([0.01, 0.01], rel=1e-3)


def test_waves_of_a_dense_layer_have_factors_of_their_own() -> None:
    layer = nn.SineWaveLayer(1, 3)
    with torch.no_grad():
        layer.amplitude.copy_(torch.tensor([[1.0, -2.0, 0.0]]))
    optimizer = torch.optim.SGD(layer.parameters(), 1.0)
    train.ScaledSteps(dict(layer.named_parameters()), {"frequency": "amplitude"}).attach(optimizer)
    before = layer.frequency.detach().clone()
    layer.frequency.sum().backward()
    optimizer.step()
    assert torch.allclose(before - layer.frequency.detach(), torch.tensor([[1.0, 2.0, 0.0]]))


def test_what_cannot_be_scaled_is_named() -> None:
    with pytest.raises(UserError, match="amplitude or period"):
        after_one_step({"*.phase": "loudness"})
    with pytest.raises(UserError, match="fits the pattern"):
        after_one_step({"*.phi": "period"})
    linear = dict(torch.nn.Linear(2, 2).named_parameters())
    with pytest.raises(UserError, match="wants a parameter amplitude"):
        train.ScaledSteps(linear, {"weight": "amplitude"})
