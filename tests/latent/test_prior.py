"""Latents as sequences, a prior over them, and the commands that use both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from dspcore import audio, latent, train
from dspcore.cli import main
from dspcore.errors import UserError
from dspcore.latent import BandVAE, Latents, Prior, PriorConfig


def words(count: int = 96) -> Latents:
    """Walks that turn at a rate of their own, of two kinds and of 5 or 9 frames."""
    means, rows = [], []
    generator = torch.Generator().manual_seed(0)
    for i in range(count):
        frames, sign = (5, 1) if i % 2 else (9, -1)
        turn = 0.5 + 0.05 * torch.randn(1, generator=generator)
        angle = sign * turn * torch.arange(frames) + 0.1 * torch.randn(1, generator=generator)
        means.append(torch.stack([angle.cos(), angle.sin()]))
        rows.append({"path": f"{i}.wav", "samples": 100 * frames, "tags": ["a" if i % 2 else "b"]})
    return Latents(means, [], rows, {"dims": 2, "hop": 100, "sample_rate": 8000, "encoder": "x"})


def test_latents_come_back_from_their_folder(tmp_path: Path) -> None:
    made = words(4)
    latent.write_latents(tmp_path / "latents", made)
    found = latent.read_latents(tmp_path / "latents")
    assert all(torch.equal(a, b) for a, b in zip(found.means, made.means, strict=True))
    assert (found.rows, found.about, found.dims) == (made.rows, made.about, 2)
    with pytest.raises(UserError, match="has no latents"):
        latent.read_latents(tmp_path)


def test_a_context_knows_nothing_of_what_comes() -> None:
    prior = Prior(2, PriorConfig(width=16, layers=1, heads=2)).eval()
    frames = torch.randn(1, 6, 2)
    changed = frames.clone()
    changed[:, 3:] = 0
    before, after = (prior.contexts(x, torch.zeros(1, dtype=torch.long)) for x in (frames, changed))
    torch.testing.assert_close(before[:, :4], after[:, :4], rtol=0, atol=1e-6)
    assert not torch.allclose(before[:, 4], after[:, 4])


@pytest.mark.slow
def test_a_prior_says_what_it_has_heard_and_not_a_gaussian(tmp_path: Path) -> None:
    real = words()
    fit = train.FitConfig(
        folder=str(tmp_path / "prior"),
        steps=400,
        validate_every=100,
        trackers=[],
        progress=False,
        accelerator="cpu",
        optimizer=train.OptimizerConfig("adamw", lr=3e-3, clip_norm=1.0),
        average=train.AverageConfig(decay=0.98),
    )
    config = PriorConfig(width=32, layers=2, heads=2, most_frames=12, label="tag", fit=fit)
    latent.fit_prior(real, config)
    prior, about = latent.load_prior(tmp_path / "prior")
    assert about["encoder"] == "x"
    made = prior.sample(48, "a")
    assert len(prior.sample(2, "a", seed=1)) == 2
    again = prior.sample(48, "a")
    assert all(torch.equal(a, b) for a, b in zip(made, again, strict=True))
    lengths = torch.tensor([float(x.shape[1]) for x in made])
    assert 4 < float(lengths.median()) < 6  # those of kind a have 5 frames
    every = torch.cat(real.means, 1)

    def first(sequences: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack([x[:, :4].flatten() for x in sequences if x.shape[1] >= 4])

    wanted = first([x for x, row in zip(real.means, real.rows, strict=True) if "a" in row["tags"]])  # type: ignore[operator]
    noise = [every.mean(1, True) + every.std(1)[:, None] * torch.randn(2, 5) for _ in range(48)]
    mean = torch.stack([every.mean(1, True).expand(2, 4).flatten()] * 48)
    widths = torch.tensor([0.5, 1.0, 2.0])
    apart = [float(latent.mmd(x, wanted, widths)) for x in (first(made), first(noise), mean)]
    assert apart[0] < 0.25 * min(apart[1:])
    with pytest.raises(UserError, match="no label 'c'; known: a, b"):
        prior.sample(1, "c")


def test_commands_go_from_sounds_to_latents_and_back(tmp_path: Path) -> None:
    run, sounds = tmp_path / "run", tmp_path / "sounds"
    sounds.mkdir()
    for i in range(6):
        audio.write(sounds / f"{i}.wav", 0.1 * torch.randn(1, 500 + 40 * i), 8_000)
    (sounds / "7.wav").write_bytes(b"none")
    latent.fit_latent(
        latent.LatentConfig(
            data=latent.DataConfig(str(sounds), valid=0.2, seconds=0.1, batch_size=2),
            sample_rate=8_000,
            options={"size": "nano", "dims": 4, "ratios": [4, 2]},
            fit=train.FitConfig(
                folder=str(run), steps=1, trackers=[], progress=False, accelerator="cpu"
            ),
        )
    )

    def ran(*words: object) -> str:
        done = CliRunner().invoke(main, ["latent", *map(str, words)])
        assert done.exit_code == 0, done.output
        return done.output

    manifest = run / "manifest.jsonl"
    said = ran("encode", run, manifest, "-o", tmp_path / "latents")
    assert "6 sequences" in said
    assert "left out" in said
    found = latent.read_latents(tmp_path / "latents")
    assert [row["samples"] for row in found.rows] == [500 + 40 * i for i in range(6)]
    assert len(found.stds) == 6
    ran("decode", run, tmp_path / "latents", "-o", tmp_path / "back")
    back = sorted((tmp_path / "back").iterdir())
    assert [audio.read(path)[0].shape[1] for path in back] == [500 + 40 * i for i in range(6)]
    options = "--steps 2 --width 16 --layers 1 --heads 2 --most_frames 8 --fit.progress false"
    ran("prior", tmp_path / "latents", "--out", tmp_path / "prior", *options.split())
    ran("sample", run, tmp_path / "prior", "-o", tmp_path / "new", "-n", 3)
    assert len(list((tmp_path / "new").iterdir())) == 3
    ran("rebuild", run, sounds / "1.wav", "-o", tmp_path / "one.wav")
    assert audio.read(tmp_path / "one.wav")[0].shape == (1, 540)
    other = latent.read_latents(tmp_path / "latents")
    latent.write_latents(tmp_path / "other", replace(other, about={**other.about, "encoder": "y"}))
    done = CliRunner().invoke(
        main, ["latent", "decode", str(run), str(tmp_path / "other"), "-o", str(tmp_path / "no")]
    )
    assert "was made with another encoder" in done.output
    assert ran("next", run).strip().endswith("asked for the next phase")
    assert (run / "next-phase").exists()


def test_a_causal_model_gives_latents_that_decode_in_time() -> None:
    model = BandVAE(8_000, size="nano", dims=4, ratios=(4, 2), causal=True).eval()
    sound = torch.randn(1, 700)
    found = latent.encoded(model, [(sound, {"path": "a"})])
    made = latent.decoded(model, found.means[0], 700)
    torch.testing.assert_close(made, model(sound[None])[0][0], rtol=0, atol=1e-5)


def test_features_tell_a_low_tone_from_a_high_one_and_a_short_sound_from_a_long_one() -> None:
    t = torch.arange(8_000) / 8_000
    low, high = (torch.sin(2 * torch.pi * f * t)[None] for f in (200, 2_000))
    found = latent.sound_features([low, 0.5 * low, high, low[:, :4_000]], 8_000)
    assert found.shape == (4, 97)
    near, tone, length = (float((found[0] - found[i]).abs().max()) for i in (1, 2, 3))
    assert near == pytest.approx(20 * torch.tensor(2.0).log10().item(), abs=0.1)
    assert tone > 40
    assert length == pytest.approx(10, abs=0.5)
