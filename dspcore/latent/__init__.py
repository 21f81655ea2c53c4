"""Autoencoders of sounds with a latent: models, what a latent costs, and their training."""

from dspcore import registry
from dspcore.latent.autoencoder import Autoencoder, make_autoencoder
from dspcore.latent.band import BandVAE
from dspcore.latent.bottlenecks import BOTTLENECKS, Bottleneck, Coded, make_bottleneck
from dspcore.latent.config import (
    DistanceConfig,
    FreeBitsConfig,
    LatentConfig,
    deviations,
    make_distance,
)
from dspcore.latent.discriminator import Discriminator
from dspcore.latent.distance import BandDistance
from dspcore.latent.divergence import (
    fraction_under,
    frame_mean,
    free_bits,
    kl_bits,
    kl_nats,
    mmd,
)
from dspcore.latent.items import Batches, DataConfig, LatentData, open_data
from dspcore.latent.machine import Machine, PhaseConfig
from dspcore.latent.pqmf import PQMF
from dspcore.latent.run import Callback, LatentRun, Validation
from dspcore.latent.schedules import Beta, BetaConfig
from dspcore.latent.training import TrainedLatent, fit_latent, load_latent, open_run

registry.register("autoencoders", "band", "dspcore.latent.band:BandVAE")

__all__ = [
    "BOTTLENECKS",
    "PQMF",
    "Autoencoder",
    "BandDistance",
    "BandVAE",
    "Batches",
    "Beta",
    "BetaConfig",
    "Bottleneck",
    "Callback",
    "Coded",
    "DataConfig",
    "Discriminator",
    "DistanceConfig",
    "FreeBitsConfig",
    "LatentConfig",
    "LatentData",
    "LatentRun",
    "Machine",
    "PhaseConfig",
    "TrainedLatent",
    "Validation",
    "deviations",
    "fit_latent",
    "fraction_under",
    "frame_mean",
    "free_bits",
    "kl_bits",
    "kl_nats",
    "load_latent",
    "make_autoencoder",
    "make_bottleneck",
    "make_distance",
    "mmd",
    "open_data",
    "open_run",
]
