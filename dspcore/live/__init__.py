"""Chains played live: engines, devices, and what a hand may change meanwhile."""

from dspcore.live.devices import NullDevice, SoundDevice
from dspcore.live.engines import ENGINES, Engine
from dspcore.live.load import Load
from dspcore.live.player import Player

__all__ = ["ENGINES", "Engine", "Load", "NullDevice", "Player", "SoundDevice"]
