"""What makes sound from controls per frame: blocks, rows, layouts, empty and wrong arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from test_records import error_db
from torch import Tensor

from dspcore import ops

HOP, FRAMES = 32, 8
LENGTH = HOP * FRAMES - 9
SPLITS = {
    "1": [1] * LENGTH,
    "7": [7] * (LENGTH // 7) + [LENGTH % 7],
    "mixed": [0, 1, 64, 32, 0, 31, 100, LENGTH - 228],
}


def uniform(low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, dtype=torch.float64)


@dataclass(frozen=True)
class Case:
    """A generator: its tensors for b rows and f frames, those of the audio's type first."""

    name: str
    tensors: Callable[[int, int], list[Tensor]]
    run: Callable[..., Any]  # (*tensors, n, hop=, start=, phase=) -> (y, phase)
    audio: int = 1
    float32_db: float = -110.0

    def typed(self, dtype: torch.dtype, b: int = 3, frames: int = FRAMES) -> list[Tensor]:
        return [t.to(dtype) if i < self.audio else t for i, t in enumerate(self.tensors(b, frames))]

    def whole(self, tensors: list[Tensor]) -> tuple[Tensor, Tensor]:
        y, phase = self.run(*tensors, LENGTH, hop=HOP, start=3)
        return y, phase


def fm(a: Tensor, f: Tensor, index: Tensor, *n: int, **options: Any) -> tuple[Tensor, Tensor]:
    """`ops.fm` with both parts of its state side by side."""
    both = options.pop("phase", None)
    state = None if both is None else (both[:, : a.shape[1]], both[:, a.shape[1] :])
    y, after = ops.fm(f, a, index, *n, state=state, **options)
    return y, torch.cat(after, 1)


CASES = [
    Case(
        "fm",
        lambda b, f: [
            torch.randn(b, 3, f, dtype=torch.float64),
            uniform(-0.05, 0.1, b, 3, f),
            uniform(0, 1, b, 3, 3).tril(),
        ],
        fm,
        float32_db=-120.0,
    ),
    Case(
        "fm, all to all",
        lambda b, f: [
            torch.randn(b, 4, f, dtype=torch.float64),
            uniform(-0.05, 0.1, b, 4, f),
            uniform(-0.4, 0.4, b, 4, 4, f),
        ],
        fm,
        float32_db=-120.0,
    ),
    Case(
        "harmonics",
        lambda b, f: [torch.randn(b, 20, f, dtype=torch.float64), uniform(0.01, 0.05, b, f)],
        lambda a, f0, *n, **o: ops.harmonics(f0, a, *n, **o),
    ),
    *(
        Case(
            f"oscillator {shape}",
            lambda b, f: [
                torch.randn(b, f, dtype=torch.float64),
                uniform(0.01, 0.2, b, f),
                uniform(0.2, 0.8, b, f),
            ],
            lambda a, f0, w, *n, shape=shape, **o: ops.oscillator(
                f0, a, *n, shape=shape, width=w, **o
            ),
        )
        for shape in ("saw", "pulse", "triangle")
    ),
    Case(
        "wavetable",
        lambda b, f: [torch.randn(b, 33, dtype=torch.float64), uniform(0.01, 0.2, b, f)],
        lambda table, f0, *n, **o: ops.wavetable(f0, table, *n, **o),
    ),
]
SLOW_SHAPES = ("saw", "square", "triangle")
EVERY = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
TYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def gradients(y: Tensor, phase: Tensor, tensors: list[Tensor]) -> list[Tensor]:
    weight = torch.linspace(-1, 1, y.shape[-1]).to(y)
    loss = (y * weight).sum() + phase.sum().to(y)
    return list(torch.autograd.grad(loss, tensors))


@pytest.mark.parametrize("split", SPLITS)
@TYPES
@EVERY
def test_blocks_give_the_sound_of_one(case: Case, dtype: torch.dtype, split: str) -> None:
    tensors = [t.requires_grad_() for t in case.typed(dtype)]
    y, after = case.whole(tensors)
    start, phase, parts = 3, None, []
    for n in SPLITS[split]:
        part, phase = case.run(*tensors, n, hop=HOP, start=start, phase=phase)
        parts.append(part)
        start += n
    together = torch.cat(parts, -1)
    assert phase is not None
    budget = -200.0 if dtype == torch.float64 else case.float32_db
    assert error_db(together.detach(), y.detach().double()) < budget
    turns = (phase - after).detach()
    assert (turns - turns.round()).abs().max() < 1e-9
    found, wanted = gradients(together, phase, tensors), gradients(y, after, tensors)
    for a, b in zip(found, wanted, strict=True):
        assert error_db(a, b.double()) < budget + 20


@TYPES
@EVERY
def test_rows_are_alone_and_layouts_do_not_matter(case: Case, dtype: torch.dtype) -> None:
    tensors = case.typed(dtype, b=5)
    y, _ = case.whole(tensors)
    alone, _ = case.whole([t[3:4] for t in tensors])
    assert torch.equal(y[3:4], alone)
    spread_out = [torch.stack([t, t + 1], -1)[..., 0].transpose(0, -1) for t in tensors]
    other, _ = case.whole([t.contiguous().transpose(0, -1) for t in spread_out])
    assert torch.equal(y, other)
    tensors[0][3] = float("nan")
    broken, _ = case.whole(tensors)
    assert broken[3].isnan().any()
    assert torch.equal(broken[[0, 1, 2, 4]], y[[0, 1, 2, 4]])


@TYPES
@EVERY
def test_frequencies_that_are_not_numbers_are_heard(case: Case, dtype: torch.dtype) -> None:
    for bad in (float("nan"), float("inf")):
        tensors = case.typed(dtype)
        tensors[case.audio][1, ..., 4] = bad
        y, phase = case.whole(tensors)
        assert not y[1, 5 * HOP :].isfinite().any()
        assert y[[0, 2]].isfinite().all()
        assert not phase[1].isfinite().all()


@TYPES
@EVERY
def test_nothing_in_nothing_out(case: Case, dtype: torch.dtype) -> None:
    for b, n in ((2, 0), (0, 5), (0, 0)):
        tensors = [t.requires_grad_() for t in case.typed(dtype, b)]
        y, phase = case.run(*tensors, n, hop=HOP)
        assert y.shape == (b, n)
        for t in torch.autograd.grad(y.sum() + phase.sum(), tensors):
            assert not t.any()


@EVERY
def test_wrong_grids_are_named(case: Case) -> None:
    tensors = case.typed(torch.float32)
    for options in ({"hop": 0}, {"start": -1}, {"hop": 2, "start": 1, "n": 17}):
        n = options.pop("n", 4)
        with pytest.raises(ValueError, match=f"{case.name.split()[0].rstrip(',')}: .*hop"):
            case.run(*tensors, n, **options)
    with pytest.raises(ValueError, match="phase must be"):
        case.run(*tensors, 4, phase=torch.zeros(7, 7))
    with pytest.raises(TypeError, match=r"must be float32 or float64, got .*int32"):
        case.run(*(t.int() for t in tensors), 4)


def test_harmonics_above_nyquist_are_silent() -> None:
    f0 = torch.full((1, 3), 0.11, dtype=torch.float64)
    five = torch.ones(1, 5, 3)
    assert torch.equal(
        ops.harmonics(f0, five, hop=20)[0], ops.harmonics(f0, five[:, :4], hop=20)[0]
    )
    assert not ops.harmonics(f0 + 0.4, five, hop=20)[0].any()


@pytest.mark.parametrize("shape", ["saw", "square", "pulse", "triangle"])
@pytest.mark.parametrize(("hz", "limit_db"), [(440, -120), (1_245, -115), (4_186, -105)])
def test_waves_have_no_aliases(shape: str, hz: int, limit_db: float) -> None:
    """What least squares leave of a second at 48 kHz when all harmonics are taken out."""
    n, f = 24_000, (hz + 0.37) / 48_000
    still = torch.ones(1, 1, dtype=torch.float64)
    y = ops.oscillator(f * still, still, n, shape=shape, width=0.1, hop=n)[0][0]
    turns = f * torch.arange(n, dtype=torch.float64)[:, None] * torch.arange(int(0.5 / f) + 1)
    waves = torch.cat([turns.mul(2 * torch.pi).sin()[:, 1:], turns.mul(2 * torch.pi).cos()], 1)
    rest = y - waves @ torch.linalg.lstsq(waves, y[:, None]).solution[:, 0]
    assert 20 * torch.log10(rest.norm() / y.norm()) < limit_db


def test_waves_start_where_they_say() -> None:
    """The first sample of a slow wave is that of the ideal one: the middle of a step, 1, or 0."""
    slow, one = torch.full((1, 2), 1e-3, dtype=torch.float64), torch.ones(1, 2)
    wave = {s: ops.oscillator(slow, one, 1_000, shape=s, hop=1_000)[0][0] for s in SLOW_SHAPES}
    assert abs(wave["saw"][0]) < 1e-6
    assert abs(wave["square"][0]) < 1e-6
    assert abs(wave["triangle"][0]) < 1e-6
    assert wave["saw"][400:405].diff() == pytest.approx(torch.full((4,), 2e-3).numpy(), rel=1e-3)
    assert wave["square"][250] == pytest.approx(1)
    assert wave["square"][750] == pytest.approx(-1)
    assert wave["triangle"][125] == pytest.approx(0.5, abs=1e-5)


def test_a_slow_wavetable_is_its_table() -> None:
    """At one table entry a sample it gives the table, less what lies above its top harmonic."""
    table = torch.randn(63, dtype=torch.float64)
    slow = torch.full((1, 1), 1 / 126, dtype=torch.float64)
    y = ops.wavetable(slow, table, 252, hop=252)[0][0]
    bounds = 0.5 / 31 * 2 ** (-1 / 3)
    assert float(slow) < bounds
    torch.testing.assert_close(y[:126:2], table, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: ops.harmonics(torch.zeros(2, 3), torch.zeros(2, 4, 5)),
            r"harmonics: f0 must be \(b, f\) .*got \(2, 3\) and \(2, 4, 5\)",
        ),
        (lambda: ops.harmonics(torch.zeros(2, 3), torch.zeros(2, 0, 3)), "at least one harmonic"),
        (
            lambda: ops.fm(torch.zeros(2, 3), torch.zeros(2, 4, 5), torch.zeros(4, 4)),
            r"fm: frequencies and amplitudes .*got \(2, 3\) and \(2, 4, 5\)",
        ),
        (
            lambda: ops.fm(torch.zeros(2, 4, 5), torch.zeros(2, 4, 5), torch.zeros(2, 4)),
            r"fm: index must be \(4, 4\), \(2, 4, 4\) or \(2, 4, 4, 5\), got \(2, 4\)",
        ),
        (
            lambda: ops.fm(torch.zeros(1, 17, 5), torch.zeros(1, 17, 5), torch.zeros(1, 17, 17)),
            "fm: at most 16 operators, got 17",
        ),
        (
            lambda: ops.wavetable(torch.zeros(2, 3), torch.zeros(3, 8)),
            r"wavetable: table must be \(n,\) or \(2, n\) .*got \(3, 8\)",
        ),
        (
            lambda: ops.wavetable(torch.zeros(2, 3), torch.zeros(8), amplitude=torch.zeros(2)),
            r"wavetable: amplitude must be \(2, 3\), got \(2,\)",
        ),
        (
            lambda: ops.oscillator(torch.zeros(2, 3), torch.zeros(2, 4)),
            r"oscillator: f0 and amplitude must both be \(b, f\) .*got \(2, 3\) and \(2, 4\)",
        ),
        (
            lambda: ops.oscillator(torch.zeros(2, 3), torch.zeros(2, 3), shape="sine"),
            "oscillator: shape must be one of saw, pulse, triangle, square, got 'sine'",
        ),
        (
            lambda: ops.oscillator(torch.zeros(2, 3), torch.zeros(2, 3), width=torch.zeros(3)),
            r"oscillator: width must be a number or \(2, 3\), .*got \(3,\)",
        ),
    ],
)
def test_wrong_shapes_are_named(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@TYPES
@pytest.mark.parametrize("t", [1, 63, 64, 200])
def test_float32_frequencies_per_sample_are_those_numbers(dtype: torch.dtype, t: int) -> None:
    """`sinusoids` reads them as they are: values and derivatives are those of float64 copies."""
    f = uniform(-0.4, 0.4, 2, 3, t + 7).float()
    a = torch.randn(2, 3, t + 7, dtype=dtype)
    phase = uniform(-2, 2, 2, 3)

    def loss(f: Tensor, a: Tensor) -> Tensor:
        y, after = ops.sinusoids(f, a, t, start=5, phase=phase)
        return (y * torch.linspace(-1, 1, t).to(y)).sum() + after.sum().to(y)

    for derivative in (torch.func.grad, torch.func.jacrev):
        single, wide = (derivative(loss, argnums=(0, 1))(v, a) for v in (f, f.double()))
        for x, y in zip(single, wide, strict=True):
            assert error_db(x, y.double()) < -120
    moves = (torch.ones_like(f), torch.ones_like(a))
    _, along = torch.func.jvp(loss, (f, a), moves)
    _, wanted = torch.func.jvp(loss, (f.double(), a), (moves[0].double(), moves[1]))
    torch.testing.assert_close(along, wanted, rtol=1e-4, atol=1e-4)


def test_frequencies_per_sample_that_are_not_numbers_are_heard() -> None:
    f, a = torch.full((1, 2, 200), 0.01), torch.ones(1, 2, 200)
    f[0, 1, 70] = float("nan")
    y, after = ops.sinusoids(f, a)
    assert y[0, :64].isfinite().all()
    assert y[0, 128:].isnan().all()
    assert after.isnan().tolist() == [[False, True]]
