"""Sine networks as modules: layers, chains, trees and banks of waves that are learnt."""

from dspcore.nn.add import AddLayer, AddNetwork
from dspcore.nn.atoms import WindowedSines
from dspcore.nn.chain import SineChain
from dspcore.nn.complex_sinusoids import ComplexSinusoids
from dspcore.nn.fixed import BinaryWaveNetwork, DoubleDutchLayer, FixedWaves, SineWaveLayerInc
from dspcore.nn.gated import SuperSuperSine
from dspcore.nn.layer import FinalSine, SineWaveLayer, SineWaveNetwork
from dspcore.nn.penalties import OnlyIncrease, barrier, num_params
from dspcore.nn.pictures import draw
from dspcore.nn.start import for_clip
from dspcore.nn.tree import WaveTree
from dspcore.nn.warp import Warp
from dspcore.nn.waves import above_nyquist, canonical, phase_distance, time_axis, wave

__all__ = [
    "AddLayer",
    "AddNetwork",
    "BinaryWaveNetwork",
    "ComplexSinusoids",
    "DoubleDutchLayer",
    "FinalSine",
    "FixedWaves",
    "OnlyIncrease",
    "SineChain",
    "SineWaveLayer",
    "SineWaveLayerInc",
    "SineWaveNetwork",
    "SuperSuperSine",
    "Warp",
    "WaveTree",
    "WindowedSines",
    "above_nyquist",
    "barrier",
    "canonical",
    "draw",
    "for_clip",
    "num_params",
    "phase_distance",
    "time_axis",
    "wave",
]
