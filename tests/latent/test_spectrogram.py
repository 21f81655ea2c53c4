"""The spectrogram VAE: a plug-in that goes all the way on spoken digits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from dspcore import audio, data, latent, registry, train
from dspcore.losses import MultiscaleSpectral
from dspcore_plugins.autoencoders.spectrogram import SpectrogramVAE


def test_the_plug_in_is_found_by_its_name() -> None:
    assert {"band", "spectrogram"} <= set(registry.names("autoencoders"))
    model = latent.make_autoencoder("spectrogram", 8_000, dims=8, width=4)
    assert type(model) is SpectrogramVAE


def test_phase_is_kept_on_the_way_through_and_found_without(data_folder: Path) -> None:
    sound = audio.read(data_folder / "fsdd" / "7_theo_1.wav")[0][None]
    sound = torch.nn.functional.pad(sound, (0, -sound.shape[-1] % 512))
    model = SpectrogramVAE(8_000, width=4, dims=8).eval()
    # A decoder that gives back what the encoder is given.
    model.encoder, model.decoder = torch.nn.Identity(), torch.nn.Identity()
    coded = latent.Coded(model.analysed(sound), torch.zeros(1))
    model.encode = lambda *_: coded  # type: ignore[method-assign]
    through = model(sound)[0]
    error = (through - sound).square().mean() / sound.square().mean()
    assert float(10 * torch.log10(error)) < -20  # what is lost is the constant part, and 1e-8
    found = model.synthesised(model.analysed(sound))
    far = MultiscaleSpectral()(torch.randn_like(sound) * sound.std(), sound)
    assert float(MultiscaleSpectral()(found, sound)) < 0.35 * float(far)


@pytest.mark.slow
def test_digits_are_learnt_from_a_manifest_to_a_sound(data_folder: Path, tmp_path: Path) -> None:
    rules = data.Rules(include=("[0-3]_theo_?.wav",), group=r"_(\d+)\.")
    data.scan([data_folder / "fsdd"], tmp_path / "digits.jsonl", rules)
    fit: Any = train.FitConfig(
        folder=str(tmp_path / "run"),
        steps=60,
        validate_every=10,
        trackers=[],
        progress=False,
        accelerator="cpu",
        optimizer=train.OptimizerConfig(lr=3e-3, clip_percentile=0.9),
    )
    config = latent.LatentConfig(
        data=latent.DataConfig(str(tmp_path / "digits.jsonl"), seconds=0.5, batch_size=8),
        sample_rate=8_000,
        autoencoder="spectrogram",
        options={"width": 8, "dims": 16},
        distance=latent.DistanceConfig(fft_sizes=[512, 128], band_fft_sizes=[]),
        beta=latent.BetaConfig("const", high=1e-4),
        fit=fit,
    )
    latent.fit_latent(config)
    lines = map(json.loads, (tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    losses = [line["validation/loss"] for line in lines if "validation/loss" in line]
    assert losses[-1] < 0.8 * losses[0]
    made = latent.load_latent(tmp_path / "run").decode(torch.zeros(1, 16, 8))
    assert made.shape == (1, 1, 4096)
    assert torch.isfinite(made).all()
