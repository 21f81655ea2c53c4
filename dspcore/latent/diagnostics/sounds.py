"""What a model is fed: rates that are not what they say, copies on both sides, padding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from dspcore.data.alike import LENGTHS, SAME, picture_of
from dspcore.data.facts import content_rate

#: A clip is quieter than this after its end.
_QUIET = 10 ** (-80 / 20)


@dataclass(frozen=True)
class Side:
    """Clips of one side of a split: sounds (c, t), each as long as it is, and their names."""

    sounds: Sequence[Tensor]
    names: Sequence[str]


def data_facts(training: Side, validation: Side, sample_rate: int, samples: int) -> dict[str, Any]:
    """What `dspcore.latent.advice` asks of the data of a run, for its data.json.

    Args:
        training: The clips that the model learns from (or some hundreds of them).
        validation: The clips that are held out.
        sample_rate: That they are said to have, in Hz.
        samples: Length that they are padded to.

    Returns:
        ``clips``, ``validation_clips``, ``sample_rate``, ``padding`` (share of what the model gets
        that is padding or silence at the end), ``likely_rates`` (rate: count, of clips that end at
        half of a lower usual rate), and ``duplicates`` (validation, training, likeness).
    """
    everything = [*training.sounds, *validation.sounds]
    lengths = [min(_sounding(sound), samples) for sound in everything]
    rates = Counter(
        found
        for sound, length in zip(everything, lengths, strict=True)
        if length and (found := content_rate(_mono(sound)[:length], sample_rate))
    )
    return {
        "clips": len(everything),
        "validation_clips": len(validation.sounds),
        "sample_rate": sample_rate,
        "padding": 1 - sum(lengths) / max(1, samples * len(lengths)),
        "likely_rates": {str(rate): count for rate, count in sorted(rates.items())},
        "duplicates": _copies(training, validation, sample_rate),
    }


def _copies(training: Side, validation: Side, sample_rate: int) -> list[dict[str, Any]]:
    """The most alike training clip of each validation clip that has a copy there."""
    if not len(training.sounds) or not len(validation.sounds):
        return []
    cut = [[_mono(s)[: _heard(s)] for s in side.sounds] for side in (training, validation)]
    pictures = [np.stack([picture_of(sound, sample_rate) for sound in side]) for side in cut]
    likeness = pictures[1] @ pictures[0].T
    long = [np.array([len(sound) for sound in side]) for side in cut]
    apart = np.abs(long[1][:, None] - long[0][None])
    allowed = np.maximum(LENGTHS * np.maximum(long[1][:, None], long[0][None]), 0.01 * sample_rate)
    likeness = np.where(apart <= allowed, likeness, -1.0)
    return [
        {
            "validation": validation.names[i],
            "training": training.names[j],
            "likeness": float(likeness[i, j]),
        }
        for i, j in enumerate(likeness.argmax(1).tolist())
        if likeness[i, j] >= SAME
    ]


def _mono(sound: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.asarray(sound.detach().cpu().float().mean(0).numpy(), np.float32)


def _heard(sound: Tensor) -> int:
    """Samples until it stays 50 dB below its own peak, whatever its level; one at least."""
    return max(1, _sounding(sound, 10 ** (-50 / 20) * float(sound.abs().max())))


def _sounding(sound: Tensor, quiet: float = _QUIET) -> int:
    """Samples until it stays 80 dB below full scale, or another level."""
    loud = (sound.abs().amax(0) > quiet).nonzero()
    return int(loud[-1]) + 1 if len(loud) else 0
