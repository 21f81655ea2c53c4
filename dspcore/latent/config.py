"""The settings of a run, what RAVE does otherwise, and the callbacks that look on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dspcore.latent.autoencoder import Autoencoder
from dspcore.latent.distance import BAND_FFT_SIZES, FFT_SIZES, BandDistance
from dspcore.latent.items import DataConfig
from dspcore.latent.machine import PhaseConfig
from dspcore.latent.schedules import BetaConfig
from dspcore.latent.start import StartConfig
from dspcore.train import FitConfig, OptimizerConfig


@dataclass
class FreeBitsConfig:
    """Bits of every dimension that are free.

    Attributes:
        limit: In bits; 0 for none.
        form: batch or sample.
    """

    limit: float = 0.0
    form: str = "batch"


@dataclass
class DistanceConfig:
    """What a rebuilt sound is judged by; see `BandDistance`.

    Attributes:
        fft_sizes: Window lengths of the full band.
        band_fft_sizes: Window lengths of the bands, in their samples; none leaves bands out.
        linear: l1 or l2.
        floor_db: Of the logarithms, below the clip's loudest bin; 0 for RAVE's fixed floor.
        masked: Leave padding out.
        silence: Weight of the power found in padding.
    """

    fft_sizes: list[int] = field(default_factory=lambda: list(FFT_SIZES))
    band_fft_sizes: list[int] = field(default_factory=lambda: list(BAND_FFT_SIZES))
    linear: str = "l1"
    floor_db: float = -80.0
    masked: bool = True
    silence: float = 1.0


def _fit() -> FitConfig:
    rule = OptimizerConfig(name="adam", lr=1e-3, options={"betas": [0.5, 0.9]}, clip_percentile=0.9)
    return FitConfig(
        steps=3_000,
        optimizer=rule,
        validate_every=250,
        tolerate=20,
    )


def _judge() -> OptimizerConfig:
    return OptimizerConfig(name="adam", lr=1e-4, options={"betas": [0.5, 0.9]}, clip_percentile=0.9)


@dataclass
class LatentConfig:
    """An autoencoder trained on a set of sounds.

    Attributes:
        data: What it learns from.
        sample_rate: In Hz; files at others are resampled.
        autoencoder: Name in the registry "autoencoders": band, or a plug-in's.
        options: Of the autoencoder: size, channels, dims, bottleneck, ratios, causal, ...
        beta: Weight of the divergence.
        free_bits: Bits of every dimension that are free.
        distance: What a rebuilt sound is judged by.
        phases: When the discriminator comes in.
        start: Weights that it begins with.
        discriminator: Its optimiser.
        fit: The run; its optimiser moves the autoencoder.
        rave_compat: Loss as in RAVE's code: twice the divergence, feature matching weighted by its
            weight squared, squared differences, a fixed floor, no mask. What is different all the
            same is written to deviations.txt.
    """

    data: DataConfig = field(default_factory=DataConfig)
    sample_rate: int = 44_100
    autoencoder: str = "band"
    options: dict[str, Any] = field(default_factory=dict)
    beta: BetaConfig = field(default_factory=BetaConfig)
    free_bits: FreeBitsConfig = field(default_factory=FreeBitsConfig)
    distance: DistanceConfig = field(default_factory=DistanceConfig)
    phases: PhaseConfig = field(default_factory=PhaseConfig)
    start: StartConfig = field(default_factory=StartConfig)
    discriminator: OptimizerConfig = field(default_factory=_judge)
    fit: FitConfig = field(default_factory=_fit)
    rave_compat: bool = False


def make_distance(config: LatentConfig) -> BandDistance:
    """The distance that a config names; with `rave_compat`, RAVE's."""
    c: Any = config.distance
    if config.rave_compat:
        return BandDistance(16, FFT_SIZES, FFT_SIZES, linear="l2", floor_db=None, masked=False)
    return BandDistance(
        16,
        c.fft_sizes,
        c.band_fft_sizes,
        linear=c.linear,
        floor_db=c.floor_db or None,
        masked=c.masked,
        silence=c.silence,
    )


def deviations(config: LatentConfig, model: Autoencoder) -> list[str]:
    """What a run with `rave_compat` does as RAVE, and what it does otherwise, a sentence each."""
    options = model.options
    found = [
        "as RAVE: the divergence has no 1/2, so beta weighs twice the KL divergence in nats",
        f"as RAVE: feature matching is weighted twice, {config.phases.features:g} * "
        f"{config.phases.features:g} = {config.phases.features**2:g} (RAVE's pull request 358 "
        "takes one of them out)",
        "as RAVE: squared relative differences, logarithms above 1e-7, padding counts",
        "other: short sounds are padded; RAVE drops files under two chunks",
        "other: in the adversarial phase the decoder gets the mean of the latent, not a draw, "
        "and starts a new optimiser",
        "other: convolutions have no weight normalisation, and leaky ReLU instead of Snake",
        "other: noise has a gain at each sample of each band, not a filter for each frame",
        "other: the bands' spectra take window lengths in samples of a band, as the full band's",
        "other: the discriminator is MelGAN's, at several rates; RAVE v2 adds periods",
    ]
    if options.get("norm", "none") == "none":
        found.append("other: the encoder has no batch normalisation; --options.norm batch adds it")
    if model.sample_rate != 44_100:
        found.append(f"other: {model.sample_rate} Hz; RAVE's configs say 44100")
    return found
