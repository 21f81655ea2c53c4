"""Any split of a signal into blocks gives the signal and the gradients of one long block."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from test_records import error_db, leaves
from torch import Tensor

from dspcore import ops
from dspcore.ops import design
from dspcore.ops.antialiased import CURVES

LENGTH = 1_100
PLANS: dict[str, list[int]] = {
    **{str(n): [n] * -(-LENGTH // n) for n in (1, 7, 64, 480)},
    "mixed": [1, 0, 130, 2, 480, 63, 7, 300, 117],
}
Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Case:
    """An op on what is cut into blocks (time last), and on what stays."""

    name: str
    run: Callable[..., Any]  # (state, **cut, **whole) -> (y, state)
    cut: Tensors
    whole: Tensors = field(default_factory=dict)
    float32_db: float = -130.0


def uniform(low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, dtype=torch.float64)


def drift(low: float, high: float, *shape: int) -> Tensor:
    """From a random value to another, evenly over the length."""
    ramp = torch.linspace(0, 1, LENGTH, dtype=torch.float64)
    return uniform(low, high, *shape, 1) * (1 - ramp) + uniform(low, high, *shape, 1) * ramp


def sosfilt(state: Any, x: Tensor, sos: Tensor) -> Any:
    return ops.sosfilt(x, sos, state)


def allpole(state: Any, x: Tensor, a: Tensor) -> Any:
    return ops.allpole(x, a, state)


def envelope(state: Any, x: Tensor, attack: Tensor, release: Tensor) -> Any:
    return ops.envelope(x, attack, release, state)


def compressor_gain(state: Any, x: Tensor, **controls: Tensor) -> Any:
    return ops.compressor_gain(x, **controls, state=state)


def antialiased(curve: str, order: int) -> Callable[..., Any]:
    def run(state: Any, x: Tensor, gain: Tensor) -> Any:
        return ops.antialiased(x, curve, gain, state, order=order)

    return run


def delay(interpolation: str) -> Callable[..., Any]:
    def run(state: Any, x: Tensor, d: Tensor, feedback: Tensor, sos: Tensor | None = None) -> Any:
        return ops.delay(x, d, feedback, sos, state, max_delay=200.0, interpolation=interpolation)

    return run


def lfilter(state: Any, x: Tensor, b: Tensor, a: Tensor) -> Any:
    return ops.lfilter(x, b, a, state)


def allpass_chain(state: Any, x: Tensor, pole: Tensor, feedback: Tensor) -> Any:
    return ops.allpass_chain(x, pole, feedback, state, stages=6)


def svf(mode: Any) -> Callable[..., Any]:
    def run(state: Any, x: Tensor, cutoff: Tensor, q: Tensor) -> Any:
        return ops.svf(x, cutoff, q, mode, state)

    return run


def onepole(mode: str) -> Callable[..., Any]:
    def run(state: Any, x: Tensor, pole: Tensor) -> Any:
        return ops.onepole(x, pole, mode, state)

    return run


def sinusoids(hop: int) -> Callable[..., Any]:
    def run(state: Any, clock: Tensor, frequencies: Tensor, amplitudes: Tensor) -> Any:
        start, phase = state or (0, None)
        n = clock.shape[-1]
        y, phase = ops.sinusoids(frequencies, amplitudes, n, hop=hop, start=start, phase=phase)
        return y * (1 + 0 * clock), (start + n, phase)

    return run


def cases() -> list[Case]:
    torch.manual_seed(0)
    x = torch.randn(2, 2, LENGTH, dtype=torch.float64)
    level = x.abs() * drift(0.01, 1.0, 2, 2)
    found = []

    sections = torch.stack(
        [
            design.peak(uniform(30, 60, 2, 2), 10.0, 6.0, 48_000),
            design.lowpass(uniform(2e3, 9e3, 2, 2), 0.7, 48_000),
        ],
        2,
    )
    wandering = torch.stack(
        [
            design.peak(drift(40, 4_000, 2, 1), 3.0, drift(-12, 12, 2, 1), 48_000),
            design.highpass(drift(30, 900, 2, 1), 0.7, 48_000),
        ],
        2,
    ).movedim(3, -1)
    found += [
        Case("sosfilt", sosfilt, {"x": x}, {"sos": sections}),
        Case("sosfilt of ten", sosfilt, {"x": x}, {"sos": sections.repeat(1, 1, 5, 1)}),
        Case("sosfilt, moving", sosfilt, {"x": x, "sos": wandering}),
        Case("allpole", allpole, {"x": x}, {"a": uniform(-0.08, 0.08, 2, 2, 12)}),
        Case("allpole, moving", allpole, {"x": x, "a": drift(-0.04, 0.04, 2, 2, 22)}),
    ]

    speeds = {"attack": uniform(0.05, 0.4, 2, 2), "release": uniform(1e-4, 0.01, 2, 2)}
    moving_speeds = {"attack": drift(0.05, 0.4, 2, 2), "release": drift(1e-4, 0.01, 2, 2)}
    curve = {
        "threshold_db": uniform(-30, -10, 2, 2),
        "ratio": uniform(2, 10, 2, 2),
        "knee_db": uniform(0, 12, 2, 2),
    }
    moving_curve = {
        "threshold_db": drift(-30, -10, 2, 2),
        "ratio": drift(2, 10, 2, 2),
        "knee_db": drift(1, 12, 2, 2),
    }
    found += [
        Case("envelope", envelope, {"x": level}, speeds),
        Case("envelope, moving", envelope, {"x": level, **moving_speeds}),
        Case("compressor_gain", compressor_gain, {"x": level}, {**curve, **speeds}),
        Case(
            "compressor_gain, moving",
            compressor_gain,
            {"x": level, **moving_curve, **moving_speeds},
        ),
    ]
    for name, order in itertools.product(CURVES, (1, 2)):
        bend = antialiased(name, order)
        what = f"antialiased {name}, order {order}"
        found += [
            Case(what, bend, {"x": x}, {"gain": uniform(1, 4, 2, 2)}),
            Case(f"{what}, moving", bend, {"x": x, "gain": drift(1, 4, 2, 2)}),
        ]

    one = torch.ones(2, 2, 1, LENGTH, dtype=torch.float64)
    moving_poles = torch.cat([2 * one, drift(-0.2, 0.2, 2, 2, 5)], 2)
    found += [
        Case(
            "lfilter",
            lfilter,
            {"x": x},
            {"b": uniform(-1, 1, 2, 2, 9), "a": moving_poles[..., 0].clone()},
        ),
        Case("lfilter, moving", lfilter, {"x": x, "b": drift(-1, 1, 2, 2, 3), "a": moving_poles}),
    ]
    phaser = {"pole": uniform(-0.9, 0.9, 2, 2), "feedback": uniform(-0.8, 0.8, 2, 2)}
    swept = {"pole": drift(-0.9, 0.9, 2, 2), "feedback": drift(-0.8, 0.8, 2, 2)}
    found += [
        Case("allpass_chain", allpass_chain, {"x": x}, phaser),
        Case("allpass_chain, moving", allpass_chain, {"x": x, **swept}),
    ]
    for mode in ("lowpass", "allpass", (0.5, 2.0, -1.0)):
        corner = {"cutoff": uniform(0.001, 0.4, 2, 2), "q": uniform(0.5, 9, 2, 2)}
        sweep = {"cutoff": drift(0.001, 0.4, 2, 2), "q": drift(0.5, 9, 2, 2)}
        found += [
            Case(f"svf {mode}", svf(mode), {"x": x}, corner),
            Case(f"svf {mode}, moving", svf(mode), {"x": x, **sweep}),
        ]
    for name in ("lowpass", "highpass", "allpass"):
        found += [
            Case(f"onepole {name}", onepole(name), {"x": x}, {"pole": uniform(-0.9, 0.99, 2, 2)}),
            Case(
                f"onepole {name}, moving", onepole(name), {"x": x, "pole": drift(-0.9, 0.99, 2, 2)}
            ),
        ]

    crossed = torch.tensor([[[0.0, 0.7], [0.8, 0.0]]], dtype=torch.float64)
    many = torch.randn(1, 8, LENGTH, dtype=torch.float64)
    orthogonal = torch.linalg.qr(torch.randn(1, 8, 8, dtype=torch.float64))[0] * 0.97
    loop = torch.stack(
        [
            design.lowshelf(uniform(100, 300, 1, 8), 0.7, -3.0, 48_000),
            design.lowpass(uniform(3e3, 9e3, 1, 8), 0.7, 48_000),
        ],
        2,
    )
    moving_loop = design.lowpass(drift(500, 9_000, 2, 2), 0.7, 48_000)[:, :, None].movedim(3, -1)
    found += [
        Case(
            "echo",
            delay("cubic"),
            {"x": x[:, :1]},
            {"d": uniform(2, 190, 2, 1), "feedback": uniform(0.3, 0.9, 2, 1, 1)},
        ),
        Case(
            "echo, moving",
            delay("linear"),
            {"x": x[:, :1], "d": drift(2.5, 150, 2, 1), "feedback": drift(-0.9, 0.9, 2, 1, 1)},
        ),
        Case(
            "echo, all-pass",
            delay("allpass"),
            {"x": x[:, :1]},
            {"d": uniform(2, 190, 2, 1), "feedback": uniform(0.3, 0.9, 2, 1, 1)},
        ),
        Case(
            "ping-pong, all-pass, moving",
            delay("allpass"),
            {"x": x, "d": drift(20.5, 21.5, 2, 2), "sos": moving_loop},
            {"feedback": crossed},
        ),
        Case(
            "ping-pong",
            delay("cubic"),
            {"x": x},
            {"d": uniform(20, 190, 2, 2), "feedback": crossed},
        ),
        Case(
            "ping-pong, moving",
            delay("cubic"),
            {"x": x, "d": drift(2.0, 199, 2, 2), "sos": moving_loop},
            {"feedback": crossed},
        ),
        Case(
            "network",
            delay("cubic"),
            {"x": many},
            {"d": uniform(30, 190, 1, 8), "feedback": orthogonal, "sos": loop},
        ),
        Case(
            "network, moving",
            delay("cubic"),
            {"x": many, "d": drift(30, 190, 1, 8)},
            {"feedback": orthogonal, "sos": loop},
        ),
    ]

    for hop in (1, 64):
        frames = -(-LENGTH // hop)
        bank = {
            "frequencies": uniform(0.001, 0.3, 2, 5, frames),
            "amplitudes": torch.randn(2, 5, frames, dtype=torch.float64),
        }
        found.append(Case(f"sinusoids, hop {hop}", sinusoids(hop), {"clock": x[:, 0]}, bank))
    return found


def as_type(tensors: Tensors, dtype: torch.dtype) -> Tensors:
    """Audio, and what is of its type, in `dtype`; controls stay in float64."""
    return {
        k: v.to(dtype) if k in ("x", "a", "amplitudes", "clock") else v for k, v in tensors.items()
    }


def by_blocks(case: Case, plan: list[int], cut: Tensors, whole: Tensors) -> tuple[Tensor, Any]:
    state, start, out = None, 0, []
    for n in plan:
        part = {name: value[..., start : start + n] for name, value in cut.items()}
        y, state = case.run(state, **part, **whole)
        out.append(y)
        start += n
    return torch.cat(out, -1), state


def endings(state: Any) -> list[Tensor]:
    """The tensors of a state; of the sinusoids', the phase."""
    return leaves(
        [part for part in state if not isinstance(part, int)] if isinstance(state, tuple) else state
    )


CASES = [pytest.param(case, id=case.name) for case in cases()]


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", CASES)
def test_blocks_are_one_long_block(case: Case, dtype: torch.dtype, plan: list[int]) -> None:
    cut, whole = as_type(case.cut, dtype), as_type(case.whole, dtype)
    y, state = case.run(None, **cut, **whole)
    found, after = by_blocks(case, plan, cut, whole)
    budget = case.float32_db if dtype == torch.float32 else -250.0
    assert error_db(found, y.double()) < budget
    for a, b in zip(endings(after), endings(state), strict=True):
        assert b.numel() == 0 or error_db(a, b.double()) < budget


@pytest.mark.parametrize("plan", ["7", "mixed"])
@pytest.mark.parametrize("case", CASES)
def test_gradients_through_blocks_are_those_through_one(case: Case, plan: str) -> None:
    names = [name for name in (*case.cut, *case.whole) if name != "clock"]
    gradients = []
    for blocks in ([LENGTH], PLANS[plan]):
        cut, whole = (
            {k: v.clone().requires_grad_() for k, v in t.items()} for t in (case.cut, case.whole)
        )
        y, state = by_blocks(case, blocks, cut, whole)
        weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape)
        loss = (y * weight).sum() + sum(s.sum() for s in endings(state))
        inputs = {**cut, **whole}
        gradients.append(torch.autograd.grad(loss, [inputs[name] for name in names]))
    for name, exact, found in zip(names, *gradients, strict=True):
        assert exact.abs().max() > 0, name
        assert error_db(found, exact) < -230.0, name
