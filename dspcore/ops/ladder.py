"""The transistor ladder whose corner and feedback may move every sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dspcore.ops._check import audio, row_control, signal_state
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, draws, record

#: Gains of the input and of the four stages that make each mode.
MODES = {
    "lowpass_24": (0.0, 0.0, 0.0, 0.0, 1.0),
    "lowpass_12": (0.0, 0.0, 1.0, 0.0, 0.0),
    "bandpass_24": (0.0, 0.0, 4.0, -8.0, 4.0),
    "bandpass_12": (0.0, 2.0, -2.0, 0.0, 0.0),
    "highpass_24": (1.0, -4.0, 6.0, -4.0, 1.0),
    "highpass_12": (1.0, -2.0, 1.0, 0.0, 0.0),
}
_TAPS = ("input", "first stage", "second stage", "third stage", "fourth stage")
Number = Tensor | float


def ladder(
    x: Tensor,
    cutoff: Number,
    feedback: Number = 0.0,
    mode: str | tuple[Number, ...] = "lowpass_24",
    state: Tensor | None = None,
    *,
    saturated: bool = False,
) -> tuple[Tensor, Tensor]:
    """Filter `x` by four low-passes ``1 / (1 + s)`` in series, with feedback around all of them.

    With s = (z - 1) / (z + 1) / tan(pi f) and k the feedback, stage n gives ``(1 + s)^(4 - n) /
    ((1 + s)^4 + k)``. The loop has no delay of its own. In the saturated ladder ``u = tanh(x - k
    y)`` enters the first stage, y being what the fourth gives at the same sample; it is solved to
    rounding, and so is its derivative. From k = 4 on it sings at the corner.

    Args:
        x: Signal, (b, c, t), float32 or float64.
        cutoff: Corner f of each stage in cycles per sample, above 0 and below 0.5: a number, (b, c)
            or (b, c, t) for each sample, as are the other controls.
        feedback: Gain k of the loop, from 0; below 4 where it is not saturated, else up to 6.
        mode: "lowpass_24" (dB an octave), "lowpass_12", "bandpass_24", "bandpass_12",
            "highpass_24" or "highpass_12"; or the gains of the input and of the four stages.
            Band-passes are 0 dB at their centre without feedback.
        state: State returned by the call before, (b, c, 4); silence when left out.
        saturated: Whether a tanh bends what goes into the first stage.

    Returns:
        The filtered signal, the shape of `x`, and the state after its last sample.

    Raises:
        ValueError, TypeError: an unknown mode, or a shape, type or device that does not fit.

    Source:
        V. Zavalishin, "The Art of VA Filter Design", 2012, chapter 5.
    """
    b, c, _ = audio("ladder", x)
    if isinstance(mode, str):
        if mode not in MODES:
            raise ValueError(
                f"ladder: mode must be one of {', '.join(MODES)} or five gains, got {mode!r}"
            )
        gains: tuple[Number, ...] = MODES[mode]
    elif len(mode) == len(_TAPS):
        gains = mode
    else:
        raise ValueError(f"ladder: mode must be a name or five gains, got {len(mode)} of them")
    y, after = _OPS[saturated](
        x,
        row_control("ladder", x, "cutoff", cutoff),
        row_control("ladder", x, "feedback", feedback),
        *(
            row_control("ladder", x, f"gain of the {name}", gain)
            for name, gain in zip(_TAPS, gains, strict=True)
        ),
        signal_state("ladder", state, x, (b, c, 4)),
    )
    return y, after


def _reference(
    x: Tensor,
    cutoff: Tensor | float,
    feedback: Tensor | float,
    saturated: bool,
    *gains: Number,
) -> Tensor:
    """Capacitors charged by trapezoids; the loop of each sample by halving an interval."""
    every = [torch.as_tensor(v, dtype=x.dtype) for v in (cutoff, feedback, *gains)]
    f, k, *m = (
        (v[..., None] if v.ndim == 2 else v).expand_as(x).reshape(-1, x.shape[-1]).tolist()
        for v in every
    )
    rows = x.reshape(-1, x.shape[-1]).tolist()
    bend: Callable[[float], float] = math.tanh if saturated else float
    y = [[0.0] * x.shape[-1] for _ in rows]
    for row, signal in enumerate(rows):
        charge, current = [0.0] * 4, [0.0] * 4
        for n, sample in enumerate(signal):
            w = math.tan(math.pi * f[row][n])
            held = [a + b for a, b in zip(charge, current, strict=True)]

            def stages(u: float, w: float = w, held: list[float] = held) -> list[float]:
                out = [u]
                for h in held:  # charge now = held + w (in - charge now)
                    out.append((h + w * out[-1]) / (1 + w))
                return out

            low, high = -64.0, 64.0
            for _ in range(60):
                u = (low + high) / 2
                over = u - bend(sample - k[row][n] * stages(u)[-1])
                low, high = (low, u) if over > 0 else (u, high)
            out = stages(u)
            charge, before = out[1:], out[:-1]
            current = [w * (a - b) for a, b in zip(before, charge, strict=True)]
            y[row][n] = sum(m[i][row][n] * tap for i, tap in enumerate(out))
    return torch.tensor(y, dtype=x.dtype).reshape(x.shape)


def _samples(saturated: bool) -> Callable[[torch.Generator], Iterator[Sample]]:
    def samples(generator: torch.Generator) -> Iterator[Sample]:
        noise, spans = draws(generator)
        fourth, band = MODES["lowpass_24"], MODES["bandpass_12"]
        one = (noise(1, 1, 81), spans(0.01, 0.4, 1, 1), spans(0.5, 3.5, 1, 1))
        yield Sample((*one, saturated, *fourth), name="one row")
        sweep = (2.0 * noise(2, 1, 21), spans(0.001, 0.45, 2, 1, 21), spans(0, 3.9, 2, 1))
        yield Sample((*sweep, saturated, *band), name="a sweep, driven")
        every = (noise(2, 1, 10), spans(0.01, 0.3, 2, 1, 10), spans(0, 3.5, 2, 1, 10), saturated)
        yield Sample((*every, *(noise(2, 1, 10) for _ in _TAPS)), name="all moves")

    return samples


def _public(
    x: Tensor, cutoff: Number, feedback: Number, saturated: bool, *gains: Number
) -> tuple[Tensor, Tensor]:
    return ladder(x, cutoff, feedback, gains, saturated=saturated)


def _record(saturated: bool) -> Record:
    return record(
        Record(
            name="ladder_tanh" if saturated else "ladder",
            arguments={
                "x": "b c t",
                "cutoff": "b c n",
                "feedback": "b c m",
                **{name: f"b c {size}" for name, size in zip(_PORTS, "hijkl", strict=True)},
                "state": "b c 4",
            },
            results={"y": "b c t", "state_out": "b c 4"},
            workspaces={"kept": "b c chunks 4"},
            public=_public,
            reference=_reference,
            samples=_samples(saturated),
            budget_db=-105.0,
        )
    )


_PORTS = ("input", "first", "second", "third", "fourth")
_OPS = {saturated: Op(_record(saturated)) for saturated in (False, True)}
