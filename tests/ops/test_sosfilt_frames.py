"""Sections given per frame: what lies between two frames, its gradients, and plain calls."""

from __future__ import annotations

import pytest
import torch
from test_records import error_db, leaves
from torch import Tensor

from dspcore import ops
from dspcore.ops import design


def sections(b: int, c: int, k: int, f: int) -> Tensor:
    """Resonant low-passes anywhere, (b, c, k, 6, f)."""
    cutoff = 30.0 * 600.0 ** torch.rand(b, c, k, f, dtype=torch.float64)
    return design.lowpass(cutoff, 4.0, 48_000).movedim(-1, 3)


def reference(x: Tensor, sos: Tensor, hop: int, start: int) -> Tensor:
    """Sample by sample: both integrators and the output are linear in state and input, and so are
    the matrices that make them in the coefficients that glide."""
    b0, b1, b2, a0, a1, a2 = sos.unbind(3)
    b0, b1, b2, a1, a2 = (v / a0 for v in (b0, b1, b2, a1, a2))
    nyquist, zero = 1 - a1 + a2, 1 + a1 + a2
    root, high = (zero * nyquist).sqrt(), (b0 - b1 + b2) / nyquist
    gains = [(3 + a1 - a2) / 4, root / 4, zero / 4]
    gains += [high, 2 * (b0 - b2 - high * (1 - a2)) / root, (b0 + b1 + b2) / zero - high]
    c = torch.stack(gains, -1)  # (b, c, k, f, 6)
    n, f = torch.arange(x.shape[-1]) + start, sos.shape[-1]
    i = (n // hop).clamp(max=f - 1)
    part = ((n - i * hop).double() / hop)[:, None]
    c = torch.lerp(c[..., i, :], c[..., (i + 1).clamp(max=f - 1), :], part)
    one = torch.ones_like(c[..., 0])
    u0, u1, u2, h, m1, m2 = c.unbind(-1)
    rows = [1 - 2 * u0, -2 * u1, 2 * u1]  # of the states, then of the input
    rows += [2 * u1, one - 2 * u2, 2 * u2]
    rows += [m1 * (1 - u0) + m2 * u1, m2 * (1 - u2) - m1 * u1, h + m1 * u1 + m2 * u2]
    system = torch.stack(rows, -1).unflatten(-1, (3, 3)).expand(*x.shape[:2], -1, -1, -1, -1)
    for k in range(sos.shape[2]):
        state, out = x.new_zeros(*x.shape[:2], 2), []
        for t in range(x.shape[-1]):
            made = system[:, :, k, t] @ torch.cat([state, x[..., t, None]], -1)[..., None]
            state = made[..., :2, 0]
            out.append(made[..., 2, 0])
        x = torch.stack(out, -1)
    return x


@pytest.mark.parametrize(
    ("b", "c", "t", "k", "f", "hop", "start"),
    [(2, 1, 150, 1, 5, 40, 0), (20, 1, 131, 3, 9, 16, 5), (1, 1, 70, 2, 1, 64, 0)],
)
def test_between_frames_the_coefficients_are_linear(
    b: int, c: int, t: int, k: int, f: int, hop: int, start: int
) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, b, c, t, dtype=torch.float64)
    sos = sections(1, c, k, f)
    for dtype, budget in ((torch.float64, -200.0), (torch.float32, -110.0)):
        given = [v.requires_grad_() for v in (x.to(dtype), sos.clone())]
        truths = [v.detach().double().requires_grad_() for v in (x, sos)]
        y = ops.sosfilt(*given, hop=hop, start=start)[0]
        truth = reference(*truths, hop, start)
        found = torch.autograd.grad(y, given, weight.to(dtype))
        wanted = torch.autograd.grad(truth, truths, weight)
        assert error_db(y.detach(), truth.detach()) < budget
        for g, w in zip(found, wanted, strict=True):
            assert error_db(g, w) < budget + 30


def test_frames_have_second_derivatives() -> None:
    torch.manual_seed(0)
    x, sos = torch.randn(2, 1, 9, dtype=torch.float64), sections(2, 1, 1, 3)

    def run(*given: Tensor) -> tuple[Tensor, ...]:
        return ops.sosfilt(*given, hop=4)

    given = (x.requires_grad_(), (20 * sos).requires_grad_())
    assert torch.autograd.gradcheck(run, given, check_forward_ad=True, atol=1e-4, rtol=1e-3)
    assert torch.autograd.gradgradcheck(run, given, atol=1e-3, rtol=1e-2)


def test_frames_do_not_care_where_a_block_begins() -> None:
    torch.manual_seed(0)
    x, sos, hop = torch.randn(2, 1, 700), sections(2, 1, 2, 11), 70
    whole, end = ops.sosfilt(x, sos, hop=hop)
    state, done, blocks = None, 0, []
    for size in (1, 69, 70, 0, 300, 260):
        y, state = ops.sosfilt(x[..., done : done + size], sos, state, hop=hop, start=done)
        blocks.append(y)
        done += size
    assert error_db(torch.cat(blocks, -1), whole.double()) < -120
    assert state is not None
    assert error_db(state, end.double()) < -120


def test_no_mix_of_frames_adds_energy_to_the_states() -> None:
    torch.manual_seed(0)
    sos = sections(4, 1, 1, 50)
    _, state = ops.sosfilt(torch.randn(4, 1, 64, dtype=torch.float64), sos[..., 0])
    energy = state.square().sum()
    for block in range(50):
        silence = torch.zeros(4, 1, 7, dtype=torch.float64)
        _, state = ops.sosfilt(silence, sos, state, hop=7, start=7 * block)
        assert state.square().sum() <= energy * (1 + 1e-12)
        energy = state.square().sum()


@pytest.mark.parametrize("hop", [0, 3])
def test_frames_that_do_not_fit_are_refused(hop: int) -> None:
    with pytest.raises(ValueError, match=r"sosfilt: with frames.*hop at least 1.*got \(1, 6\)"):
        ops.sosfilt(torch.zeros(1, 1, 8), sections(1, 1, 1, 1)[0, 0, ..., 0], hop=hop)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("per_row", [False, True])
def test_a_plain_call_is_the_call_that_gradients_flow_through(
    dtype: torch.dtype, per_row: bool
) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 2, 512, dtype=dtype)
    sos = sections(3, 1, 2, 1)[..., 0] if per_row else sections(1, 1, 2, 1)[0, 0, ..., 0]
    state = torch.randn(3, 2, 2, 2, dtype=dtype)
    for given in ((x, sos), (x, sos, state), (x.mT.contiguous().mT, sos.float(), state)):
        plain = ops.sosfilt(*given)
        watched = ops.sosfilt(given[0].clone().requires_grad_(), *given[1:])
        for a, b in zip(leaves(plain), leaves(watched), strict=True):
            assert torch.equal(a, b.detach())


def test_frames_compile_without_a_graph_break() -> None:
    torch.manual_seed(0)
    x, sos = torch.randn(2, 1, 300, dtype=torch.float64), sections(2, 1, 2, 6)

    def loss(x: Tensor, sos: Tensor) -> Tensor:
        return ops.sosfilt(x, sos, hop=64, start=10)[0].square().sum()

    torch.compiler.reset()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    given = [x.requires_grad_(), sos.requires_grad_()]
    for found, wanted in zip(
        torch.autograd.grad(compiled(*given), given),
        torch.autograd.grad(loss(*given), given),
        strict=True,
    ):
        torch.testing.assert_close(found, wanted)
