"""Second-order sections in series: the biquad cascade that equalisers and filters are made of."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dspcore.ops._check import audio, signal_state
from dspcore.ops._frames import needed
from dspcore.ops._op import Op, watched
from dspcore.ops._record import Record, Sample, draws, record

_MAX_STAGES = 8  # kMaxStages in csrc/dsp/stage.hpp; longer cascades run in several calls


def sosfilt(
    x: Tensor,
    sos: Tensor,
    state: Tensor | None = None,
    *,
    hop: int | None = None,
    start: int = 0,
) -> tuple[Tensor, Tensor]:
    """Filter `x` by sections in series, each ``(b0 + b1/z + b2/z^2) / (a0 + a1/z + a2/z^2)``.

    Sections run as topology-preserving state-variable filters with coefficients prepared in
    float64, so low corners stay exact in float32 and moving coefficients stay well-behaved. Poles
    must lie inside the unit circle: a section with a pole on or outside it gives NaN.

    Args:
        x: Signal, (b, c, t), float32 or float64.
        sos: Sections as SciPy orders them (b0, b1, b2, a0, a1, a2), best in float64: (k, 6) for all
            rows, (b, c, k, 6) for each row, (b, c, k, 6, t) for each sample, or, with `hop`,
            (b, c, k, 6, f) for each frame; b and c may be 1.
        state: State returned by the call before, (b, c, k, 2); silence when left out. These are the
            integrators of the state-variable filters, not SciPy's `zi`.
        hop: Samples from frame to frame. Frame i holds the sections at sample i * hop of the frame
            grid; in between the coefficients of the state-variable filters are linear, which keeps
            any mix of stable sections stable, and after the last frame they stay. Many times as
            fast as sections for each sample, and takes a fraction of the memory.
        start: Sample of the frame grid at which `x` begins, so that any split into blocks gives the
            result of one long block.

    Returns:
        The filtered signal, the shape of `x`, and the state after its last sample.

    Raises:
        ValueError, TypeError: a shape, type, device, hop or start does not fit.

    Source:
        A. Simper, "Linear Trapezoidal Integrated State Variable Filter", 2013.
    """
    if hop is None and type(x) is Tensor and x.is_cpu and sos.ndim in (2, 4):
        rows, k = x.shape[:-1], sos.shape[-2]
        if len(rows) == 2 and k <= _MAX_STAGES and not watched(x, sos, state):
            y, after = torch.empty_like(x), torch.empty(*rows, k, 2, dtype=x.dtype)
            if _OP.plain(x, sos, state, y, after):
                return y, after
    b, c, t = audio("sosfilt", x)
    given = tuple(sos.shape)
    if hop is not None and (hop < 1 or start < 0 or sos.ndim != 5 or sos.shape[4] == 0):
        raise ValueError(
            "sosfilt: with frames, sos must be (b, c, k, 6, f) with a frame at least, hop at least "
            f"1 and start at least 0, got {given}, {hop} and {start}"
        )
    if sos.ndim == 2:
        sos = sos[None, None]
    if sos.ndim == 4:
        sos = sos[..., None]
    if (
        sos.ndim != 5
        or sos.shape[3] != 6
        or sos.shape[0] not in (1, b)
        or sos.shape[1] not in (1, c)
        or (hop is None and sos.shape[4] not in (1, t))
    ):
        raise ValueError(
            f"sosfilt: sos must be (k, 6), ({b}, {c}, k, 6) or ({b}, {c}, k, 6, {t}), or "
            f"({b}, {c}, k, 6, f) with a hop, for x of shape {tuple(x.shape)}, got {given}"
        )
    k = sos.shape[2]
    sos = sos.to(torch.float64)
    if hop is not None or sos.shape[4] == 1 or sos.shape[:2] != (1, 1):
        sos = sos.expand(b, c, k, 6, sos.shape[4])
    state = signal_state("sosfilt", state, x, (b, c, k, 2))
    attrs: tuple[int, ...] = ()
    if hop is not None:
        frames = needed(sos.shape[4], t, hop, start)
        sos, attrs = sos[..., frames], (hop, start - frames.start * hop)
    if k <= _MAX_STAGES:
        y, end = _OP(x, sos, state, attrs=attrs)
        return y, end
    ends = []
    for first in range(0, k, _MAX_STAGES):
        part = slice(first, first + _MAX_STAGES)
        x, end = _OP(x, sos[:, :, part], state[:, :, part], attrs=attrs)
        ends.append(end)
    return x, torch.cat(ends, 2)


def _reference(x: Tensor, sos: Tensor) -> Tensor:
    """Sample by sample: direct form I where sections stay, `reference_section` where they move."""
    b, c, t = x.shape
    full = sos[None, None] if sos.ndim == 2 else sos
    full = full.expand(b, c, *full.shape[2:])
    y = x.clone()
    for i in range(b):
        for j in range(c):
            for section in full[i, j]:
                memory = [0.0] * 4
                for n in range(t):
                    value = y[i, j, n].item()
                    if section.ndim == 1:
                        b0, b1, b2, a0, a1, a2 = section.tolist()
                        x1, x2, y1, y2 = memory
                        out = (b0 * value + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2) / a0
                        memory = [value, x1, out, y1]
                    else:
                        out = reference_section(section[:, n], memory, value)
                    y[i, j, n] = out
    return y


def reference_section(section: Tensor, memory: list[float], x: float) -> float:
    """One sample of the analogue state-variable filter whose bilinear transform is `section`.

    Its two integrators, in `memory`, are trapezoidal; the loop without delay is solved as a linear
    system; the output gains are those that give the section's transfer function at three
    frequencies.
    """
    z = torch.exp(1j * torch.tensor([0.3, 1.1, 2.3], dtype=torch.float64))
    powers = torch.stack([z**0, z**-1, z**-2])
    b, a = section[:3] / section[3], section[3:] / section[3]
    w = torch.sqrt(a.sum() / (a[0] - a[1] + a[2]))  # tan(pi f / rate)
    damping = 2 * (a[0] - a[2]) / (a[0] - a[1] + a[2]) / w
    s = (z - 1) / (z + 1) / w
    parts = torch.stack([s**2 + damping * s + 1, s, s**0]) / (s**2 + damping * s + 1)
    wanted = (b.to(powers.dtype) @ powers) / (a.to(powers.dtype) @ powers)
    gains = torch.linalg.solve(parts.T, wanted).real
    one, zero = torch.ones_like(w), torch.zeros_like(w)
    # x = high + damping band + low; band = s1 + w high; low = s2 + w band
    system = torch.stack([one, damping, one, -w, one, zero, zero, -w, one]).reshape(3, 3)
    known = torch.tensor([x, memory[0], memory[1]], dtype=torch.float64)
    _, band, low = torch.linalg.solve(system, known)
    memory[:2] = [float(2 * band - memory[0]), float(2 * low - memory[1])]
    return float(gains @ torch.stack([torch.tensor(x, dtype=torch.float64), band, low]))


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    noise, _ = draws(generator)

    def sections(*shape: int) -> Tensor:
        """Pole pairs of radius 0.3 to 0.95 at any angle, zeros anywhere."""
        radius = 0.3 + 0.65 * torch.rand(shape, generator=generator, dtype=torch.float64)
        angle = torch.pi * torch.rand(shape, generator=generator, dtype=torch.float64)
        a = torch.stack([torch.ones_like(radius), -2 * radius * angle.cos(), radius**2], -1)
        return torch.cat([noise(*shape, 3), a], -1)

    yield Sample((noise(1, 1, 131), sections(1)), name="one section, one row")
    yield Sample((noise(2, 3, 70), sections(3)), name="three sections for all rows")
    yield Sample((noise(3, 2, 65), sections(3, 2, 2)), name="sections for each row")
    yield Sample((noise(2, 1, 9), sections(10)), name="ten sections")
    yield Sample(
        (noise(2, 1, 68), sections(2, 1, 2, 68).movedim(3, -1)), name="moving every sample"
    )
    low = torch.tensor([[4.27e-6, 8.55e-6, 4.27e-6, 1.0, -1.99941, 0.99943]], dtype=torch.float64)
    yield Sample((noise(1, 2, 700), low), name="32 Hz low-pass at Q 7")


RECORD = record(
    Record(
        name="sosfilt",
        arguments={"x": "b c t", "sos": "b c k 6 n", "state": "b c k 2"},
        results={"y": "b c t", "state_out": "b c k 2"},
        workspaces={"kept": "b c chunks k 2"},
        precise=frozenset({"sos"}),
        shared=frozenset({"sos"}),
        public=sosfilt,
        reference=_reference,
        samples=_samples,
        forms={
            "x": ("bct", {3: 0}),
            "sos": ("bck6n", {2: 2, 4: 0}),
            "state": ("BCk2", {4: 0}),
        },
    )
)
_OP = Op(RECORD)
