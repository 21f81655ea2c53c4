"""A recording played by a decoder: its melody and its dynamics, another timbre."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from dspcore.ddsp.data import Recording, heard
from dspcore.ddsp.features import FLOOR_DB, features, loudness
from dspcore.ddsp.model import DDSP
from dspcore.errors import UserError

#: What the decoder plays too quietly is raised by no more than this.
_MOST_RAISED_DB = 12.0


class Transferred(NamedTuple):
    """What came of a transfer."""

    sound: Tensor  # (1, t)
    recording: Recording
    octaves: float  # by which the pitch was moved
    gain_db: float  # by which the loudness was


def transfer(
    model: DDSP,
    sound: Tensor,
    *,
    name: str = "recording",
    octaves: float | None = None,
    loudness_db: float | None = None,
    room: bool = True,
    min_hz: float = 50.0,
    max_hz: float = 1_000.0,
) -> Transferred:
    """Play the pitch and the loudness of `sound` (t,), at the model's rate, with the decoder.

    Args:
        model: A trained decoder.
        sound: One voice or instrument that plays one note at a time.
        name: What a report calls it.
        octaves: By which the pitch is moved; to the whole octave nearest to what the decoder has
            heard when left out.
        loudness_db: Added to the loudness; when left out, its mean becomes what the decoder has
            heard.
        room: Whether the learnt room is heard; it fills pauses.
        min_hz: Lowest fundamental that is looked for.
        max_hz: Highest.

    Raises:
        UserError: There is no pitch in it.
    """
    config = model.config
    found = features(sound, config.sample_rate, config.hop_length, min_hz=min_hz, max_hz=max_hz)
    where = heard(found)
    if not bool(where.any()):
        raise UserError(f"{name}: has no pitch from {min_hz:g} to {max_hz:g} Hz to play")
    f0, mean, spread = (float(x) for x in model.heard)
    if octaves is None:
        octaves = float(round(math.log2(f0 / float(found.f0_hz[where].median()))))
    gain = mean - float(found.loudness_db[where].mean()) if loudness_db is None else loudness_db
    told = (found.loudness_db + gain).clamp(min=FLOOR_DB)
    told = torch.where(found.loudness_db > FLOOR_DB + 0.5, told, FLOOR_DB)  # silence stays silent
    f0_hz = (found.f0_hz * 2**octaves)[None]
    with torch.no_grad():
        controls = _followed(model, f0_hz, told[None], (mean - 2 * spread, mean + 2 * spread))
        made = model.sound(controls, room=room)
    return Transferred(made[0, :, : len(sound)], Recording(name, sound, found), octaves, gain)


def _followed(
    model: DDSP, f0_hz: Tensor, told: Tensor, met: tuple[float, float]
) -> dict[str, Tensor]:
    """Controls for the loudness `told` (1, f), from a network that hears levels it has met.

    What lies outside of them, pauses above all, it would answer by guessing.
    """
    config = model.config
    controls, _ = model.controls(f0_hz, told.clamp(*met))
    dry = model.sound(controls, room=False)
    played = loudness(dry[:, 0], config.sample_rate, config.hop_length)
    gain_db = (told - played).clamp(max=_MOST_RAISED_DB)
    gain = torch.where(told > FLOOR_DB, 10 ** (gain_db / 20), 0.0)[..., None]
    for name in ("amplitudes", "magnitudes"):
        controls[name] = controls[name] * gain
    return controls
