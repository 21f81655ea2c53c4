"""Runs: phases, resume bit for bit, bad input, and the command."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from dspcore import audio, latent, train
from dspcore.cli import main
from dspcore.errors import UserError
from dspcore.latent import LatentConfig

RATE = 8_000


@pytest.fixture(scope="module")
def hits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve short sounds and a file that is none."""
    folder = tmp_path_factory.mktemp("hits")
    generator = torch.Generator().manual_seed(1)
    for i in range(12):
        t = torch.arange(400 + 100 * i) / RATE
        noise = 0.2 * torch.randn(len(t), generator=generator)
        sound = torch.exp(-20 * t) * (torch.sin(2 * math.pi * (100 + 60 * i) * t) + noise)
        audio.write(folder / f"hit{i:02}.wav", 0.5 * sound[None], RATE)
    (folder / "broken.wav").write_bytes(b"RIFF\0\0\0\0WAVEjunk")
    return folder


def config(hits: Path, folder: Path, **changes: Any) -> LatentConfig:
    made = LatentConfig(
        data=latent.DataConfig(str(hits), valid=0.25, seconds=0.1, batch_size=2),
        sample_rate=RATE,
        options={"size": "nano", "dims": 4, "ratios": [4, 2], "norm": "batch"},
        distance=latent.DistanceConfig(fft_sizes=[128, 32], band_fft_sizes=[8]),
        phases=latent.PhaseConfig(switch="step", step=6, scales=1, width=4),
        fit=train.FitConfig(
            folder=str(folder),
            steps=12,
            log_every=1,
            validate_every=4,
            trackers=[],
            progress=False,
            accelerator="cpu",
            tolerate=5,
            optimizer=train.OptimizerConfig(clip_percentile=0.9),
        ),
    )
    return replace(made, **changes)


def lines(folder: Path, name: str) -> dict[int, float]:
    text = (folder / "metrics.jsonl").read_text().splitlines()
    return {line["step"]: line[name] for line in map(json.loads, text) if name in line}


def test_phases_follow_each_other_and_what_is_frozen_stays(hits: Path, tmp_path: Path) -> None:
    class Look(latent.Callback):
        def __init__(self) -> None:
            self.seen: list[Any] = []
            self.hashes: set[str] = set()

        def moved(self, run: latent.LatentRun, moved: train.Moved) -> None:
            self.seen.append((moved.step, moved.phase))
            if run.machine.phase == "adversarial":
                self.hashes.add(run.model.encoder_hash())

        def validated(self, run: latent.LatentRun, validation: latent.Validation) -> Any:
            assert validation.distance.shape == validation.indices.shape == (3,)
            assert validation.kl is not None
            assert validation.kl.shape == (3, 4)
            return {"mine": 1.0}

    look = Look()
    phases = latent.PhaseConfig("step", step=4, freeze_steps=2, every=2, scales=1, width=4)
    done = latent.fit_latent(config(hits, tmp_path / "run", phases=phases), callbacks=[look])
    by_phase = {
        name: [step for step, phase in look.seen if phase == name]
        for name in ("represent", "discriminator", "generator")
    }
    assert by_phase == {
        "represent": [0, 1, 2, 3],
        "discriminator": [4, 5, 6, 8, 10],
        "generator": [6, 7, 8, 9, 10, 11],
    }
    machine = done.run.machine
    counted = (machine.batches, machine.generator_steps, machine.discriminator_steps)
    assert counted == (12, 10, 5)
    kept = train.Checkpoint.load(tmp_path / "run" / "represent-end.safetensors")
    done.run.model.load_state_dict(kept.under("model/model"))
    assert look.hashes == {done.run.model.encoder_hash()}  # weights and batch statistics
    assert "validation/mine" in (tmp_path / "run" / "metrics.jsonl").read_text()
    about = json.loads((tmp_path / "run" / "autoencoder.json").read_text())
    assert [Path(name).name for name in about["left_out"]] == ["broken.wav"]
    model = latent.load_latent(tmp_path / "run")
    assert model.frozen


class KilledError(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("at", [3, 9], ids=["represent", "adversarial"])
def test_a_run_that_was_killed_goes_on_bit_for_bit(hits: Path, tmp_path: Path, at: int) -> None:
    class Kill(latent.Callback):
        def moved(self, run: latent.LatentRun, moved: train.Moved) -> None:
            if moved.step == at:
                raise KilledError

    def long(folder: Path, resume: bool = False) -> LatentConfig:
        made = config(hits, folder)
        made.options |= {"bottleneck": "gauss"}
        made.beta = latent.BetaConfig("target-kl", low=1e-4, target_bits=3.0)
        made.fit = replace(made.fit, steps=at + 20, save_every=1, validate_every=5, resume=resume)
        return made

    latent.fit_latent(long(tmp_path / "whole"))
    with pytest.raises(KilledError):
        latent.fit_latent(long(tmp_path / "killed"), callbacks=[Kill()])
    latent.fit_latent(long(tmp_path / "killed", resume=True))
    steps: set[int] = set()
    for name in ("represent/loss", "generator/loss", "discriminator/loss", "validation/loss"):
        whole, resumed = (lines(tmp_path / run, name) for run in ("whole", "killed"))
        assert whole == resumed
        assert len(whole) >= 2
        steps |= {step for step in whole if step >= at and not name.startswith("validation")}
    assert steps == set(range(at, at + 20))  # twenty losses from the step that was lost
    ends = [train.Checkpoint.load(tmp_path / r / "latest.safetensors") for r in ("whole", "killed")]
    assert all(torch.equal(ends[0].tensors[key], ends[1].tensors[key]) for key in ends[0].tensors)


def test_a_batch_with_nan_is_named_and_left_out(
    hits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Poison(latent.Callback):
        def begin(self, run: latent.LatentRun, step: int) -> None:
            clips, real = run.data.training, run.data.training.shards.audio
            bad = clips.indices[0]
            clips.shards.audio = lambda i: real(i) * math.nan if i == bad else real(i)  # type: ignore[method-assign]

    done = latent.fit_latent(config(hits, tmp_path / "run"), callbacks=[Poison()])
    assert done.fitted.step == 12
    assert sum(done.run.skipped.values()) >= 2
    name = next(iter(done.run.skipped))
    assert f"{name} has NaN or infinite samples" in capsys.readouterr().err
    assert done.run.machine.generator_steps == 12 - sum(done.run.skipped.values())
    for value in done.run.model.state_dict().values():
        assert torch.isfinite(value.double()).all()


def test_a_loss_that_is_not_finite_is_left_out_until_there_are_too_many(
    hits: Path, tmp_path: Path
) -> None:
    class Break(latent.Callback):
        def __init__(self, steps: range) -> None:
            self.steps = steps

        def begin(self, run: latent.LatentRun, step: int) -> None:
            real = run.distance.parts
            count = iter(range(1000))

            def parts(*given: Any) -> Any:
                broken = run.model.training and next(count) in self.steps
                return {n: v * (math.nan if broken else 1) for n, v in real(*given).items()}

            run.distance.parts = parts  # type: ignore[method-assign]

    few = config(hits, tmp_path / "few", phases=latent.PhaseConfig())
    done = latent.fit_latent(few, callbacks=[Break(range(2, 4))])
    assert done.run.machine.generator_steps == 10
    many = config(hits, tmp_path / "many", phases=latent.PhaseConfig())
    with pytest.raises(train.DivergedError, match="its loss is nan"):
        latent.fit_latent(many, callbacks=[Break(range(2, 20))])
    assert train.Checkpoint.load(tmp_path / "many" / "latest.safetensors").state["step"] == 4


def test_a_disk_that_fills_costs_no_step_and_no_line(
    hits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import errno

    real = train.Checkpoint.save
    calls = iter(range(100))

    def save(self: Any, path: Any) -> None:
        if "latest" in str(path) and next(calls) == 1:
            from dspcore.files import explained

            error = OSError(errno.ENOSPC, "No space left on device")
            raise explained(error, path) from error
        real(self, path)

    monkeypatch.setattr(train.Checkpoint, "save", save)
    done = latent.fit_latent(config(hits, tmp_path / "run", phases=latent.PhaseConfig()))
    assert done.fitted.step == 12
    assert "the disk is full" in capsys.readouterr().err
    assert train.Checkpoint.load(tmp_path / "run" / "latest.safetensors").state["step"] == 12
    assert sorted(lines(tmp_path / "run", "represent/loss")) == list(range(12))


@pytest.mark.slow
def test_gradients_are_clipped_to_a_percentile_and_the_share_is_written(
    hits: Path, tmp_path: Path
) -> None:
    made = config(hits, tmp_path / "run", phases=latent.PhaseConfig())
    made.fit = replace(made.fit, steps=60, validate_every=0)
    latent.fit_latent(made)
    shares = lines(tmp_path / "run", "represent/clipped")
    assert all(shares[step] == 0 for step in range(20))  # too few yet to know
    assert 0 < sum(shares[step] for step in range(20, 60)) < 20


def test_the_next_phase_may_be_asked_for_by_hand_or_by_a_metric() -> None:
    model = latent.BandVAE(RATE, size="nano", dims=4, ratios=(4, 2))
    machine = latent.Machine(latent.PhaseConfig("metric", patience=2, least=0.1))
    names = [machine.observe({"validation/loss": v}) or machine.advance(model) for v in (3, 2, 2)]
    assert names == [None, None, None]
    machine.observe({"validation/loss": 1.95})
    again = latent.Machine(machine.config)
    again.load_state_dict(machine.state_dict())
    assert again.advance(model) == "adversarial"
    assert model.frozen
    with pytest.raises(UserError, match="no metric"):
        latent.Machine(machine.config).observe({"loss": 1.0})


def test_the_file_next_phase_is_taken_once(tmp_path: Path) -> None:
    model = latent.BandVAE(RATE, size="nano", dims=4, ratios=(4, 2))
    machine = latent.Machine(latent.PhaseConfig("hand", freeze_steps=3))
    assert machine.advance(model, tmp_path) is None
    (tmp_path / "next-phase").touch()
    assert [machine.advance(model, tmp_path) for _ in range(4)] == [
        "freeze",
        None,
        None,
        "adversarial",
    ]


def test_rave_compat_says_what_is_different(hits: Path, tmp_path: Path) -> None:
    made = config(hits, tmp_path / "run", rave_compat=True)
    run = latent.open_run(made)
    assert run.distance.floor_db is None
    text = (tmp_path / "run" / "deviations.txt").read_text()
    assert "10 * 10 = 100" in text
    assert "no 1/2" in text
    assert "8000 Hz" in text


def test_the_command_trains_on_a_folder(hits: Path, tmp_path: Path) -> None:
    words = f"train latent {hits} --out {tmp_path / 'run'} --steps 2 --sample_rate {RATE}"
    words += " --options.size nano --options.dims 4 --options.ratios [4,2] --data.seconds 0.1"
    words += " --data.batch_size 2 --fit.trackers [] --fit.progress false --fit.accelerator cpu"
    done = CliRunner().invoke(main, words.split())
    assert done.exit_code == 0, done.output
    assert "2 of 2 steps" in done.output
    assert latent.load_latent(tmp_path / "run").dims == 4


def test_what_cannot_be_used_is_said(hits: Path, tmp_path: Path) -> None:
    made = config(hits, tmp_path / "run")
    made.data.source = ""
    with pytest.raises(UserError, match="say what to learn from"):
        latent.fit_latent(made)
    with pytest.raises(UserError, match="has no autoencoder"):
        latent.load_latent(tmp_path / "nothing")
