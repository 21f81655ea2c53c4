"""What ops say when an argument is wrong or their kernels are missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from dspcore import _native, ops
from dspcore.ops import design

LOW = design.lowpass(2_000.0, 2.0, 48_000)
X = torch.zeros(2, 3, 10)
D = torch.full((2, 3), 4.0)
F = torch.zeros(2, 3, 3)
FRAMES = torch.zeros(2, 3, 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: ops.sosfilt([0.0], LOW[None]),
            TypeError,
            "sosfilt: x must be a torch.Tensor, got list",
        ),
        (lambda: ops.sosfilt(X.int(), LOW[None]), TypeError, "sosfilt: x .*got torch.int32.*float"),
        (lambda: ops.sosfilt(X.half(), LOW[None]), TypeError, "sosfilt: x .*got torch.float16"),
        (lambda: ops.sosfilt(X[0], LOW[None]), ValueError, r"sosfilt: x .*got \(3, 10\)"),
        (lambda: ops.sosfilt(X, LOW), ValueError, r"sosfilt: sos must be \(k, 6\).*got \(6,\)"),
        (lambda: ops.sosfilt(X, LOW[None, :5]), ValueError, r"sosfilt: sos .*got \(1, 5\)"),
        (
            lambda: ops.sosfilt(X, torch.zeros(4, 3, 1, 6)),
            ValueError,
            r"sosfilt: sos .*got \(4, 3, 1, 6\)",
        ),
        (lambda: ops.sosfilt(X, torch.zeros(1, 1, 1, 6, 9)), ValueError, "sosfilt: sos .*9"),
        (
            lambda: ops.sosfilt(X, LOW[None], torch.zeros(2, 3, 2)),
            ValueError,
            r"sosfilt: state must have the shape \(2, 3, 1, 2\).*got \(2, 3, 2\)",
        ),
        (lambda: ops.allpole(X.bool(), X), TypeError, "allpole: x .*torch.bool"),
        (lambda: ops.allpole(X, torch.zeros(2)), ValueError, r"allpole: a must be .*got \(2,\)"),
        (lambda: ops.allpole(X, torch.zeros(3, 3, 2)), ValueError, r"allpole: a .*got \(3, 3, 2\)"),
        (lambda: ops.allpole(X, torch.zeros(2, 3, 2, 9)), ValueError, "allpole: a .*9"),
        (
            lambda: ops.allpole(X, torch.zeros(2, 3, 129)),
            ValueError,
            "allpole: order .*128, got 129",
        ),
        (
            lambda: ops.allpole(X, torch.zeros(2, 3, 2), torch.zeros(2, 3, 3)),
            ValueError,
            "allpole: state .*got",
        ),
        (
            lambda: ops.envelope(X[..., None], 0.1, 0.1),
            ValueError,
            r"envelope: x .*\(2, 3, 10, 1\)",
        ),
        (
            lambda: ops.envelope(X, torch.zeros(3), 0.1),
            ValueError,
            r"envelope: attack .*got \(3,\)",
        ),
        (
            lambda: ops.envelope(X, 0.1, torch.zeros(2, 3, 9)),
            ValueError,
            r"envelope: release .*got \(2, 3, 9\)",
        ),
        (
            lambda: ops.envelope(X, 0.1, 0.1, torch.zeros(2)),
            ValueError,
            r"envelope: state .*\(2, 3\).*got \(2,\)",
        ),
        (
            lambda: ops.compressor_gain(X, torch.zeros(4, 3), 2.0, 0.0, 0.1, 0.1),
            ValueError,
            r"compressor_gain: threshold_db .*got \(4, 3\)",
        ),
        (
            lambda: ops.compressor_gain(X.long(), 0.0, 2.0, 0.0, 0.1, 0.1),
            TypeError,
            "compressor_gain: x .*torch.int64",
        ),
        (
            lambda: ops.antialiased(X, "tan"),
            ValueError,
            "antialiased: curve must be one of tanh, arctan, .*tube, got 'tan'",
        ),
        (
            lambda: ops.antialiased(X, "tanh", order=3),
            ValueError,
            "antialiased: order must be 1 or 2, got 3",
        ),
        (
            lambda: ops.antialiased(X, "tanh", state=torch.zeros(2, 3), order=2),
            ValueError,
            r"antialiased: state .*\(2, 3, 2\).*got \(2, 3\)",
        ),
        (
            lambda: ops.antialiased(X, "tanh", torch.zeros(2, 3, 1, 1)),
            ValueError,
            r"antialiased: gain .*got \(2, 3, 1, 1\)",
        ),
        (
            lambda: ops.delay(X[0], D, F, max_delay=9.0),
            ValueError,
            r"delay: x .*\(b, l, t\).*got \(3, 10\)",
        ),
        (
            lambda: ops.delay(X, D[:, :2], F, max_delay=9.0),
            ValueError,
            r"delay: delay_samples .*got \(2, 2\)",
        ),
        (
            lambda: ops.delay(X, D, F[:, :2], max_delay=9.0),
            ValueError,
            r"delay: feedback .*got \(2, 2, 3\)",
        ),
        (
            lambda: ops.delay(X, D, F, torch.zeros(2, 3, 6), max_delay=9.0),
            ValueError,
            r"delay: loop_sos .*got \(2, 3, 6\)",
        ),
        (
            lambda: ops.delay(X, D, F, torch.zeros(2, 3, 5, 6), max_delay=9.0),
            ValueError,
            "delay: at most 16 lines and 4 loop sections, got 3 and 5",
        ),
        (lambda: ops.delay(X, D, F, max_delay=1.0), ValueError, "delay: max_delay .*got 1.0"),
        (
            lambda: ops.delay(X, D, F, max_delay=float("nan")),
            ValueError,
            "delay: max_delay .*got nan",
        ),
        (
            lambda: ops.delay(X, D, F, max_delay=9.0, interpolation="sinc"),
            ValueError,
            "delay: interpolation must be one of linear, cubic, allpass, got 'sinc'",
        ),
        (
            lambda: ops.delay(X, D, F, None, ops.delay(X, D, F, max_delay=8.0)[1], max_delay=9.0),
            ValueError,
            "delay: state .*the state that the same op returned",
        ),
        (
            lambda: ops.sinusoids(FRAMES, FRAMES.int()),
            TypeError,
            "sinusoids: amplitudes .*torch.int32",
        ),
        (
            lambda: ops.sinusoids(FRAMES, X),
            ValueError,
            r"sinusoids: .*\(2, 3, 4\) and \(2, 3, 10\)",
        ),
        (lambda: ops.sinusoids(FRAMES[..., :0], FRAMES[..., :0]), ValueError, "at least one frame"),
        (
            lambda: ops.sinusoids(FRAMES, FRAMES, hop=0),
            ValueError,
            "sinusoids: hop must be .*got 0",
        ),
        (lambda: ops.sinusoids(FRAMES, FRAMES, 3, hop=-4), ValueError, "sinusoids: hop .*got -4"),
        (lambda: ops.sinusoids(FRAMES, FRAMES, start=-1), ValueError, "sinusoids: .*start .*-1"),
        (lambda: ops.sinusoids(FRAMES, FRAMES, -1), ValueError, "sinusoids: .*num_samples .*-1"),
        (
            lambda: ops.sinusoids(FRAMES, FRAMES, 9, hop=2),
            ValueError,
            "4 frames at hop 2 .*9 samples",
        ),
        (
            lambda: ops.sinusoids(FRAMES, FRAMES, phase=torch.zeros(2)),
            ValueError,
            r"sinusoids: phase must be \(2, 3\), got \(2,\)",
        ),
        (
            lambda: ops.lfilter(X, torch.zeros(2, 3), torch.ones(2)),
            ValueError,
            r"lfilter: b must be \(m,\).*got \(2, 3\)",
        ),
        (
            lambda: ops.lfilter(X, torch.ones(2), torch.zeros(4, 3, 2)),
            ValueError,
            r"lfilter: a .*got \(4, 3, 2\)",
        ),
        (
            lambda: ops.lfilter(X, torch.ones(130), torch.ones(1)),
            ValueError,
            "lfilter: order must be at most 128, got 129",
        ),
        (
            lambda: ops.lfilter(X, torch.ones(3), torch.ones(1), torch.zeros(2, 3, 1)),
            ValueError,
            r"lfilter: state .*\(2, 3, 2\).*got \(2, 3, 1\)",
        ),
        (
            lambda: ops.allpass_chain(X, 0.5, stages=25),
            ValueError,
            "allpass_chain: stages must be 1 to 24, got 25",
        ),
        (
            lambda: ops.allpass_chain(X, 0.5, torch.zeros(2), stages=2),
            ValueError,
            r"allpass_chain: feedback .*got \(2,\)",
        ),
        (
            lambda: ops.allpass_chain(X, 0.5, state=torch.zeros(2, 3, 4), stages=2),
            ValueError,
            r"allpass_chain: state .*\(2, 3, 2\).*got \(2, 3, 4\)",
        ),
        (
            lambda: ops.limiter_gain(X, -6.0, 0.1, lookahead=-1),
            ValueError,
            "limiter_gain: lookahead must be 0 samples or more, got -1",
        ),
        (
            lambda: ops.limiter_gain(X, torch.zeros(3), 0.1, lookahead=1),
            ValueError,
            r"limiter_gain: threshold_db .*got \(3,\)",
        ),
        (lambda: ops.lookahead(X, -2), ValueError, "lookahead: samples .*got -2"),
        (
            lambda: ops.lookahead(X, 2, torch.zeros(2, 3, 3)),
            ValueError,
            r"lookahead: state .*\(2, 3, 2\).*got \(2, 3, 3\)",
        ),
        (
            lambda: ops.svf(X, 0.1, 0.7, "low"),
            ValueError,
            "svf: mode must be one of lowpass, .*got 'low'",
        ),
        (lambda: ops.svf(X, 0.1, 0.7, (1.0, 0.0)), ValueError, "svf: mode .*three gains, got 2"),  # type: ignore[arg-type]
        (
            lambda: ops.svf(X, torch.zeros(2, 3, 9), 0.7),
            ValueError,
            r"svf: cutoff must be a number, \(2, 3\) or \(2, 3, 10\).*got \(2, 3, 9\)",
        ),
        (
            lambda: ops.svf(X, 0.1, 0.7, state=torch.zeros(2, 3)),
            ValueError,
            r"svf: state .*\(2, 3, 2\).*got \(2, 3\)",
        ),
        (
            lambda: ops.onepole(X, 0.5, "band"),
            ValueError,
            "onepole: mode must be one of lowpass, highpass, allpass, got 'band'",
        ),
        (
            lambda: ops.onepole(X, torch.zeros(3)),
            ValueError,
            r"onepole: pole .*got \(3,\)",
        ),
        (
            lambda: design.lowpass(0.0, 0.7, 48_000),
            ValueError,
            "design.lowpass: cutoff_hz .*24000 Hz",
        ),
        (
            lambda: design.peak(24_000.0, 1.0, 3.0, 48_000),
            ValueError,
            "design.peak: .*got cutoff_hz 24000",
        ),
        (lambda: design.notch(100.0, 0.0, 48_000), ValueError, "design.notch: .*q 0.0"),
        (
            lambda: design.lowpass(float("nan"), 0.7, 48_000),
            ValueError,
            "design.lowpass: .*got cutoff_hz nan",
        ),
    ],
)
def test_wrong_arguments_are_named(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


def test_a_missing_build_says_how_to_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_native, "_load", lambda device: ImportError("No module named '_cpu'"))
    with pytest.raises(RuntimeError, match=r"cpu kernels .*No module named.*pip install -e \."):
        ops.allpole(X, torch.zeros(2, 3, 2))
    assert _native.info()["cpu"] == {"built": False, "reason": "No module named '_cpu'"}


def test_a_device_without_kernels_is_named() -> None:
    with pytest.raises(RuntimeError, match="no kernels for device 'meta'; move the tensors"):
        _native.module("meta")
