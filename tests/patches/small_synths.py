"""Small instruments whose faults are known, for the tests; worker processes import this file."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from dspcore.blackbox import Parameter, function

HERE = Path(__file__)

LEVEL = Parameter("level", "Level", 0.0, 1.0, 0.5)
COLOUR = Parameter("colour", "Colour", 1.0, 8.0, 2.0, scale="log")
WAVE = Parameter("wave", "Wave", 0.0, 1.0, 0.0, kind="choice", labels=(("sine", 0.0), ("saw", 1.0)))

#: What `fragile` does, by its level.
CRASHES, HANGS, NAN, LOUD = 0.96, 0.04, (0.5, 0.6), (0.7, 0.75)

_renders = 0  # in this process


def _sound(samples: int, rate: int, values: Any, notes: Any) -> Any:
    level, colour, wave = values
    t = np.arange(samples) / rate
    turns = 440.0 * 2 ** ((notes[0].pitch - 69) / 12) * t
    held = t < notes[0].start + notes[0].seconds
    tone = np.sin(2 * np.pi * turns) if wave == 0 else 2 * (turns % 1.0) - 1
    return (level * held * np.tanh(colour * tone))[None].astype(np.float32)


@function(LEVEL, COLOUR, WAVE, inputs=0, notes=True)
def plain(audio: Any, values: Any, rate: int, notes: Any) -> Any:
    """The patch alone decides."""
    return _sound(audio.shape[1], rate, values, notes)


@function(LEVEL, COLOUR, WAVE, inputs=0, notes=True)
def slow(audio: Any, values: Any, rate: int, notes: Any) -> Any:
    """As `plain`, a while later."""
    time.sleep(0.03)
    return _sound(audio.shape[1], rate, values, notes)


@function(LEVEL, COLOUR, WAVE, inputs=0, notes=True)
class Ringing:
    """What was played before rings on in the instance; a reset ends it."""

    def __init__(self, rate: int) -> None:
        self.rate, self.last = rate, 0.0

    def __call__(self, audio: Any, values: Any, notes: Any) -> Any:
        made = _sound(audio.shape[1], self.rate, values, notes)
        rest = self.last * np.sin(np.arange(made.shape[1])).astype(np.float32)
        self.last = float(np.abs(made).max())
        return made + rest


@function(LEVEL, COLOUR, WAVE, inputs=0, notes=True)
def counting(audio: Any, values: Any, rate: int, notes: Any) -> Any:
    """Its phase depends on how much this process has rendered: no new instance mends that."""
    global _renders
    _renders += 1
    return np.roll(_sound(audio.shape[1], rate, values, notes), 7 * _renders, axis=1)


@function(LEVEL, COLOUR, WAVE, inputs=0, notes=True)
def late(audio: Any, values: Any, rate: int, notes: Any) -> Any:
    """As `counting`, but from the third render of a process on."""
    global _renders
    _renders += 1
    return np.roll(_sound(audio.shape[1], rate, values, notes), 7 * max(0, _renders - 2), axis=1)


@function(LEVEL, COLOUR, WAVE, inputs=0, notes=True)
def fragile(audio: Any, values: Any, rate: int, notes: Any) -> Any:
    """Crashes, hangs, returns NaN and is far too loud, by its level."""
    level = values[0]
    if level > CRASHES:
        os.kill(os.getpid(), signal.SIGSEGV)
    if level < HANGS:
        time.sleep(60)
    out = _sound(audio.shape[1], rate, values, notes)
    if NAN[0] < level < NAN[1]:
        out[0, 3] = np.nan
    return out * np.float32(40.0) if LOUD[0] < level < LOUD[1] else out


@function(LEVEL, COLOUR, WAVE, inputs=0, notes=True)
def curious(audio: Any, values: Any, rate: int, notes: Any) -> Any:
    """Plays what it sees of its process: threads, whether torch is there, what OpenMP may use."""
    seen = [len(os.listdir("/proc/self/task")), float("torch" in sys.modules)]
    seen.append(float(os.environ["OMP_NUM_THREADS"]))
    out = np.full(audio.shape[1], 0.5, np.float32)
    out[:3] = np.array(seen) / 16
    return out[None]
