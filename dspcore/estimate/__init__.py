"""Frequencies, amplitudes, phases and dampings from audio."""

from dspcore.estimate.bound import frequency_bound
from dspcore.estimate.esprit import esprit
from dspcore.estimate.fft_peaks import fft_peaks
from dspcore.estimate.init_bank import init_bank
from dspcore.estimate.init_chain import ChainStart, init_chain
from dspcore.estimate.landscape import Landscape, landscape
from dspcore.estimate.matching_pursuit import Atoms, matching_pursuit
from dspcore.estimate.nomp import nomp
from dspcore.estimate.particles import particles
from dspcore.estimate.polish import varpro_polish
from dspcore.estimate.result import Estimate
from dspcore.estimate.surrogate import surrogate
from dspcore.estimate.surrogate_reseed import surrogate_reseed
from dspcore.estimate.tracks import Tracks, tracks

__all__ = [
    "Atoms",
    "ChainStart",
    "Estimate",
    "Landscape",
    "Tracks",
    "esprit",
    "fft_peaks",
    "frequency_bound",
    "init_bank",
    "init_chain",
    "landscape",
    "matching_pursuit",
    "nomp",
    "particles",
    "surrogate",
    "surrogate_reseed",
    "tracks",
    "varpro_polish",
]
