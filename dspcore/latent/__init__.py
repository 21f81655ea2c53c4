"""Autoencoders of sounds with a latent: models, what a latent costs, and their training."""

from dspcore import registry
from dspcore.latent.advice import Advice, advise
from dspcore.latent.augment import AugmentConfig
from dspcore.latent.autoencoder import Autoencoder, make_autoencoder
from dspcore.latent.band import BandVAE
from dspcore.latent.batch_size import Trial, batch_sizes
from dspcore.latent.bottlenecks import BOTTLENECKS, Bottleneck, Coded, make_bottleneck
from dspcore.latent.codec import Codec, export_codec, principal_axes
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
from dspcore.latent.judge import judge_prior, sound_features
from dspcore.latent.latents import Latents, decoded, encoded, read_latents, write_latents
from dspcore.latent.machine import Machine, PhaseConfig
from dspcore.latent.onnx_files import export_onnx
from dspcore.latent.pqmf import PQMF
from dspcore.latent.prior import Prior, PriorConfig, fit_prior, load_prior
from dspcore.latent.restart import Restarted, Try, restart
from dspcore.latent.run import Callback, LatentRun, Validation
from dspcore.latent.schedules import Beta, BetaConfig
from dspcore.latent.start import StartConfig
from dspcore.latent.training import TrainedLatent, fit_latent, load_latent, open_run
from dspcore.latent.watch import Watch

registry.register("autoencoders", "band", "dspcore.latent.band:BandVAE")

__all__ = [
    "BOTTLENECKS",
    "PQMF",
    "Advice",
    "AugmentConfig",
    "Autoencoder",
    "BandDistance",
    "BandVAE",
    "Batches",
    "Beta",
    "BetaConfig",
    "Bottleneck",
    "Callback",
    "Codec",
    "Coded",
    "DataConfig",
    "Discriminator",
    "DistanceConfig",
    "FreeBitsConfig",
    "LatentConfig",
    "LatentData",
    "LatentRun",
    "Latents",
    "Machine",
    "PhaseConfig",
    "Prior",
    "PriorConfig",
    "Restarted",
    "StartConfig",
    "TrainedLatent",
    "Trial",
    "Try",
    "Validation",
    "Watch",
    "advise",
    "batch_sizes",
    "decoded",
    "deviations",
    "encoded",
    "export_codec",
    "export_onnx",
    "fit_latent",
    "fit_prior",
    "fraction_under",
    "frame_mean",
    "free_bits",
    "judge_prior",
    "kl_bits",
    "kl_nats",
    "load_latent",
    "load_prior",
    "make_autoencoder",
    "make_bottleneck",
    "make_distance",
    "mmd",
    "open_data",
    "open_run",
    "principal_axes",
    "read_latents",
    "restart",
    "sound_features",
    "write_latents",
]
