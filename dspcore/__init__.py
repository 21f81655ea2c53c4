"""A differentiable audio engine for PyTorch: exact effects, exact gradients, streaming."""

import gc

# What is imported stays, a million objects of torch's, which Python would look through time and
# again for half a second. At the end they go among its oldest unseen.
_collecting = gc.isenabled()
gc.disable()
try:
    from dspcore import audio, effects, ops, synth
    from dspcore.chain import Chain
    from dspcore.graph import Graph, mix, send
    from dspcore.preset import load_preset, save_preset
finally:
    if _collecting:
        if gc.get_freeze_count() == 0:
            gc.freeze()
            gc.unfreeze()
        gc.enable()

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
