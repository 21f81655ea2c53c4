"""A differentiable audio engine for PyTorch: exact effects, exact gradients, streaming."""

from dspcore import audio, effects, ops, synth
from dspcore.chain import Chain
from dspcore.graph import Graph, mix, send
from dspcore.preset import load_preset, save_preset

__version__ = "0.1.0"
__all__ = [
    "Chain",
    "Graph",
    "__version__",
    "audio",
    "effects",
    "load_preset",
    "mix",
    "ops",
    "save_preset",
    "send",
    "synth",
]
