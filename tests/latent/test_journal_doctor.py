"""Five faults of a training journal in real runs: each is named, and a healthy run has none."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import resample

from dspcore import audio, data, train
from dspcore.latent import BetaConfig, DataConfig, DistanceConfig, LatentConfig, fit_latent
from dspcore.latent.advice import advise
from dspcore.latent.watch import Watch

pytest.importorskip("lightning_fabric", reason="needs dspcore[train]")

RATE, STEPS, CLIP_STEPS = 16_000, 48, 30
PLANTED = ("nothing", "clip", "beta", "silence", "rate", "duplicates")


def hits(folder: Path, count: int = 28, rate: int = RATE, seconds: float = 0.25) -> Path:
    """Hits that differ in pitch, decay and colour, made at `rate` and written at RATE."""
    folder.mkdir(parents=True)
    draw = torch.Generator().manual_seed(3)
    t = torch.arange(int(seconds * rate)) / rate
    for k in range(count):
        pitch, decay, bright, bend = torch.rand(4, generator=draw).tolist()
        noise = torch.randn(len(t), generator=draw)
        low = torch.nn.functional.avg_pool1d(noise[None], 5, 1, 2)[0]
        turn = 80 * 6**pitch * (t + 0.05 * bend * (1 - torch.exp(-30 * t)))
        hit = torch.sin(2 * math.pi * turn) + bright * noise + (1 - bright) * low
        hit = hit * torch.exp(-t * (10 + 50 * decay)) * torch.linspace(1, 0, len(t))
        sound = 0.7 * hit / hit.abs().max()
        if rate != RATE:
            more = resample(sound.numpy(), len(t) * RATE // rate)
            sound = torch.from_numpy(np.asarray(0.7 * more / np.abs(more).max(), np.float32))
        audio.write(folder / f"hit{k:02d}.wav", sound[None], RATE)
    return folder


def config(source: Path, run: Path) -> LatentConfig:
    """A run that is well: a small model, a low weight of the divergence, clipping by percentile."""
    rule = train.OptimizerConfig(lr=2e-3, options={"betas": [0.5, 0.9]}, clip_percentile=0.9)
    return LatentConfig(
        data=DataConfig(source=str(source), seconds=0.25, batch_size=4, valid=0.2),
        sample_rate=RATE,
        options={"size": "nano", "dims": 8, "ratios": [4, 2, 2]},
        beta=BetaConfig(kind="const", high=1e-3),
        fit=train.FitConfig(
            folder=str(run), steps=STEPS, validate_every=12, log_every=4, trackers=[],
            progress=False, accelerator="cpu", optimizer=rule,
        ),
    )  # fmt: skip


def planted(fault: str, folder: Path) -> LatentConfig:
    """The config, and the data, of a run with a fault."""
    settings: dict[str, Any] = {"rate": 8_000} if fault == "rate" else {}
    source = hits(folder / "hits", **settings)
    made = config(source, folder / "run")
    if fault == "clip":  # a norm that every step exceeds, as in the journal
        made.fit.optimizer = replace(made.fit.optimizer, clip_norm=0.3, clip_percentile=0.0)
    if fault == "beta":
        made.beta = BetaConfig(kind="const", high=10.0)
    if fault == "silence":  # RAVE's distance, and hits in the first part of long clips
        made.distance = DistanceConfig(floor_db=0.0, masked=False)
        made.data.seconds = 2.0
        made.fit.steps = 16
    if fault == "duplicates":
        (source / "again").mkdir()
        for k in (1, 4, 7):  # at another level, so that they are other bytes
            sound, rate = audio.read(source / f"hit{k:02d}.wav")
            audio.write(source / "again" / f"take{k}.wav", 0.5 * sound, rate)
        rows = data.scan([source], folder / "manifest.jsonl")
        held = [row.path for row in rows if "again" in row.path]
        kept = [row.path for row in rows if row.path not in held]
        sides = {"train": kept, "valid": held}
        data.write_split(folder / "split.json", data.Split(sides, {}, {}, 0, []))
        made.data.source = str(folder / "manifest.jsonl")
        made.data.split = str(folder / "split.json")
    return made


@pytest.mark.slow
@pytest.mark.parametrize("fault", PLANTED)
def test_the_doctor_names_what_is_wrong_and_nothing_else(fault: str, tmp_path: Path) -> None:
    said: list[str] = []
    made = planted(fault, tmp_path)
    fit_latent(
        made, callbacks=[Watch(every=4, looked_at=8, clip_steps=CLIP_STEPS, say=said.append)]
    )
    run = train.read_run(tmp_path / "run")
    found = [line for line in advise(run, clip_steps=CLIP_STEPS) if line.kind == "fault"]
    wanted = [] if fault == "nothing" else [fault]
    assert [line.rule for line in found] == wanted, [line.text for line in found]
    # It was said while the run went on, once.
    assert len([text for text in said if "fault: " in text]) == len(wanted), said
    # What the report shows is there.
    assert {"latent/bits", "latent/sobol", "latent/prune", "latent/summary"} <= set(run.arrays)
    assert len(run.arrays["latent/bits"].last) == 8
    assert set(run.notes) >= {"yardsticks", "data", "items", "latent"}
    worst = {Path(item["path"]).stem for item in run.notes["items"][:3]}  # and can be listened to
    played = {tuple(name.split("/")[1:]) for name in run.sounds if name.startswith("worst/")}
    assert {(name, kind) for name in worst for kind in ("target", "output")} <= played
    assert run.steps == made.fit.steps
    assert any(name.startswith("gradient_length/model.decoder") for name in run.metrics)


def test_diagnostics_that_fail_are_said_and_stop_no_run() -> None:
    said: list[str] = []
    watch = Watch(say=said.append)
    nothing: Any = None
    assert watch.validated(nothing, nothing) is None
    watch.log(nothing, 0, nothing)
    assert len(said) == 1
    assert "diagnostics failed and are left out from now on" in said[0]
