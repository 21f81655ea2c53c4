"""A differentiable audio engine for PyTorch: exact effects, exact gradients, streaming."""

from dspcore import audio, effects, ops
from dspcore.chain import Chain
from dspcore.preset import load_preset, save_preset

__version__ = "0.1.0"
__all__ = ["Chain", "__version__", "audio", "effects", "load_preset", "ops", "save_preset"]
