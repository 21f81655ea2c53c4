"""Going on from another run's weights, and how many clips fit."""

from __future__ import annotations

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
from dspcore.latent import batch_size

pytest.importorskip("lightning_fabric", reason="needs dspcore[train]")

RATE = 8_000


@pytest.fixture(scope="module")
def hits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight short sounds."""
    folder = tmp_path_factory.mktemp("hits")
    for i in range(8):
        t = torch.arange(600) / RATE
        sound = torch.exp(-20 * t) * torch.sin(2 * math.pi * (100 + 60 * i) * t)
        audio.write(folder / f"hit{i}.wav", 0.5 * sound[None], RATE)
    return folder


def config(hits: Path, folder: Path, **changes: Any) -> latent.LatentConfig:
    made = latent.LatentConfig(
        data=latent.DataConfig(str(hits), valid=0.25, seconds=0.1, batch_size=2),
        sample_rate=RATE,
        options={"size": "nano", "dims": 4, "ratios": [4, 2]},
        distance=latent.DistanceConfig(fft_sizes=[128, 32], band_fft_sizes=[8]),
        phases=latent.PhaseConfig(switch="step", step=4, scales=1, width=4),
        fit=train.FitConfig(
            folder=str(folder), steps=6, log_every=1, validate_every=3, trackers=[],
            progress=False, accelerator="cpu",
        ),
    )  # fmt: skip
    return replace(made, **changes)


@pytest.fixture(scope="module")
def run(hits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that came to its second phase."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    latent.fit_latent(config(hits, folder))
    return folder


def test_a_run_begins_with_anothers_weights_pushed_by_its_seed(
    hits: Path, run: Path, tmp_path: Path
) -> None:
    begins = latent.load_latent(run, "represent-end").state_dict()

    def opened(noise: float, seed: int) -> dict[str, torch.Tensor]:
        start = latent.StartConfig(str(run), "represent-end", noise)
        made = config(hits, tmp_path / "run", start=start)
        made.fit = replace(made.fit, seed=seed)
        model = latent.open_run(made).model
        assert not bool(model.frozen)
        return {name: value for name, value in model.state_dict().items() if "weight" in name}

    plain, pushed, again, other = (opened(n, s) for n, s in ((0, 0), (0.1, 1), (0.1, 1), (0.1, 2)))
    for name, value in plain.items():
        assert torch.equal(value, begins[name])
        assert torch.equal(pushed[name], again[name])
        assert not torch.equal(pushed[name], other[name])
        share = (pushed[name] - value).square().mean().sqrt() / value.square().mean().sqrt()
        assert float(share) == pytest.approx(0.1, rel=0.35)
    with pytest.raises(UserError, match=r"has no nothing\.safetensors"):
        latent.open_run(config(hits, tmp_path / "x", start=latent.StartConfig(str(run), "nothing")))
    with pytest.raises(UserError, match=r"give start\.run"):
        latent.StartConfig(noise=0.1)


def test_the_command_goes_on_plainly_and_pushed_and_leaves_the_run_as_it_was(
    run: Path, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in run.glob("*.*")}
    words = f"latent restart {run} --out {tmp_path} --steps 8 --seeds 2 --kick-steps 1"
    done = CliRunner().invoke(main, words.split())
    assert done.exit_code == 0, done.output
    assert "2 pushed runs end at" in done.output
    assert {path.name: path.read_bytes() for path in run.glob("*.*")} == before
    ends = {name: train.read_run(tmp_path / name) for name in ("plain", "seed-0", "seed-1")}
    assert all(end.steps == 8 for end in ends.values())
    rates = [end.metric("represent/lr").values for end in ends.values()]
    assert rates[0][0] == pytest.approx(1e-3)
    assert rates[1][0] == rates[2][0] == pytest.approx(3e-3)
    assert rates[0][-1] < 0.5e-3
    losses = [end.metric("represent/loss").values[0] for end in ends.values()]
    assert len(set(losses)) == 3


def test_the_verdict_follows_from_the_ends() -> None:
    plain = latent.Try("plain", 10.0, 5)

    def said(*ends: float) -> str:
        tries = [latent.Try(f"seed-{i}", end, 5) for i, end in enumerate(ends)]
        return latent.Restarted(11.0, plain, tries).verdict()

    assert "it was stuck; go on from seed-1" in said(10.1, 8.0)
    assert "no sign of a local minimum" in said(9.9, 10.1)
    assert "do not come back" in said(9.9, 12.0)


def test_accumulated_batches_train_an_autoencoder(hits: Path, tmp_path: Path) -> None:
    made = config(hits, tmp_path / "run")
    made.fit = replace(made.fit, accumulate=2)
    done = latent.fit_latent(made)
    machine = done.run.machine
    assert (machine.batches, machine.generator_steps) == (6, 6)


def test_the_largest_batch_is_found_without_trying_what_would_not_fit(
    hits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def held(call: Any, device: torch.device) -> int:
        call()
        tried.append(len(taken[-1]))
        return 1_000 + 100 * tried[-1]

    taken: list[Any] = []
    real = batch_size._batch

    def batch(*given: Any) -> Any:
        made = real(*given)
        taken.append(made["audio"])
        return made

    monkeypatch.setattr(batch_size, "_held", held)
    monkeypatch.setattr(batch_size, "_batch", batch)
    found = latent.batch_sizes(config(hits, tmp_path / "run"), memory=1_700)
    assert [trial.size for trial in found] == [1, 2, 4, 5]
    assert max(tried) == 5  # 8 was never tried
    assert set(found[0].norms) == {"represent", "discriminator", "generator"}
    assert all(norm > 0 for trial in found for norm in trial.norms.values())
    assert not (tmp_path / "run" / "latest.safetensors").exists()
    with pytest.raises(UserError, match="a step with one clip needs more than"):
        latent.batch_sizes(config(hits, tmp_path / "run"), memory=1_000)


def test_the_command_says_how_many_clips_fit(hits: Path, tmp_path: Path) -> None:
    words = f"latent batch {hits} --out {tmp_path / 'run'} --sample_rate {RATE} --most 2"
    words += " --options.size nano --options.dims 4 --options.ratios [4,2] --data.seconds 0.1"
    done = CliRunner().invoke(main, words.split())
    assert done.exit_code == 0, done.output
    assert "2 clips fit" in done.output
    assert "a clip limit is for one batch size only" in done.output
