"""Functions declared as plug-ins; workers import this file."""

from __future__ import annotations

import numpy as np

from dspcore.blackbox import Parameter, function

GAIN = Parameter("g", "Gain", 0.0, 1.0, 0.5)
DRIVE = Parameter("d", "Drive", 0.0, 1.0, 0.5)


@function(GAIN, DRIVE)
def tanh_gain(audio, values, sample_rate):
    return values[0] * np.tanh((1 + 9 * values[1]) * audio.astype(np.float64))


@function(Parameter("amount", "Amount", 0.0, 1.0, 0.5))
def bent(audio, values, sample_rate):
    """What is heard rises in stairs of 1/64, as where a plug-in reads seven bits."""
    stair = np.floor(values[0] * 64) / 64
    return np.sin((1 + 40 * stair) * audio.astype(np.float64))


@function(
    Parameter("time", "Time", 1, 2000, 240, "samples", kind="integer"),
    Parameter("mix", "Mix", 0.0, 1.0, 0.5),
)
class Repeat:
    """One repetition; remembers what it has heard."""

    def __init__(self, sample_rate):
        self.past = np.zeros((1, 2000), np.float32)

    def __call__(self, audio, values):
        whole = np.concatenate([self.past, audio], axis=1)
        samples, first = audio.shape[1], 2000 - int(values[0])
        self.past = whole[:, samples:]
        return audio + np.float32(values[1]) * whole[:, first : first + samples]


@function(
    Parameter("corner", "Corner", 20.0, 20_000.0, 8_000.0, "Hz", "log"),
    Parameter("type", "Type", 0, 1, 0, kind="choice", labels=(("soft", 0.0), ("hard", 1.0))),
    Parameter("class", "Class", 0, 1, 1, kind="switch"),
    Parameter("process", "Process", 0, 1, 0.25),
    Parameter("steps", "Steps", 2, 5, 3, kind="choice"),
    Parameter("stuck", "Stuck", 1.0, 1.0, 1.0),
    inputs=2,
    outputs=2,
    latency=7,
)
def many(audio, values, sample_rate):
    """Every value comes out as a level: the first five samples on the left."""
    made = audio.copy()
    made[0, :6] = values
    return made


@function(DRIVE, inputs=3, outputs=2)
def side_chain(audio, values, sample_rate):
    return audio[:2] + audio[2:]


@function(
    Parameter("tune", "Tune", 0.5, 2.0, 1.0),
    Parameter("level", "Level", 0.0, 1.0, 0.5),
    inputs=0,
    outputs=2,
    notes=True,
)
def sines(audio, values, sample_rate, notes):
    seconds = np.arange(audio.shape[1]) / sample_rate
    made = np.zeros_like(seconds)
    for note in notes:
        hz = values[0] * 440.0 * 2 ** ((note.pitch - 69) / 12)
        on = (seconds >= note.start) & (seconds < note.start + note.seconds)
        made += values[1] * on * np.sin(2 * np.pi * hz * (seconds - note.start))
    return np.stack([made, made])


def plain(audio, values, sample_rate):
    return audio
