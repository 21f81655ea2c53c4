"""Whole runs as programs: killed and resumed, and spread over processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from dspcore import train

pytest.importorskip("lightning_fabric", reason="needs dspcore[train]")

# A run with random data in a loop, dropout, momentum, an average and clipping, as a program.
PROGRAM = """
import sys, time, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from dspcore import train

folder, steps, how, pause = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
torch.manual_seed(1)
x = torch.randn(40, 6)
data = DataLoader(TensorDataset(x, x.sin().sum(1, keepdim=True)), batch_size=8, shuffle=True)
model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 1))

def loss(model, batch, step):
    time.sleep(pause)
    return (model(batch[0]) - batch[1]).square().mean()

def validate(model, step):
    torch.rand(7)  # must not matter
    return (model(x) - x.sin().sum(1, keepdim=True)).square().mean()

train.fit(model, loss, data, train.FitConfig(
    folder=folder, steps=steps, resume=how == "resume", log_every=1, save_every=7,
    validate_every=13,
    optimizer=train.OptimizerConfig(
        lr=1e-2, clip_norm=1.0, schedule=train.Schedule([(0, 0.5), (60, 2.0)], warmup=5)),
    average=train.AverageConfig(decay=0.9), trackers=[], accelerator="cpu"), validate=validate)
"""


def program(folder: Path, steps: int, resume: bool = False, pause: float = 0.0) -> list[str]:
    path = folder.with_suffix(".py")
    path.write_text(PROGRAM)
    how = "resume" if resume else "new"
    return [sys.executable, "-W", "error", str(path), str(folder), str(steps), how, str(pause)]


def lines(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "metrics.jsonl").read_text()
    return [
        {k: v for k, v in json.loads(line).items() if k != "seconds"} for line in text.splitlines()
    ]


@pytest.mark.slow
def test_a_killed_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(program(whole, 80), check=True, timeout=120)
    run = subprocess.Popen(program(killed, 80, pause=0.02))
    end = time.monotonic() + 60
    while not (killed / "metrics.jsonl").exists() or len(lines(killed)) < 24:
        assert time.monotonic() < end
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait(timeout=30)
    assert train.Checkpoint.load(killed / "latest.safetensors").state["step"] < 60
    subprocess.run(program(killed, 80, resume=True), check=True, timeout=120)
    assert lines(killed) == lines(whole)
    ends = [train.Checkpoint.load(f / "latest.safetensors") for f in (whole, killed)]
    assert ends[0].tensors.keys() == ends[1].tensors.keys()
    assert all(torch.equal(t, ends[1].tensors[k]) for k, t in ends[0].tensors.items())


PROCESSES = """
import sys, torch
from torch import nn
from dspcore import train

folder, count = sys.argv[1], int(sys.argv[2])
torch.manual_seed(3)
model = nn.Linear(1, 1)


def half(number):
    return torch.randn(8, 1, generator=torch.Generator().manual_seed(number))


def whole(number):
    return torch.cat([half(2 * number), half(2 * number + 1)])


train.fit(
    model,
    lambda model, batch, step: (model(batch) - 3 * batch).square().mean(),
    half if count == 2 else whole,
    train.FitConfig(folder=folder, steps=9, devices=count, accelerator="cpu",
                    strategy="ddp" if count == 2 else "auto", trackers=[]),
)
"""


@pytest.mark.slow
def test_two_processes_do_what_one_does_with_both_batches(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROCESSES)
    ends = []
    for count in (1, 2):
        folder = tmp_path / str(count)
        command = [sys.executable, str(path), str(folder), str(count)]
        subprocess.run(command, check=True, timeout=120, capture_output=True)
        ends.append(train.Checkpoint.load(folder / "latest.safetensors").under("model/model"))
    assert torch.allclose(ends[0]["weight"], ends[1]["weight"], atol=1e-6)
    assert torch.allclose(ends[0]["bias"], ends[1]["bias"], atol=1e-6)
