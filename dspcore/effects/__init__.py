"""Effects: differentiable modules with declared parameters, one file each.

An effect takes part in presets, the command line and the tests by standing in this list.
"""

from __future__ import annotations

from dspcore.effects.compressor import Compressor
from dspcore.effects.delay import Delay
from dspcore.effects.distortion import Distortion
from dspcore.effects.effect import Effect, Stream
from dspcore.effects.gain import Gain
from dspcore.effects.panner import Panner
from dspcore.effects.param import Choice, Param
from dspcore.effects.parametric_eq import ParametricEQ
from dspcore.effects.reverb import Reverb
from dspcore.effects.widener import Widener
from dspcore.errors import UserError, nearest

__all__ = [
    "Choice",
    "Compressor",
    "Delay",
    "Distortion",
    "Effect",
    "Gain",
    "Panner",
    "Param",
    "ParametricEQ",
    "Reverb",
    "Stream",
    "Widener",
    "by_name",
    "names",
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
    aliases = [alias for item in known.values() for alias in item.aliases]
    raise UserError(f"unknown effect {name!r}; {nearest(name, [*known, *aliases])}")
