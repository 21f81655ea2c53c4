"""What effects that follow a level share: what they listen to, time constants, looking ahead."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.effect import Effect
from dspcore.effects.param import Choice

_LOOKAHEAD_MS = {"off": 0.0, "1_ms": 1.0, "2_ms": 2.0, "5_ms": 5.0, "10_ms": 10.0}


def smoothing(time_ms: Tensor, sample_rate: int) -> Tensor:
    """The coefficient whose first-order smoother covers 63 % of a step in `time_ms`."""
    return -torch.expm1(-1000.0 / (time_ms * sample_rate))


def listened(effect: Effect, audio: Tensor, params: dict[str, Tensor]) -> Tensor:
    """The side-chain where there is one, else `audio`; an error where it is not as long."""
    key = params.get("sidechain", audio)
    if key.shape[2] != audio.shape[2]:
        raise ValueError(
            f"{effect.name}: sidechain must be as long as the audio, {audio.shape[2]} samples, "
            f"got {key.shape[2]}"
        )
    return key.to(audio.dtype)


def linked(key: Tensor) -> Tensor:
    """The greatest magnitude over the channels, (b, 1, t): one gain keeps a stereo image still."""
    return key.abs().amax(1, keepdim=True)


def controls(effect: Effect, params: dict[str, Tensor]) -> dict[str, Tensor]:
    """Parameters as ops take them beside (b, c, t): (b, 1, 1) or (b, 1, t)."""
    return {name: value[:, None] for name, value in params.items() if name in effect.params}


def decibels(level: Tensor) -> Tensor:
    """``20 log10 level``, no lower than -120 dB."""
    return 20 * torch.log10(level.clamp(min=1e-6))


def linear(db: Tensor) -> Tensor:
    """``10 ** (db / 20)``."""
    return 10.0 ** (db / 20.0)


def lookahead_choice(*, default: str = "off", off: bool = True) -> Choice:
    """How long the sound waits for its gain."""
    words = [word for word in _LOOKAHEAD_MS if off or word != "off"]
    return Choice(*words, default=default, doc="How far the gain looks ahead; the latency.")


def lookahead_samples(word: str, sample_rate: int) -> int:
    """The latency that a word of `lookahead_choice` stands for."""
    return round(_LOOKAHEAD_MS[word] * sample_rate / 1000)


def delayed(audio: Tensor, samples: int, state: Any) -> tuple[Tensor, Any]:
    """`audio` after `samples`, and the state after; nothing is done where there is no delay."""
    return ops.lookahead(audio, samples, state) if samples else (audio, None)
