"""What comes in: strides, empty and odd sizes, many rows, NaN, long sounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_records import error_db, leaves
from torch import Tensor

from dspcore import ops
from dspcore.ops import design
from dspcore.ops.antialiased import CURVES


@dataclass(frozen=True)
class Case:
    """An op at any size: its tensors for (b, c, t), batch first, and how they go in."""

    name: str
    tensors: Callable[[int, int, int], list[Tensor]]
    run: Callable[..., Any]
    audio: int = 1  # how many of the tensors have the type of the audio


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def uniform(low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, dtype=torch.float64)


def sections(b: int, c: int, n: int) -> Tensor:
    """Two moving sections, (b, c, 2, 6, n)."""
    cutoff = uniform(100, 9_000, b, c, 2, n)
    return design.lowpass(cutoff, 1.5, 48_000).movedim(-1, 3)


CASES = [
    Case("sosfilt", lambda b, c, t: [noise(b, c, t), sections(b, c, 1)[..., 0]], ops.sosfilt),
    Case("sosfilt, moving", lambda b, c, t: [noise(b, c, t), sections(b, c, t)], ops.sosfilt),
    Case(
        "allpole",
        lambda b, c, t: [noise(b, c, t), uniform(-0.3, 0.3, b, c, 3)],
        ops.allpole,
        audio=2,
    ),
    Case(
        "allpole, moving",
        lambda b, c, t: [noise(b, c, t), uniform(-0.3, 0.3, b, c, 3, t), noise(b, c, 3)],
        ops.allpole,
        audio=3,
    ),
    Case(
        "envelope",
        lambda b, c, t: [noise(b, c, t), uniform(0.1, 0.9, b, c), uniform(0.01, 0.1, b, c, t)],
        ops.envelope,
    ),
    Case(
        "compressor_gain",
        lambda b, c, t: [
            noise(b, c, t),
            *(uniform(*edges, b, c) for edges in ((-30, -10), (1, 9), (0, 9))),
            uniform(0.1, 0.9, b, c, t),
            uniform(0.01, 0.1, b, c),
        ],
        ops.compressor_gain,
    ),
    *(
        Case(
            f"antialiased {curve}",
            lambda b, c, t: [noise(b, c, t), uniform(0.5, 4, b, c, t)],
            lambda x, gain, curve=curve: ops.antialiased(x, curve, gain),
        )
        for curve in CURVES
    ),
    *(
        Case(
            f"antialiased2 {curve}",
            lambda b, c, t: [noise(b, c, t), uniform(0.5, 4, b, c, t)],
            lambda x, gain, curve=curve: ops.antialiased(x, curve, gain, order=2),
        )
        for curve in ("tanh", "cubic")
    ),
    Case(
        "lfilter",
        lambda b, c, t: [noise(b, c, t), noise(b, c, 4), 1 + 0.2 * uniform(-1, 1, b, c, 3)],
        lambda x, b, a: ops.lfilter(x, b, torch.cat([2 + a[..., :1], a], -1)),
    ),
    Case(
        "lfilter, moving",
        lambda b, c, t: [noise(b, c, t), noise(b, c, 3, t), uniform(-0.2, 0.2, b, c, 3, t)],
        lambda x, b, a: ops.lfilter(x, b, torch.cat([1 + a[..., :1, :], a], -2)),
    ),
    Case(
        "allpass_chain",
        lambda b, c, t: [noise(b, c, t), uniform(-0.9, 0.9, b, c), uniform(-0.8, 0.8, b, c)],
        lambda x, pole, f: ops.allpass_chain(x, pole, f, stages=5),
    ),
    Case(
        "allpass_chain, moving",
        lambda b, c, t: [noise(b, c, t), uniform(-0.9, 0.9, b, c, t), uniform(-0.8, 0.8, b, c)],
        lambda x, pole, f: ops.allpass_chain(x, pole, f, stages=4),
    ),
    Case(
        "svf",
        lambda b, c, t: [noise(b, c, t), uniform(0.01, 0.4, b, c), uniform(0.5, 4, b, c)],
        ops.svf,
    ),
    Case(
        "svf, moving",
        lambda b, c, t: [noise(b, c, t), uniform(0.01, 0.4, b, c, t), uniform(0.5, 4, b, c)],
        ops.svf,
    ),
    *(
        Case(
            f"onepole {mode}",
            lambda b, c, t: [noise(b, c, t), uniform(-0.9, 0.9, b, c, t)],
            lambda x, pole, mode=mode: ops.onepole(x, pole, mode),
        )
        for mode in ("lowpass", "highpass", "allpass")
    ),
    Case(
        "delay",
        lambda b, c, t: [noise(b, c, t), uniform(2, 40, b, c), uniform(-0.4, 0.4, b, c, c)],
        lambda x, d, f: ops.delay(x, d, f, max_delay=40.0),
    ),
    Case(
        "delay, all-pass",
        lambda b, c, t: [noise(b, c, t), uniform(9.6, 10.4, b, c, t), uniform(-0.4, 0.4, b, c, c)],
        lambda x, d, f: ops.delay(x, d, f, max_delay=40.0, interpolation="allpass"),
    ),
    Case(
        "delay, moving",
        lambda b, c, t: [
            noise(b, c, t),
            uniform(2, 40, b, c, t),
            uniform(-0.4, 0.4, b, c, c, t),
            sections(b, c, t),
        ],
        lambda x, d, f, sos: ops.delay(x, d, f, sos, max_delay=40.0),
    ),
    Case(
        "sinusoids",
        lambda b, c, t: [noise(b, c, t + 1), uniform(0.001, 0.4, b, c, t + 1)],
        lambda a, f: ops.sinusoids(f, a, a.shape[-1] - 1),
    ),
]
EVERY = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def gradients(run: Callable[..., Any], tensors: list[Tensor]) -> list[Tensor]:
    """Results and the gradients of all tensors."""
    results = leaves(run(*tensors))
    loss = sum(
        (r.square() * torch.linspace(-1, 1, r.numel()).reshape(r.shape)).sum() for r in results
    )
    assert isinstance(loss, Tensor)
    return [*(r.detach() for r in results), *torch.autograd.grad(loss, tensors)]


def transposed(x: Tensor) -> Tensor:
    """The same numbers, with memory the other way round."""
    return x.permute(*reversed(range(x.ndim))).contiguous().permute(*reversed(range(x.ndim)))


def strided(x: Tensor) -> Tensor:
    """The same numbers, each second of a larger tensor, behind an offset."""
    wide = torch.full((*x.shape[:-1], 2 * x.shape[-1] + 3), float("nan"), dtype=x.dtype)
    wide[..., 3::2] = x
    return wide[..., 3::2]


@pytest.mark.parametrize("layout", [transposed, strided])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@EVERY
def test_any_strides_give_the_same_bits(
    case: Case, dtype: torch.dtype, layout: Callable[[Tensor], Tensor]
) -> None:
    plain = [t.to(dtype) if i < case.audio else t for i, t in enumerate(case.tensors(3, 2, 70))]
    other = [layout(t) for t in plain]
    assert not any(t.is_contiguous() for t in other)
    expected, found = (
        gradients(case.run, [t.detach().requires_grad_() for t in given])
        for given in (plain, other)
    )
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a, b)


@EVERY
def test_expanded_arguments_are_repeated_ones(case: Case) -> None:
    """A stride of zero is read as it stands, and gathers the gradients of all its rows."""
    one = [t.requires_grad_() for t in case.tensors(1, 2, 70)]
    expanded = gradients(lambda *a: case.run(*(t.expand(3, *t.shape[1:]) for t in a)), one)
    repeated = gradients(lambda *a: case.run(*(t.repeat(3, *[1] * (t.ndim - 1)) for t in a)), one)
    for a, b in zip(expanded, repeated, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@EVERY
def test_empty_signals_and_batches_pass(case: Case, dtype: torch.dtype) -> None:
    for b, t in ((2, 0), (0, 5), (0, 0)):
        tensors = [
            (v.to(dtype) if i < case.audio else v).requires_grad_()
            for i, v in enumerate(case.tensors(b, 2, t))
        ]
        results = leaves(case.run(*tensors))
        assert results[0].shape[-1] == t
        assert all(r.shape[0] == b for r in results)
        found = torch.autograd.grad(sum(r.sum() for r in results), tensors, allow_unused=True)
        assert all(g is None or g.isfinite().all() for g in found)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@EVERY
def test_an_empty_block_hands_the_state_on(case: Case, dtype: torch.dtype) -> None:
    if case.name == "sinusoids":
        phase = torch.rand(2, 3, dtype=torch.float64)
        frames = torch.full((2, 3, 4), 0.1, dtype=dtype)
        _, after = ops.sinusoids(frames, frames, 0, start=2, phase=phase)
        torch.testing.assert_close(after, phase, rtol=0, atol=0)
        return
    _, state = case.run(
        *(t.to(dtype) if i < case.audio else t for i, t in enumerate(case.tensors(2, 2, 50)))
    )
    nothing = [t.to(dtype) if i < case.audio else t for i, t in enumerate(case.tensors(2, 2, 0))]
    op = {
        "sosfilt": ops.sosfilt,
        "allpole": lambda x, a, *_, state: ops.allpole(x, a, state),
        "envelope": ops.envelope,
        "compressor_gain": ops.compressor_gain,
        "antialiased": lambda x, g, state: ops.antialiased(x, case.name.split()[1], g, state),
        "antialiased2": lambda x, g, state: ops.antialiased(
            x, case.name.split()[1], g, state, order=2
        ),
        "lfilter": lambda x, b, a, state: ops.lfilter(
            x, b, torch.cat([2 + a[:, :, :1], a], 2), state
        ),
        "allpass_chain": lambda *a, state: ops.allpass_chain(
            *a, state=state, stages=state.shape[2]
        ),
        "svf": lambda *a, state: ops.svf(*a, state=state),
        "onepole": lambda x, p, state: ops.onepole(x, p, case.name.split()[1], state),
        "delay": lambda *a, state: ops.delay(
            *a,
            state=state,
            max_delay=40.0,
            interpolation="allpass" if "all-pass" in case.name else "cubic",
        ),
    }[case.name.split(",")[0].split(" ")[0]]
    y, after = op(*nothing, state=state)
    assert y.shape == (2, 2, 0)
    for a, b in zip(leaves(after), leaves(state), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("t", [1, 2, 3, 63, 64, 65, 127, 513])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@EVERY
def test_a_shorter_signal_gives_the_start_of_a_longer_one(
    case: Case, dtype: torch.dtype, t: int
) -> None:
    long = 600
    tensors = [v.to(dtype) if i < case.audio else v for i, v in enumerate(case.tensors(2, 2, long))]
    whole = leaves(case.run(*tensors))[0]
    extra = 1 if case.name == "sinusoids" else 0
    short = [v[..., : t + extra] if v.shape[-1] == long + extra else v for v in tensors]
    y = leaves(case.run(*short))[0]
    assert y.shape[-1] == t
    budget = -130.0 if dtype == torch.float32 else -250.0
    assert error_db(y, whole[..., :t].double()) < budget


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@EVERY
def test_rows_do_not_know_of_each_other(case: Case, dtype: torch.dtype) -> None:
    """1 to 17 rows, so that lanes are full, half full and alone."""
    for b in range(1, 18):
        tensors = [
            v.to(dtype) if i < case.audio else v for i, v in enumerate(case.tensors(b, 1, 67))
        ]
        together = gradients(case.run, [v.requires_grad_() for v in tensors])[0]
        for row in {0, b // 2, b - 1}:
            alone = leaves(case.run(*(v[row : row + 1] for v in tensors)))[0]
            budget = -115.0 if dtype == torch.float32 else -250.0
            assert error_db(together[row : row + 1], alone.double().detach()) < budget


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(
    case=st.sampled_from(CASES),
    b=st.integers(1, 5),
    c=st.integers(1, 4),
    t=st.integers(1, 200),
    cut=st.floats(0, 1),
)
def test_the_past_does_not_depend_on_the_future(
    case: Case, b: int, c: int, t: int, cut: float
) -> None:
    tensors, n = case.tensors(b, c, t), int(cut * t)
    before = leaves(case.run(*tensors))[0]
    assert before.shape[-1] == t
    assert before.isfinite().all()
    changed = tensors[0].clone()
    changed[..., n:] += 1.0
    after = leaves(case.run(changed, *tensors[1:]))[0]
    until = max(0, n - 1) if case.name == "sinusoids" else n
    assert torch.equal(before[..., :until], after[..., :until])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@EVERY
def test_nan_stays_in_its_row(case: Case, dtype: torch.dtype) -> None:
    tensors = [v.to(dtype) if i < case.audio else v for i, v in enumerate(case.tensors(5, 1, 130))]
    clean = leaves(case.run(*tensors))[0]
    tensors[0][3, ..., 70] = float("nan")
    y = leaves(case.run(*tensors))[0]
    assert y[3].isnan().any()
    assert torch.equal(y[3, ..., :69], clean[3, ..., :69])
    others = [0, 1, 2, 4]
    assert torch.equal(y[others], clean[others])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_unstable_filters_end_in_nan_or_infinity(dtype: torch.dtype) -> None:
    x = torch.randn(3, 1, 20_000, dtype=dtype, requires_grad=True)
    outside = torch.tensor([[1.0, 0.0, 0.0, 1.0, -2.1, 1.2]], dtype=torch.float64)
    on = torch.tensor([[1.0, 0.0, 0.0, 1.0, -2.0, 1.0]], dtype=torch.float64)
    loud = torch.full((3, 1, 1), 1.5, dtype=torch.float64)
    for y in (
        ops.sosfilt(x, outside)[0],
        ops.sosfilt(x, on)[0],
        ops.allpole(x, torch.full((3, 1, 2), -1.5, dtype=dtype))[0],
        ops.delay(x, 3 * loud, 2 * loud, max_delay=5.0)[0],
    ):
        assert not y[..., -1].isfinite().any()
        torch.autograd.grad(y.sum(), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_delay_out_of_range_gives_nan_from_there(dtype: torch.dtype) -> None:
    x = torch.randn(1, 1, 100, dtype=dtype)
    for wrong in (1.99, 20.01, -1e30, 1e30, float("nan"), float("inf")):
        d = torch.full((1, 1, 100), 10.0, dtype=torch.float64)
        d[..., 40] = wrong
        y = ops.delay(x, d, torch.zeros(1, 1, 1), max_delay=20.0)[0]
        assert y[..., 40].isnan().all()
        assert y[..., :40].isfinite().all()


@pytest.mark.parametrize("hop", [64, 4_800])
def test_phase_does_not_drift_in_ten_minutes(hop: int) -> None:
    """28.8 million samples in blocks of ten seconds, against whole-number arithmetic."""
    rate, seconds, blocks = 48_000, 600, 60
    samples = rate * seconds // blocks
    cycles = torch.tensor([[440.1, 1_000 / 3, 12_345.678]], dtype=torch.float64) / rate
    frames = cycles[..., None].expand(1, 3, samples // hop)
    amplitudes = torch.ones(1, 3, samples // hop)
    phase = None
    for _ in range(blocks):
        y, phase = ops.sinusoids(frames, amplitudes, hop=hop, phase=phase)
    assert y.dtype == torch.float32
    expected = (cycles.double().numpy().astype("longdouble") * rate * seconds) % 1
    error = (phase.numpy() - expected + 0.5) % 1 - 0.5
    assert abs(error).max() * 2 * torch.pi < 1e-3
    start = expected - (cycles.numpy().astype("longdouble") * samples) % 1
    time = torch.arange(samples, dtype=torch.float64)
    turns = (torch.as_tensor(start.astype("float64"))[..., None] + cycles[..., None] * time) % 1
    truth = torch.sin(2 * torch.pi * turns).sum(1)
    assert (y - truth).abs().max() < 3e-3
