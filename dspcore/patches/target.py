"""A recording made fit for matching: mono, the synth's rate, from its onset, a known level."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dspcore.data.shards import resampled
from dspcore.ddsp import features
from dspcore.loudness import loudness
from dspcore.patches.estimator import check_target

#: The onset is where the sound first comes within this of its peak.
_ONSET_DB = -40.0


@dataclass(frozen=True)
class Target:
    """What is matched.

    Attributes:
        sound: (1, t) at the synth's rate.
        sample_rate: In Hz.
        gain_db: What it was turned up by.
        transposed: Semitones that it was moved by, to meet the pitch that the synth plays.
        pitch_hz: Found in the recording; None where there is none.
        notes: Sentences that a reader should know.
    """

    sound: Tensor
    sample_rate: int
    gain_db: float
    transposed: float
    pitch_hz: float | None
    notes: tuple[str, ...]


def prepared(
    sound: Tensor,
    sample_rate: int,
    *,
    wanted_rate: int,
    seconds: float,
    pitch: int,
    lufs: float | None = None,
    transpose: bool = True,
) -> Target:
    """Make a recording fit for matching.

    Args:
        sound: (c, t).
        sample_rate: Its own, in Hz.
        wanted_rate: The synth's.
        seconds: Of the synth's sounds; the target is cut or filled with silence to it.
        pitch: MIDI number of the note that the synth plays.
        lufs: Loudness that it is brought to; as it is when left out.
        transpose: Play it faster or slower, by half an octave at most, until its pitch is the
            synth's or octaves from it, where it has one.

    Raises:
        UserError: It is silent, empty, or not finite.
    """
    notes = check_target(sound, "target")
    mono = sound.mean(0, keepdim=True).float()
    check_target(mono, "target (mean of its channels)")
    mono = mono[:, int((mono[0].abs() > mono.abs().max() * 10 ** (_ONSET_DB / 20)).nonzero()[0]) :]
    found = pitch_of(mono[0], sample_rate)
    moved, rate = 0.0, sample_rate
    if transpose and found is not None:
        # To the nearest octave of the note: more would change its length and formants too much.
        moved = (pitch - (69 + 12 * math.log2(found / 440)) + 6) % 12 - 6
        rate = round(sample_rate * 2 ** (moved / 12))
        notes.append(
            f"its pitch of {found:.1f} Hz was moved by {moved:+.1f} semitones to an octave of the "
            f"note {pitch} that the synth was learnt with, by playing it at another speed: "
            "formants move along"
        )
    elif found is None:
        notes.append("no steady pitch was found in it: it is matched as it is")
    ready = resampled(mono, rate, wanted_rate)
    length = round(seconds * wanted_rate)
    if ready.shape[1] > length:
        notes.append(
            f"of its {ready.shape[1] / wanted_rate:.2f} s the first {seconds:g} are matched"
        )
    ready = torch.nn.functional.pad(ready[:, :length], (0, max(0, length - ready.shape[1])))
    gain = 0.0
    own = loudness(ready, wanted_rate)
    if lufs is not None and math.isfinite(own):
        gain = max(-40.0, min(40.0, lufs - own))
    return Target(ready * 10 ** (gain / 20), wanted_rate, gain, moved, found, tuple(notes))


def pitch_of(sound: Tensor, sample_rate: int) -> float | None:
    """The median fundamental of a sound (t,) in Hz; None where less than a fifth is voiced."""
    if len(sound) < sample_rate // 20:
        return None
    low = 40.0
    found = features(sound, sample_rate, max(1, sample_rate // 100), min_hz=low, max_hz=1_500.0)
    loud = found.loudness_db > found.loudness_db.max() - 30
    voiced = found.voiced & loud
    if float(voiced.sum()) < max(3.0, 0.2 * float(loud.sum())):
        return None
    return float(found.f0_hz[voiced].median())
