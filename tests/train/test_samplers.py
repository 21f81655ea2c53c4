"""Points of a clip, and ablations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from dspcore import train
from dspcore.errors import UserError


def test_anchors_are_uniform_windows_consecutive_and_nothing_wraps() -> None:
    clip = torch.randn(100)
    data = train.ClipDataset(clip, (10, 30))
    assert len(data) == 140
    sampler = train.AnchorSampler(data, 50, 20, long_range=30, seed=7)
    seen = torch.zeros(140)
    for step in range(400):
        near, far = sampler.places(step)
        assert (near.diff(dim=1) == 1).all()
        assert near.min() >= 0
        assert near.max() < 140
        assert len(far.unique()) == 60  # no point twice
        seen += near[:, 0].bincount(minlength=140)
    expected = 50 * 400 / 121
    assert (seen[121:] == 0).all()
    assert ((seen[:121] - expected).square() / expected).sum() < 190  # chi square, 120 degrees
    points = sampler(3)
    assert torch.equal(points.times, train.AnchorSampler(data, 50, 20, seed=7)(3).times)
    assert not torch.equal(points.times, sampler(4).times)
    padded = torch.nn.functional.pad(clip, (10, 30))
    assert torch.equal(points.values, padded[points.times.long()])
    assert points.far_values.shape == (30, 2)
    with pytest.raises(UserError, match="140 samples has no 5 windows of 141"):
        train.AnchorSampler(data, 5, 141)


def test_an_ablation_repeats_seeds_goes_on_and_shows_failures(tmp_path: Path) -> None:
    calls = []

    def run(seed: int, lr: float, final: bool) -> dict[str, float]:
        calls.append((seed, lr, final))
        if lr > 1 and seed == 1:
            raise train.DivergedError("its loss is nan")
        return {"snr": lr + seed + 10 * final}

    path = tmp_path / "results.jsonl"
    grid = {"lr": [0.5, 2.0], "final": [False, True]}
    study = train.Ablation(run, grid, seeds=(0, 1), path=path)
    study(progress=False)
    assert len(calls) == 8
    lines = study.table().splitlines()
    assert lines[0] == "| lr | final | runs | snr | failed |"
    assert lines[2] == "| 0.5 | False | 2 | 1 ± 0.71 (0.5 to 1.5) | 0 |"
    assert lines[5] == "| 2.0 | True | 2 | 12 | 1 |"
    more = train.Ablation(run, grid, seeds=(0, 1, 2), path=path)
    more(progress=False, minutes=0.0)
    assert len(calls) == 8  # no time for a further run
    more(progress=False)
    assert [seed for seed, *_ in calls[8:]] == [2] * 4


@dataclass(frozen=True)
class Frozen:
    x: torch.Tensor
    name: str


def test_batches_may_be_any_nest_of_tensors() -> None:
    pytest.importorskip("lightning_fabric", reason="needs dspcore[train]")
    sampler = train.AnchorSampler(train.ClipDataset(torch.arange(50.0)), 8, 3, long_range=2)
    model, seen = torch.nn.Linear(3, 1), []

    def loss(model: torch.nn.Module, batch: dict[str, Any], step: int) -> torch.Tensor:
        seen.append(batch)
        return model(batch["points"].times).square().mean()

    def batches(step: int) -> dict[str, Any]:
        return {"points": sampler(step), "more": [(Frozen(torch.ones(1).double(), "a"), 7)]}

    config = train.FitConfig(
        steps=2, trackers=[], progress=False, accelerator="cpu", precision="64-true"
    )
    train.fit(model, loss, batches, config)
    assert seen[1]["points"].values.dtype == torch.float64
    assert seen[0]["more"] == [(Frozen(torch.ones(1).double(), "a"), 7)]
    assert model.weight.dtype == torch.float64
