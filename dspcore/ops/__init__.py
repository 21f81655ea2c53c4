"""Exact differentiable building blocks of audio DSP, on CPU and CUDA."""

from dspcore.ops import design
from dspcore.ops._record import RECORDS
from dspcore.ops.allpole import allpole
from dspcore.ops.antialiased import antialiased
from dspcore.ops.compressor import compressor_gain
from dspcore.ops.delay import delay
from dspcore.ops.envelope import envelope
from dspcore.ops.sinusoids import sinusoids
from dspcore.ops.sosfilt import sosfilt

__all__ = [
    "RECORDS",
    "allpole",
    "antialiased",
    "compressor_gain",
    "delay",
    "design",
    "envelope",
    "sinusoids",
    "sosfilt",
]
