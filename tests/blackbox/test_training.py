"""A training run with plug-ins that crash, hang and worse in the middle of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import Bench, sound, tanh_gain

from dspcore.blackbox import LeastSquares, PluginCrash, PluginError, Pool
from dspcore.blackbox.report import Report

FAULTS = ("segv", "abort", "exit", "loop", "nan", "hog")


def train(
    bench: Bench, steps: int, faults: dict[int, str], flag: Path
) -> tuple[list[float], Report]:
    """Gain and drive after gradient descent; something goes wrong once in each of `faults`."""
    pool = Pool(1, deadline_s=0.3, memory_gb=0.25)
    effect = bench.load("good", pool=pool, cached=False, estimator=LeastSquares(1))
    audio = sound(1, 1, 400)
    target = tanh_gain(audio, 0.8, 0.25)
    p = torch.tensor([[0.6, 0.4, 0.5]], requires_grad=True)
    optimizer = torch.optim.Adam([p], lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, 1e-4)
    torch.manual_seed(0)
    for step in range(steps):
        if step in faults:
            flag.write_text(faults[step])
        loss = (effect.normalized(audio, p) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            p.clamp_(0.0, 1.0)
    pool.close()
    return p.detach()[0].tolist(), pool.report


def check(bench: Bench, steps: int, rounds: int, flag: Path) -> None:
    wanted, calm = train(bench, steps, {}, flag)
    assert wanted[:2] == pytest.approx([0.8, 0.25], abs=0.03)
    assert not calm.kinds
    count = rounds * len(FAULTS)
    faults = {1 + k * steps // count: FAULTS[k % len(FAULTS)] for k in range(count)}
    found, report = train(bench, steps, faults, flag)
    assert not flag.exists()  # the plug-in has seen the last one
    assert found == wanted  # to the last bit
    assert (report.kinds["crash"], report.kinds["output"]) == (3 * rounds, rounds)
    # On a busy machine the hog may come to its deadline before it has filled its memory.
    assert report.kinds["hang"] + report.kinds["memory"] == 2 * rounds
    assert report.mended == report.retried == count
    assert report.respawned == 5 * rounds  # after NaN, the worker lives on
    assert report.renders == calm.renders
    assert f"{count} tried again, {count} of them with success" in str(report)
    assert bench.library in str(report.failures[0])


@pytest.fixture
def flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The next block that a plug-in of plugins.c renders goes wrong as this file says."""
    place = tmp_path / "once"
    monkeypatch.setenv("DSPCORE_TEST_ONCE", str(place))
    return place


def test_a_run_ends_as_if_nothing_had_gone_wrong(bench: Bench, flag: Path) -> None:
    check(bench, 120, 1, flag)


@pytest.mark.slow
def test_a_run_of_a_thousand_steps_ends_as_if_nothing_had_gone_wrong(
    bench: Bench, flag: Path
) -> None:
    check(bench, 1000, 3, flag)


def test_settings_that_crash_near_by_have_no_part_in_the_gradient(bench: Bench) -> None:
    """Fate crashes above 0.75: at 0.745, a step up fails, a step down does not."""
    pool = Pool(2, cache=None)
    effect = bench.load("segv", pool=pool)
    audio = sound(1, 1, 300)
    p = torch.tensor([[0.5, 0.3, 0.745]], requires_grad=True)
    effect.normalized(audio, p).square().sum().backward()
    gain = torch.tensor(0.5, requires_grad=True)
    tanh_gain(audio, gain, 0.3).square().sum().backward()
    assert p.grad is not None
    assert gain.grad is not None
    assert float(p.grad[0, 0]) == pytest.approx(float(gain.grad), rel=1e-3)
    assert pool.report.kinds == {"crash": 2}
    with pytest.raises(PluginCrash, match=r"SIGSEGV; with gain=0.5, drive=0.3, fate=0.8"):
        effect(audio, gain=0.5, drive=0.3, fate=0.8)
    pool.close()


def test_what_fails_can_be_skipped(bench: Bench) -> None:
    pool = Pool(2, cache=None)
    effect = bench.load("abort", pool=pool, failures="skip")
    audio = sound(2, 1, 300)
    fate = torch.tensor([0.0, 0.9])
    gain = torch.tensor([0.5, 0.5], requires_grad=True)
    made = effect(audio, gain=gain, fate=fate)
    made.square().sum().backward()
    assert made[0].any()
    assert not made[1].any()
    assert gain.grad is not None
    assert gain.grad[0] > 0
    assert gain.grad[1] == 0
    assert pool.report.kinds["crash"] > 0
    pool.close()


def test_a_plug_in_that_crashes_while_loading_is_an_error(tmp_path: Path) -> None:
    from dspcore import blackbox

    script = tmp_path / "bad.py"
    script.write_text("import os\nos.abort()\n")
    with pytest.raises(PluginError, match="could not be loaded: its process was ended by SIGABRT"):
        blackbox.load(f"function:{script}:f")
