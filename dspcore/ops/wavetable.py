"""A wave given as one cycle, read at any frequency without aliases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from dspcore.ops import _frames
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, record

LEVELS_PER_OCTAVE = 3


def wavetable(
    f0: Tensor,
    table: Tensor,
    num_samples: int | None = None,
    *,
    amplitude: Tensor | None = None,
    hop: int = 1,
    start: int = 0,
    phase: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Read one cycle of a wave over and over: ``a[t] w(p[t])`` with ``p[t+1] = p[t] + f0[t]``.

    The table is cut to the harmonics below Nyquist by FFT, at three levels an octave; reading fades
    from level to level, so the upper two thirds of an octave below Nyquist are softened. Between
    the places of a level, at least 2,048, runs a cubic with the wave's true slopes.

    Frame i holds the values at sample i * hop of the frame grid; between frames they are linear,
    after the last one they stay.

    Args:
        f0: Frequency in cycles per sample, (b, f); computed in float64, best given so.
        table: One cycle, (b, n) or (n,) for all rows, n at least 4; its type, float32 or float64,
            is that of the result.
        num_samples: Length t of the result; to the end of the last frame when left out.
        amplitude: Linear, (b, f); 1 when left out.
        hop: Samples from frame to frame; 1 means controls at audio rate.
        start: Sample of the frame grid at which the result begins, so that any split into blocks
            gives the result of one long block.
        phase: Phase at the first sample, in cycles, (b,); 0 when left out.

    Returns:
        The wave, (b, t), and the phase after its last sample, (b,) float64 within 0 and 1.

    Raises:
        ValueError, TypeError: a shape, type, hop or start does not fit.
    """
    if table.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"wavetable: table must be float32 or float64, got {table.dtype}")
    if f0.ndim != 2 or not f0.shape[1]:
        raise ValueError(
            f"wavetable: f0 must be (b, f) with at least one frame, got {tuple(f0.shape)}"
        )
    (b, f), n = f0.shape, table.shape[-1] if table.ndim else 0
    if table.ndim not in (1, 2) or n < 4 or table.shape[:-1] not in ((), (b,)):
        raise ValueError(
            f"wavetable: table must be (n,) or ({b}, n) for f0 of shape {(b, f)}, n at least 4, "
            f"got {tuple(table.shape)}"
        )
    if amplitude is None:
        amplitude = table.new_ones((b, f))
    elif amplitude.shape != (b, f):
        raise ValueError(f"wavetable: amplitude must be {(b, f)}, got {tuple(amplitude.shape)}")
    t, turn = _frames.turning("wavetable", f0, phase, num_samples, hop, start)
    wide = table.reshape(-1, n).to(torch.float64)
    levels = _opaque_levels(wide) if torch.compiler.is_compiling() else levels_of(wide)
    levels = levels.expand(b, *levels.shape[1:])
    amplitude, bounds = amplitude[:, turn.part].to(table.dtype), _bounds(n, table.device)
    (y,) = _OP(amplitude, levels, turn.f, turn.at, bounds, attrs=(hop, turn.start, t))
    return y, turn.after


def _kept(n: int) -> list[int]:
    """Harmonics of every level: from all of a table of n values to the mean alone."""
    counts, level = [(n - 1) // 2], 1
    while counts[-1] > 1:
        count = int((n - 1) // 2 * 2 ** (-level / LEVELS_PER_OCTAVE))
        if count < counts[-1]:
            counts.append(max(count, 1))
        level += 1
    return [*counts, 0]


def _places(n: int) -> int:
    return max(2_048, 4 * 2 ** (n - 1).bit_length())


def _bounds(n: int, device: torch.device) -> Tensor:
    """Frequencies where the fade from each level begins, (l,)."""
    ends = [0.5 / k for k in _kept(n)[:-1]]
    bounds = [ends[0] * 2 ** (-1 / LEVELS_PER_OCTAVE), *ends]
    return torch.tensor(bounds, dtype=torch.float64, device=device)


def shape_of_levels(b: int, n: int) -> tuple[int, int, int, int]:
    """Of what `levels_of` makes of a table (b, n)."""
    return b, len(_kept(n)), _places(n) + 1, 2


def levels_of(table: Tensor) -> Tensor:
    """Values and slopes of every level, (b, l, places + 1, 2), of a table (b, n) float64."""
    n = table.shape[-1]
    places = _places(n)
    if table.shape[0] == 0:  # not every FFT library takes none
        return (0 * table.sum()).expand(shape_of_levels(0, n))
    number = torch.arange(n // 2 + 1, device=table.device).double()
    heard = number <= torch.tensor(_kept(n), device=table.device)[:, None]
    values = torch.fft.rfft(table)[:, None] * heard
    slopes = values * (number * (2 * torch.pi / places)) * 1j
    wave = torch.fft.irfft(torch.stack([values, slopes], -2), places) * (places / n)
    return torch.cat([wave, wave[..., :1]], -1).movedim(-2, -1).contiguous()


def _opaque_levels(table: Tensor) -> Tensor:
    """`levels_of` as a compiler sees it."""
    from dspcore.ops._wavetable_levels import opaque_levels

    return opaque_levels(table)


def _reference(
    f0: Tensor, table: Tensor, num_samples: int, amplitude: Tensor, hop: int, start: int
) -> Tensor:
    """The table's Fourier series at every sample, faded between the two levels around it."""
    i, j, part = _frames.place(start, num_samples, hop, f0.shape[-1])
    f, a = (v[..., i] + (v[..., j] - v[..., i]) * part for v in (f0, amplitude))
    p = f.cumsum(-1) - f
    n = table.shape[-1]
    spectrum = (torch.fft.rfft(table) / n).expand(f0.shape[0], -1)
    counts = _kept(n)
    tops = [0.5 / k for k in counts[:-1]]
    edges = [tops[0] * 2 ** (-1 / LEVELS_PER_OCTAVE), *tops]
    y = torch.zeros_like(p)
    for row in range(p.shape[0]):
        for t in range(num_samples):
            size = float(f[row, t].abs())
            level = max([m for m, edge in enumerate(edges) if size >= edge], default=0)
            fade = 0.0
            if edges[0] <= size < edges[-1]:
                fade = (size - edges[level]) / (edges[level + 1] - edges[level])
            for m, share in ((level, 1 - fade), (level + 1, fade)):
                if share == 0:
                    continue
                k = torch.arange(1, counts[m] + 1)
                waves = spectrum[row, k] * torch.exp(2j * torch.pi * (k * p[row, t]))
                y[row, t] += share * (spectrum[row, 0].real + 2 * waves.real.sum())
    return a * y


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    def controls(low: float, high: float, b: int, f: int) -> list[Tensor]:
        f0 = low + (high - low) * torch.rand((b, f), generator=generator, dtype=torch.float64)
        return [f0, torch.randn((b, f), generator=generator, dtype=torch.float64)]

    def cycle(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    f0, a = controls(0.01, 0.3, 2, 4)
    yield Sample((f0, cycle(2, 9), 61, a, 20, 5), name="a table a row")
    f0, a = controls(0.02, 0.06, 1, 20)
    yield Sample((f0, cycle(8), 20, a, 1, 0), name="audio rate")
    f0, a = controls(-0.2, 0.55, 2, 3)
    yield Sample((f0, cycle(7), 30, a, 10, 0), name="through zero, one table for all")


def _public(f0: Tensor, table: Tensor, n: int, *settings: Any) -> tuple[Tensor, Tensor]:
    amplitude, hop, start = settings
    return wavetable(f0, table, n, amplitude=amplitude, hop=hop, start=start)


RECORD = record(
    Record(
        name="wavetable",
        arguments={
            "amplitude": "b f",
            "levels": "b l m 2",
            "f0": "b f",
            "phase": "b f",
            "bounds": "l",
        },
        results={"y": "b t"},
        attributes=("hop", "start", "t"),
        precise=frozenset({"levels", "f0", "phase", "bounds"}),
        public=_public,
        reference=_reference,
        samples=_samples,
        audio=1,
        budget_db=-115.0,
    )
)
_OP = Op(RECORD)
