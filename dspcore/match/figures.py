"""The drawings of a report, as PNG bytes: the search, the spectra, the levels."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from dspcore.match.fit import Match
from dspcore.report import drawn

if TYPE_CHECKING:  # matplotlib takes half a second to import and only reports need it
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, np.dtype[np.float64]]

#: What is drawn beneath comes first: where result and reference agree, both are to be seen.
LINES: dict[str, dict[str, Any]] = {
    "dry": {"color": "#9aa3ad", "linewidth": 1.2},
    "reference": {"color": "#8cb8e8", "linewidth": 3.2},
    "result": {"color": "#c2410c", "linewidth": 1.1},
}

_FLOOR_DB = -140.0
_STAGES = ("#f1f5f9", "#ffffff")


def _drawn(height: float) -> Callable[[Callable[[Figure, Match], None]], Callable[[Match], bytes]]:
    """Turns a function that fills a figure (`height` in inches) into one that gives a PNG."""

    def decorate(draw: Callable[[Figure, Match], None]) -> Callable[[Match], bytes]:
        @wraps(draw)
        def finished(match: Match) -> bytes:
            return drawn(lambda figure: draw(figure, match), height)

        return finished

    return decorate


@_drawn(4.6)
def search(figure: Figure, match: Match) -> None:
    """Residual and spectral loss of the best setting, step by step, with the stages marked."""
    history = match.history
    residual, loss = figure.subplots(2, 1, sharex=True)
    steps = np.arange(1, len(history) + 1)
    residual.plot(steps, [max(_FLOOR_DB, db) for _, _, db in history], color="#c2410c")
    residual.set_ylabel("residual, dB")
    loss.plot(steps, [max(1e-9, value) for _, value, _ in history], color="#1d4ed8")
    loss.set_yscale("log")
    loss.set_ylabel("spectral loss")
    loss.set_xlabel("step of the search")
    stages = [(name, len(list(run))) for name, run in groupby(stage for stage, _, _ in history)]
    start = 0.5
    for i, (stage, length) in enumerate(stages):
        for axes in (residual, loss):
            axes.axvspan(start, start + length, color=_STAGES[i % 2], linewidth=0, zorder=0)
        if length > 0.08 * len(history):
            middle, top = start + length / 2, residual.get_xaxis_transform()
            residual.text(middle, 1.02, stage, transform=top, ha="center", color="#475569")
        start += length
    loss.set_xlim(0.5, max(start, 1.5))


@_drawn(5.2)
def spectra(figure: Figure, match: Match) -> None:
    """Level of every sixth of an octave over the whole sound, and how far it is off."""
    rate = match.chain.sample_rate
    levels, difference = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    centres = np.geomspace(min(20.0, rate / 64), 0.49 * rate, 240)
    bands = {name: _bands(sound, rate, centres) for name, sound in _sounds(match).items()}
    for name, line in LINES.items():
        levels.plot(centres, bands[name], label=name, **line)
    top = max(float(band.max()) for band in bands.values())
    levels.set_ylim(max(top - 90, float(bands["reference"].min()) - 5), top + 5)
    levels.set_ylabel("level per 1/6 octave, dB")
    _legend(levels)
    # Where the reference has next to nothing, nobody hears by how much it is missed.
    heard = bands["reference"] > bands["reference"].max() - 80
    off = {name: np.where(heard, bands[name] - bands["reference"], np.nan) for name in bands}
    difference.axhline(0, color=LINES["reference"]["color"], linewidth=3.2)
    difference.plot(centres, off["dry"], label="dry", **LINES["dry"])
    difference.plot(centres, off["result"], label="result", **LINES["result"])
    # The steep end of a cut may be off by far more than all the rest; it must not flatten that.
    reach = 1.5 * float(np.nanpercentile(np.abs([off["dry"], off["result"]]), 95)) + 0.5
    difference.set_ylim(-reach, reach)
    difference.set_ylabel("off by, dB")
    difference.set_xlabel("frequency, Hz")
    _octaves(difference, rate)


@_drawn(3.8)
def levels(figure: Figure, match: Match) -> None:
    """Level of short windows over time, and that of what is still different."""
    rate, samples = match.chain.sample_rate, match.reference.shape[1]
    size = max(1, min(samples, round(rate * max(0.05, samples / rate / 400))))
    axes = figure.subplots()
    sounds = _sounds(match)
    missed = match.result - match.reference
    drawn = {name: _windows(sound, size) for name, sound in sounds.items()}
    places = (np.arange(len(drawn["dry"])) + 0.5) * size / rate
    for name, line in LINES.items():
        axes.plot(places, drawn[name], label=name, **line)
    error = _windows(missed, size)
    label = "result minus reference"
    axes.plot(places, error, label=label, color="#111827", linewidth=0.9, linestyle=":")
    top = max(float(level.max()) for level in drawn.values())
    axes.set_ylim(max(_FLOOR_DB, min(top - 60, float(np.median(error)) - 10)), top + 5)
    axes.set_xlim(0, samples / rate)
    axes.set_ylabel(f"level in windows of {1000 * size / rate:.0f} ms, dBFS")
    axes.set_xlabel("time, s")
    _legend(axes, 2)


def _sounds(match: Match) -> dict[str, Tensor]:
    return {"dry": match.dry, "reference": match.reference, "result": match.result}


def _array(sound: Tensor) -> Array:
    return sound.detach().cpu().double().numpy()


def _bands(sound: Tensor, rate: int, centres: Array) -> Array:
    """Power of (c, t) within a sixth of an octave around each centre, in dB."""
    from scipy.signal import welch

    data = _array(sound)
    size = min(16_384, data.shape[1])
    frequencies, density = welch(data, rate, nperseg=size, detrend=False)
    density = density.mean(0)
    width = frequencies[1] if len(frequencies) > 1 else rate / 2
    # The power below each edge, linear between bins: bands narrower than a bin get their share.
    edges = np.append(frequencies - width / 2, frequencies[-1] + width / 2)
    below = np.append(0.0, np.cumsum(density) * width)
    upper = np.interp(centres * 2 ** (1 / 12), edges, below)
    power = upper - np.interp(centres * 2 ** (-1 / 12), edges, below)
    return _decibels(power)


def _windows(sound: Tensor, size: int) -> Array:
    """Mean power of (c, t) in windows of `size` samples, in dB."""
    power = np.square(_array(sound)).mean(0)
    count = len(power) // size
    return _decibels(power[: count * size].reshape(count, size).mean(1))


def _decibels(power: Array) -> Array:
    return 10 * np.log10(np.maximum(power, 10 ** (_FLOOR_DB / 10)))


def _legend(axes: Axes, columns: int = 3) -> None:
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns)


def _octaves(axes: Axes, rate: int) -> None:
    """A logarithmic frequency axis with the ticks that engineers expect."""
    marks = [hz for hz in (20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4) if hz < rate / 2]
    axes.set_xscale("log")
    axes.set_xticks(marks, [f"{hz / 1000:g}k" if hz >= 1000 else f"{hz:g}" for hz in marks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(min(20.0, rate / 64), rate / 2)
