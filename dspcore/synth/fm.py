"""Frequency modulation: operators wired by an algorithm, and the voice of four of them."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn

from dspcore import ops
from dspcore.effects.param import Choice, Param
from dspcore.ops.fm import FmState
from dspcore.synth.envelopes import adsr
from dspcore.synth.lfo import lfo
from dspcore.synth.voices import Voices, VoiceSynth, decibels

#: Wirings of four operators: (modulator, carrier) pairs, and the operators that are heard.
#: Operator 4 modulates itself; a modulator has a higher number than what it modulates.
ALGORITHMS: dict[str, tuple[tuple[tuple[int, int], ...], tuple[int, ...]]] = {
    "stack": (((4, 3), (3, 2), (2, 1)), (1,)),
    "fork": (((4, 2), (3, 2), (2, 1)), (1,)),
    "branch": (((4, 1), (3, 2), (2, 1)), (1,)),
    "fan_in": (((4, 1), (3, 1), (2, 1)), (1,)),
    "stack_pair": (((4, 3), (3, 2)), (1, 2)),
    "two_stacks": (((4, 3), (2, 1)), (1, 3)),
    "fan_out": (((4, 3), (4, 2), (4, 1)), (1, 2, 3)),
    "one_stack": (((4, 3),), (1, 2, 3)),
    "organ": ((), (1, 2, 3, 4)),
}
_COUNT = 4


class FMOperator(nn.Module):
    """One sine that moves itself and may be moved: ``y[t] = a sin(2 pi p[t] + b y[t-1] + m[t])``.

    Args:
        sample_rate: In Hz.
        hop_length: Samples from frame to frame of the controls.
    """

    def __init__(self, sample_rate: int = 48_000, hop_length: int = 1) -> None:
        super().__init__()
        self.sample_rate, self.hop_length = sample_rate, hop_length

    def forward(
        self,
        f0_hz: Tensor,
        amplitude: Tensor,
        feedback: Tensor,
        ratio: float = 1.0,
        state: FmState | None = None,
    ) -> tuple[Tensor, FmState]:
        """Sound (b, 1, t) and the state after it.

        Args:
            f0_hz: Of the note, (b, f).
            amplitude: Linear, (b, f).
            feedback: Radians by which its own output moves it, (b, f).
            ratio: Frequency over `f0_hz`.
            state: As the call before returned it.
        """
        y, after = ops.fm(
            (ratio * f0_hz / self.sample_rate)[:, None],
            amplitude[:, None],
            feedback[:, None, None],
            hop=self.hop_length,
            state=state,
        )
        return y[:, None], after


class FMSynth(nn.Module):
    """Operators in an algorithm, frame by frame: the engine under `FM`, for models that predict it.

    Args:
        algorithm: One of `ALGORITHMS`.
        sample_rate: In Hz.
        hop_length: Samples from frame to frame of the controls.
    """

    def __init__(
        self, algorithm: str = "stack", sample_rate: int = 48_000, hop_length: int = 1
    ) -> None:
        super().__init__()
        if algorithm not in ALGORITHMS:
            raise ValueError(
                f"fm: algorithm must be one of {', '.join(ALGORITHMS)}, got {algorithm!r}"
            )
        self.sample_rate, self.hop_length, self.algorithm = sample_rate, hop_length, algorithm
        pairs, heard = ALGORITHMS[algorithm]
        wiring = torch.zeros(_COUNT, _COUNT, dtype=torch.float64)
        for modulator, carrier in pairs:  # operators go from 4 to 1, so that modulators come first
            wiring[_COUNT - carrier, _COUNT - modulator] = 1.0
        carriers = torch.zeros(_COUNT, dtype=torch.float64)
        carriers[[_COUNT - number for number in heard]] = 1.0 / len(heard)
        self.register_buffer("wiring", wiring, persistent=False)
        self.register_buffer("carriers", carriers, persistent=False)
        self.wiring: Tensor
        self.carriers: Tensor

    def forward(
        self,
        f0_hz: Tensor,
        ratios: Tensor,
        levels: Tensor,
        feedback: Tensor,
        num_samples: int | None = None,
        state: FmState | None = None,
    ) -> tuple[Tensor, FmState]:
        """Sound (b, 1, t) and the state after it.

        Args:
            f0_hz: Of the note, (b, f).
            ratios: Frequency of operators 1 to 4 over `f0_hz`, (b, 4) or (b, 4, f).
            levels: Of operators 1 to 4, (b, 4, f): the amplitude where one is heard, radians of
                modulation where it modulates. Their type is that of the sound.
            feedback: Radians by which operator 4 moves itself, (b, f).
            num_samples: Length; to the end of the last frame when left out.
            state: As the call before returned it.
        """
        ratios = ratios if ratios.ndim == 3 else ratios[..., None]
        frequencies = (ratios * f0_hz[:, None] / self.sample_rate).flip(1)
        turned = levels.flip(1)
        amplitudes = turned * self.carriers.to(levels.dtype)[:, None]
        index = self.wiring[..., None] * turned[:, None].double()  # (b, carrier, modulator, f)
        own = torch.zeros_like(index)
        own[:, 0, 0] = feedback.double()
        y, after = ops.fm(
            frequencies, amplitudes, index + own, num_samples, hop=self.hop_length, state=state
        )
        return y[:, None], after


@functools.cache
def _engine(algorithm: str, sample_rate: int, device: torch.device) -> FMSynth:
    return FMSynth(algorithm, sample_rate).to(device)


def _ratio(default: float) -> Param:
    return Param(
        0.25, 16.0, default=default, scale="log", doc="Frequency over the note's.", fine=True
    )


def _level(default: float) -> Param:
    return Param(0.0, 8.0, default=default, doc="Amplitude if heard; radians as a modulator.")


def _time(default: float, doc: str) -> Param:
    return Param(1.0, 5_000.0, default=default, scale="log", doc=doc)


def _sustain(default: float) -> Param:
    return Param(0.0, 1.0, default=default, doc="Share of its level while the key is down.")


class FM(VoiceSynth):
    """Four sine operators that modulate each other's phase, each with its own envelope.

    `ALGORITHMS` says who modulates whom and who is heard. Velocity is the amplitude. Times of
    envelopes are those when the note began; the release is the same for all operators.

    Source: J. Chowning, "The Synthesis of Complex Audio Spectra by Means of Frequency Modulation",
    JAES 21(7), 1973.
    """

    held = (
        *(f"op{n}_{part}" for n in (1, 2, 3, 4) for part in ("attack_ms", "decay_ms", "sustain")),
        "release_ms",
    )

    algorithm = Choice(*ALGORITHMS, default="two_stacks", doc="Who modulates whom.")

    op1_ratio, op1_level = _ratio(1.0), _level(1.0)
    op1_attack_ms = _time(3.0, "Rise of operator 1.")
    op1_decay_ms = _time(900.0, "Fall to its sustained level.")
    op1_sustain = _sustain(0.4)
    op2_ratio, op2_level = _ratio(1.0), _level(1.5)
    op2_attack_ms = _time(3.0, "Rise of operator 2.")
    op2_decay_ms = _time(400.0, "Fall to its sustained level.")
    op2_sustain = _sustain(0.2)
    op3_ratio, op3_level = _ratio(2.0), _level(0.5)
    op3_attack_ms = _time(3.0, "Rise of operator 3.")
    op3_decay_ms = _time(600.0, "Fall to its sustained level.")
    op3_sustain = _sustain(0.2)
    op4_ratio, op4_level = _ratio(7.0), _level(0.8)
    op4_attack_ms = _time(3.0, "Rise of operator 4.")
    op4_decay_ms = _time(150.0, "Fall to its sustained level.")
    op4_sustain = _sustain(0.0)
    feedback = Param(0.0, 1.5, default=0.1, doc="Radians by which operator 4 moves itself.")
    release_ms = _time(300.0, "How long a note rings once the key is up.")
    lfo_hz = Param(0.05, 20.0, default=5.0, scale="log", doc="Swings a second.")
    vibrato_cents = Param(0.0, 200.0, default=0.0, doc="How far the LFO moves the pitch.")
    gain_db = Param(-60.0, 12.0, default=-12.0, doc="Level of a note of full velocity.")

    def voice(
        self, notes: Voices, samples: int, params: dict[str, Tensor], state: Any
    ) -> tuple[Tensor, Any]:
        """Envelopes per operator, then all of them at once."""
        state = state or {"lfo": None, "fm": None}
        p, rate, count = params, self.sample_rate, len(notes.pitch)
        numbers = (1, 2, 3, 4)
        attack, decay, sustain = [
            torch.cat([p[f"op{n}_{part}"].expand(count, 1) for n in numbers])
            for part in ("attack_ms", "decay_ms", "sustain")
        ]
        four = adsr(
            attack,
            decay,
            sustain,
            p["release_ms"].repeat(4, 1).expand(4 * count, 1),
            notes.gate.repeat(4, 1),
            samples,
            sample_rate=rate,
            start=notes.age,
        ).unflatten(0, (4, count))
        levels = [p[f"op{n}_level"] * e for n, e in zip(numbers, four, strict=True)]
        swing, after_lfo = lfo(
            p["lfo_hz"].expand(count, -1), samples, sample_rate=rate, state=state["lfo"]
        )
        hz = notes.hz * 2 ** (p["vibrato_cents"] * swing / 1200)
        engine = _engine(self.algorithm, rate, hz.device)
        ratios = torch.stack(torch.broadcast_tensors(*(p[f"op{n}_ratio"] for n in numbers)), 1)
        y, after = engine(
            hz,
            ratios,
            torch.stack(levels, 1).to(self._like.dtype),
            p["feedback"].expand(count, samples),
            samples,
            state["fm"],
        )
        loud = decibels(p["gain_db"]) * notes.velocity
        return y * loud[:, None].to(y.dtype), {"lfo": after_lfo, "fm": after}

    def release_seconds(self, params: dict[str, Tensor]) -> Tensor:
        """The release of every operator."""
        return params["release_ms"] / 1000
