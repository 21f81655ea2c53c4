"""Effects: differentiable modules with declared parameters, one file each.

An effect takes part in presets, the command line and the tests by standing in this list.
"""

from __future__ import annotations

from dspcore.effects.auto_pan import AutoPan
from dspcore.effects.balance import Balance
from dspcore.effects.bitcrusher import Bitcrusher
from dspcore.effects.blend import Blend
from dspcore.effects.cabinet import Cabinet
from dspcore.effects.chorus import Chorus
from dspcore.effects.comb_filter import CombFilter
from dspcore.effects.compressor import Compressor
from dspcore.effects.convolution_reverb import ConvolutionReverb
from dspcore.effects.crossover import Crossover
from dspcore.effects.dc_blocker import DCBlocker
from dspcore.effects.de_esser import DeEsser
from dspcore.effects.delay import Delay
from dspcore.effects.distortion import Distortion
from dspcore.effects.effect import Effect
from dspcore.effects.expander import Expander
from dspcore.effects.flanger import Flanger
from dspcore.effects.formant_filter import FormantFilter
from dspcore.effects.freeverb import Freeverb
from dspcore.effects.gain import Gain
from dspcore.effects.gate import Gate
from dspcore.effects.graphic_eq import GraphicEQ, GraphicEQ31
from dspcore.effects.ladder_filter import LadderFilter
from dspcore.effects.limiter import Limiter
from dspcore.effects.mid_side import MidSide
from dspcore.effects.multi_tap_delay import MultiTapDelay
from dspcore.effects.multiband_compressor import MultibandCompressor
from dspcore.effects.noise_reverb import NoiseReverb
from dspcore.effects.panner import Panner
from dspcore.effects.param import Choice, File, Param
from dspcore.effects.parametric_eq import ParametricEQ, by_bells, parametric_eq
from dspcore.effects.phaser import Phaser
from dspcore.effects.plate import Plate
from dspcore.effects.polarity import Polarity
from dspcore.effects.reverb import Reverb
from dspcore.effects.ring_modulator import RingModulator
from dspcore.effects.rotary_speaker import RotarySpeaker
from dspcore.effects.state_variable_filter import StateVariableFilter
from dspcore.effects.stream import Stream
from dspcore.effects.tilt_eq import TiltEQ
from dspcore.effects.transient_shaper import TransientShaper
from dspcore.effects.tremolo import Tremolo
from dspcore.effects.vibrato import Vibrato
from dspcore.effects.widener import Widener
from dspcore.errors import UserError, nearest

__all__ = [
    "AutoPan",
    "Balance",
    "Bitcrusher",
    "Blend",
    "Cabinet",
    "Choice",
    "Chorus",
    "CombFilter",
    "Compressor",
    "ConvolutionReverb",
    "Crossover",
    "DCBlocker",
    "DeEsser",
    "Delay",
    "Distortion",
    "Effect",
    "Expander",
    "File",
    "Flanger",
    "FormantFilter",
    "Freeverb",
    "Gain",
    "Gate",
    "GraphicEQ",
    "GraphicEQ31",
    "LadderFilter",
    "Limiter",
    "MidSide",
    "MultiTapDelay",
    "MultibandCompressor",
    "NoiseReverb",
    "Panner",
    "Param",
    "ParametricEQ",
    "Phaser",
    "Plate",
    "Polarity",
    "Reverb",
    "RingModulator",
    "RotarySpeaker",
    "StateVariableFilter",
    "Stream",
    "TiltEQ",
    "TransientShaper",
    "Tremolo",
    "Vibrato",
    "Widener",
    "by_name",
    "names",
    "parametric_eq",
]


def names() -> dict[str, type[Effect]]:
    """Every effect in the list above by the name that presets and the command line use."""
    listed = (globals()[name] for name in __all__)
    types = [item for item in listed if isinstance(item, type) and issubclass(item, Effect)]
    return {item.name: item for item in types if item is not Effect}


def by_name(name: str) -> type[Effect]:
    """The effect with that name or alias; `UserError` with the nearest names when there is none."""
    known = names()
    for item in known.values():
        if name in (item.name, *item.aliases):
            return item
    if (made := by_bells(name)) is not None:
        return made
    aliases = [alias for item in known.values() for alias in item.aliases]
    raise UserError(f"unknown effect {name!r}; {nearest(name, [*known, *aliases])}")
