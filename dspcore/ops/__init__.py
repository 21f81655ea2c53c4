"""Exact differentiable building blocks of audio DSP, on CPU and CUDA."""

from dspcore.ops import design
from dspcore.ops._record import RECORDS
from dspcore.ops.allpass_chain import allpass_chain
from dspcore.ops.allpole import allpole
from dspcore.ops.antialiased import antialiased, curve_of
from dspcore.ops.comb import comb, schroeder
from dspcore.ops.compressor import compressor_gain
from dspcore.ops.convolve import Partitioned, PartitionState, convolve
from dspcore.ops.delay import delay
from dspcore.ops.envelope import envelope
from dspcore.ops.feedback_compressor import feedback_gain
from dspcore.ops.fir_frames import fir_frames
from dspcore.ops.fm import fm
from dspcore.ops.freeverb import freeverb
from dspcore.ops.gate import gate_gain
from dspcore.ops.harmonics import harmonics
from dspcore.ops.ladder import ladder
from dspcore.ops.lfilter import lfilter
from dspcore.ops.limiter import limiter_gain, lookahead
from dspcore.ops.noise import noise
from dspcore.ops.onepole import onepole
from dspcore.ops.oscillator import oscillator
from dspcore.ops.sine_chain import sine_chain
from dspcore.ops.sine_layer import sine_layer
from dspcore.ops.sinusoids import sinusoids
from dspcore.ops.sosfilt import sosfilt
from dspcore.ops.svf import svf
from dspcore.ops.wavetable import wavetable

__all__ = [
    "RECORDS",
    "PartitionState",
    "Partitioned",
    "allpass_chain",
    "allpole",
    "antialiased",
    "comb",
    "compressor_gain",
    "convolve",
    "curve_of",
    "delay",
    "design",
    "envelope",
    "feedback_gain",
    "fir_frames",
    "fm",
    "freeverb",
    "gate_gain",
    "harmonics",
    "ladder",
    "lfilter",
    "limiter_gain",
    "lookahead",
    "noise",
    "onepole",
    "oscillator",
    "schroeder",
    "sine_chain",
    "sine_layer",
    "sinusoids",
    "sosfilt",
    "svf",
    "wavetable",
]
