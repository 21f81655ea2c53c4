"""The classic polyphonic synthesiser: two oscillators, noise, a ladder, two envelopes, an LFO."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.param import Choice, Param
from dspcore.ops.ladder import MODES
from dspcore.ops.oscillator import SHAPES
from dspcore.synth.envelopes import adsr
from dspcore.synth.lfo import lfo
from dspcore.synth.voices import Voices, VoiceSynth, decibels

_HIGHEST = 0.45  # of the sample rate, where the ladder's corner stops


def _time(default: float, doc: str) -> Param:
    return Param(1.0, 5_000.0, default=default, scale="log", doc=doc)


class Subtractive(VoiceSynth):
    """Two waves without aliases, detuned, and noise, through a ladder that an envelope opens.

    The corner of voice v is ``cutoff_hz 2^(filter_octaves e + lfo_octaves l + tracking (pitch - 60)
    / 12)`` with e the filter's envelope and l the LFO, which begins with each note. Velocity is the
    amplitude. Times of envelopes are those when the note began.
    """

    aliases = ("analog",)
    held = ("attack_ms", "decay_ms", "sustain", "release_ms", "filter_attack_ms",
            "filter_decay_ms", "filter_sustain", "filter_release_ms")  # fmt: skip

    wave_1 = Choice(*SHAPES, default="saw", doc="Wave of the first oscillator.")
    wave_2 = Choice(*SHAPES, default="saw", doc="Wave of the second oscillator.")
    filter = Choice(*MODES, default="lowpass_24", doc="What the ladder leaves, with dB an octave.")

    balance = Param(0.0, 1.0, default=0.5, doc="First oscillator alone at 0, second at 1.")
    detune_cents = Param(-1_200.0, 1_200.0, default=7.0, doc="Of the second oscillator.", fine=True)
    width = Param(0.05, 0.95, default=0.5, doc="Part of a cycle that a pulse is up.")
    noise = Param(0.0, 1.0, default=0.0, doc="White noise beside the oscillators.")
    cutoff_hz = Param(20.0, 20_000.0, default=900.0, scale="log", doc="Corner of the ladder.")
    resonance = Param(0.0, 1.0, default=0.3, doc="On the verge of singing at 1.")
    tracking = Param(0.0, 1.0, default=0.5, doc="How far the corner follows the pitch.")
    filter_octaves = Param(-4.0, 8.0, default=3.0, doc="How far its envelope moves the corner.")
    filter_attack_ms = _time(5.0, "Of the filter's envelope.")
    filter_decay_ms = _time(400.0, "Of the filter's envelope.")
    filter_sustain = Param(0.0, 1.0, default=0.2, doc="Of the filter's envelope.")
    filter_release_ms = _time(300.0, "Of the filter's envelope.")
    attack_ms = _time(5.0, "How long a note rises.")
    decay_ms = _time(300.0, "How long it falls to the sustained level.")
    sustain = Param(0.0, 1.0, default=0.7, doc="Level while the key is down.")
    release_ms = _time(200.0, "How long it rings once the key is up.")
    lfo_hz = Param(0.05, 20.0, default=5.0, scale="log", doc="Swings a second.")
    vibrato_cents = Param(0.0, 200.0, default=0.0, doc="How far the LFO moves the pitch.")
    lfo_octaves = Param(0.0, 4.0, default=0.0, doc="How far the LFO moves the corner.")
    gain_db = Param(-60.0, 12.0, default=-12.0, doc="Level of a note of full velocity.")

    def voice(
        self, notes: Voices, samples: int, params: dict[str, Tensor], state: Any
    ) -> tuple[Tensor, Any]:
        """Oscillators, ladder, level."""
        state = state or {"lfo": None, "one": None, "two": None, "ladder": None}
        p, dtype, rate = params, self._like.dtype, self.sample_rate
        swing, after_lfo = lfo(
            p["lfo_hz"].expand(len(notes.pitch), -1), samples, sample_rate=rate, state=state["lfo"]
        )
        count = len(notes.pitch)
        attack, decay, sustain, release = [
            torch.cat([p[f"{which}{part}"].expand(count, 1) for which in ("filter_", "")])
            for part in ("attack_ms", "decay_ms", "sustain", "release_ms")
        ]
        opened, shaped = adsr(  # of the filter, and of the level
            attack,
            decay,
            sustain,
            release,
            notes.gate.repeat(2, 1),
            samples,
            sample_rate=rate,
            start=notes.age,
        ).unflatten(0, (2, count))
        hz = (notes.hz * (p["vibrato_cents"] * (math.log(2) / 1200) * swing).exp()) / rate
        width = p["width"].expand(-1, samples)
        level = (1 - p["balance"], p["balance"])
        first, after_1 = ops.oscillator(
            hz, level[0].expand_as(hz).to(dtype), samples,
            shape=self.wave_1, phase=state["one"], width=width,
        )  # fmt: skip
        hz_2 = hz * 2 ** (p["detune_cents"] / 1200)
        second, after_2 = ops.oscillator(
            hz_2, level[1].expand_as(hz).to(dtype), samples,
            shape=self.wave_2, phase=state["two"], width=width,
        )  # fmt: skip
        white = ops.noise(
            torch.ones_like(notes.pitch, dtype=dtype), samples, seed=0,
            start=notes.age, stream=notes.number,
        )[:, 0]  # fmt: skip
        mixed = first + second + p["noise"].to(dtype) * white
        octaves = (
            p["filter_octaves"] * opened
            + p["lfo_octaves"] * swing
            + p["tracking"] * (notes.pitch - 60) / 12
        )
        corner = (p["cutoff_hz"] / rate * (octaves * math.log(2)).exp()).clamp(5.0 / rate, _HIGHEST)
        out, after_ladder = ops.ladder(
            mixed[:, None], corner[:, None], 3.9 * p["resonance"][:, None],
            self.filter, state["ladder"],
        )  # fmt: skip
        loud = decibels(p["gain_db"]) * notes.velocity * shaped
        after = {"lfo": after_lfo, "one": after_1, "two": after_2, "ladder": after_ladder}
        return out * loud[:, None].to(dtype), after

    def release_seconds(self, params: dict[str, Tensor]) -> Tensor:
        """The release of the level."""
        return params["release_ms"] / 1000
