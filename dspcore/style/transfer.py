"""One recording in the style of another, through an effect."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dspcore.chain import Chain
from dspcore.errors import UserError
from dspcore.loudness import loudness
from dspcore.rack import Rack
from dspcore.style.clips import PEAK, SILENT, resampled
from dspcore.style.controller import Controller
from dspcore.style.metrics import measures
from dspcore.style.rendering import AnyEffect, render


@dataclass(frozen=True)
class Transfer:
    """What came of it.

    Attributes:
        effect: With the settings found, at the input's sample rate; None where the controller uses
            none.
        dry: The input as the effect heard it, (c, t).
        reference: As given, at its own sample rate, (c, t).
        result: The input in the reference's style, (c, t).
        p: The settings in [0, 1], (num_params,).
        windows: How many stretches of both were listened to.
        reference_rate: Of the reference, in Hz.
    """

    effect: Rack | None
    dry: Tensor
    reference: Tensor
    result: Tensor
    p: Tensor | None
    windows: int
    reference_rate: int

    def distances(self, sample_rate: int) -> dict[str, tuple[float, float]]:
        """How far input and result are from the reference in what does not need the same notes."""
        found = {}
        goal = resampled(self.reference.mean(0), self.reference_rate, sample_rate)[None, None]
        for name in ("SCE Hz", "CFE dB", "RMS dB"):
            measure = measures(sample_rate)[name]
            pair = [float(measure(x.mean(0)[None, None], goal)) for x in (self.dry, self.result)]
            found[name] = (pair[0], pair[1])
        wanted = loudness(self.reference, self.reference_rate)  # of all channels, as pages show it
        far = [abs(loudness(x, sample_rate) - wanted) for x in (self.dry, self.result)]
        found["LUFS"] = (far[0], far[1])
        return found


def transfer(
    controller: Controller,
    dry: Tensor,
    reference: Tensor,
    *,
    sample_rate: int,
    reference_rate: int | None = None,
    effect: AnyEffect | None = None,
    windows: int = 8,
) -> Transfer:
    """Render `dry` in the style of `reference`.

    The controller listens to the loudest stretches of both, as long as those it learnt from, at the
    rate it learnt at; the settings are the mean over them. The input is brought to the level
    that it learnt with, a peak of -12 dBFS: what compressors and distortions do depends on it.

    Args:
        controller: Prepared, or loaded by `load_head`.
        dry: (c, t).
        reference: (c, t'), another performance or instrument perhaps.
        sample_rate: Of `dry`, in Hz.
        reference_rate: Of `reference`; the same when left out.
        effect: The effect at `sample_rate`, where the controller's own has another.
        windows: Stretches that are listened to.

    Raises:
        UserError: A sound is silent, or shorter than the controller's encoder listens to; the
            effect has another sample rate.
    """
    own = controller.effect
    used = effect or own
    if used.sample_rate != sample_rate:
        raise UserError(
            f"style: the sound has {sample_rate} Hz, the effect {used.sample_rate} Hz; "
            "resample it, or give the effect at its rate"
        )
    for name, sound in (("input", dry), ("reference", reference)):
        if sound.ndim != 2 or float(sound.abs().max() if sound.numel() else 0.0) < SILENT:
            raise UserError(f"style: the {name} is silent, so there is no style to hear in it")
    dry = PEAK / dry.abs().max() * dry
    rates = (sample_rate, reference_rate or sample_rate)
    size = round(controller.seconds * own.sample_rate)
    cut = [
        _loudest(resampled(sound, rate, own.sample_rate), size, windows)
        for sound, rate in zip((dry, reference), rates, strict=True)
    ]
    count = max(len(part) for part in cut)
    heard = [part[torch.arange(count) % len(part)] for part in cut]
    if used is own:
        made, p = controller.apply(heard[0][:1], heard[1][:1])
    else:
        made, p = None, controller.params(heard[0][:1], heard[1][:1])
    if p is None:  # it makes the sound itself
        made, _ = controller.apply(dry[None], _at(reference, rates)[None])
        return Transfer(None, dry, reference, made[0], None, 1, rates[1])
    mean = controller.params(*heard).mean(0)
    with torch.no_grad():
        sound, good = render(used, dry[None], mean[None])
    if not bool(good.all()):
        raise UserError("style: the effect failed on this input at the settings found")
    values = {name: float(v) for name, v in used.denormalize(mean[None]).items()}
    rack = (
        used.with_values(values) if isinstance(used, Rack) else Chain([used.with_values(**values)])
    )
    dry = dry.expand(sound.shape[1], -1)
    return Transfer(rack, dry, reference, sound[0], mean, count, rates[1])


def _at(sound: Tensor, rates: tuple[int, int]) -> Tensor:
    return resampled(sound, rates[1], rates[0])


def _loudest(sound: Tensor, size: int, count: int) -> Tensor:
    """Stretches (n, c, size) of (c, t) with the most power, in order; all of a short one."""
    if sound.shape[1] <= size:
        return sound[None]
    parts = sound.unfold(1, size, max(1, size // 2)).movedim(1, 0)
    power = parts.square().mean((1, 2))
    kept = power.topk(min(count, int((power > 0.01 * power.max()).sum()))).indices.sort().values
    return parts[kept]
