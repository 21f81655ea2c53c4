"""Differentiable synthesis from pitch and loudness: analysis, decoder, training, transfer."""

from dspcore.ddsp.data import Excerpts, Recording, load_folder
from dspcore.ddsp.decoder import Decoder
from dspcore.ddsp.features import Features, features, loudness
from dspcore.ddsp.model import DDSP, ModelConfig, Stream
from dspcore.ddsp.pitch import Pitch, track
from dspcore.ddsp.reverb import LearnedReverb
from dspcore.ddsp.training import DDSPConfig, Trained, fit_ddsp, load_ddsp, spectral_loss
from dspcore.ddsp.transfer import Transferred, transfer

__all__ = [
    "DDSP",
    "DDSPConfig",
    "Decoder",
    "Excerpts",
    "Features",
    "LearnedReverb",
    "ModelConfig",
    "Pitch",
    "Recording",
    "Stream",
    "Trained",
    "Transferred",
    "features",
    "fit_ddsp",
    "load_ddsp",
    "load_folder",
    "loudness",
    "spectral_loss",
    "track",
    "transfer",
]
