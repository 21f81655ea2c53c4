"""Linear recursions: biquads, cascades, all-pole filters."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate, pad

from dspcore.bench.case import Case, Contender, Run, Tensors


def noise(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator)


# --- biquads ------------------------------------------------------------------------------------


def peaks(sections: int) -> Tensor:
    """Peaking equalisers, 100 Hz to 10 kHz at 44.1 kHz, +6 and -6 dB in turn, Q of 1; (k, 6)."""
    turn = 2.0 * torch.pi * torch.logspace(2.0, 4.0, sections, dtype=torch.float64) / 44_100.0
    gain = torch.tensor([6.0, -6.0], dtype=torch.float64).repeat(sections)[:sections]
    amplitude, alpha = 10.0 ** (gain / 40.0), turn.sin() / 2.0
    rows = [1 + alpha * amplitude, -2 * turn.cos(), 1 - alpha * amplitude]
    rows += [1 + alpha / amplitude, -2 * turn.cos(), 1 - alpha / amplitude]
    sos = torch.stack(rows, -1)
    return sos / sos[:, 3:4]


def cascade(rows: int, samples: int, sections: int, learned: tuple[str, ...], shape: str) -> Case:
    def inputs(generator: Generator) -> Tensors:
        return {"x": noise(generator, rows, 1, samples), "sos": peaks(sections)}

    def ours(given: Tensors) -> Tensor:
        from dspcore.ops import sosfilt

        return sosfilt(given["x"], given["sos"])[0]

    def peer(
        name: str, load: Callable[[], Run], package: str, agrees_db: float = -60.0
    ) -> Contender:
        return Contender(name, load, package, plain_float32, agrees_db, learned=("x", "b", "a"))

    # Frequency sampling lets the tail of the response wrap around, hence its lower bar.
    peers = (
        Contender("scipy.sosfilt", scipy_sosfilt, "scipy", gradient=False),
        peer("FIR + torchlpc", torchlpc_biquads, "torchlpc"),
        peer("philtorch lfilter", philtorch_biquads, "philtorch"),
        peer("dasp sosfilt_via_fsm", dasp_biquads, "dasp-pytorch", -40.0),
        peer("PyTorch eager, FFT", lambda: fft_biquads, "torch", -40.0),
        peer("torch.compile, FFT", compiled_fft_biquads, "torch", -40.0),
    )
    work = 5.0 * rows * samples * sections
    return Case("sosfilt", shape, inputs, learned, ours, peers, work)


def plain_float32(given: Tensors) -> Tensors:
    """Audio as (rows, t); numerators b (k, 3) and denominators a (k, 2), without the leading 1."""
    sos = given["sos"].float()
    return {"x": given["x"].flatten(0, 1), "b": sos[:, :3], "a": sos[:, 4:]}


def scipy_sosfilt() -> Run:
    from scipy.signal import sosfilt

    def run(given: Tensors) -> Tensor:
        sos, x = given["sos"].numpy(), given["x"].numpy()
        return torch.from_numpy(sosfilt(sos.astype(x.dtype), x))

    return run


def torchlpc_biquads() -> Run:
    from torchlpc import sample_wise_lpc

    def run(given: Tensors) -> Tensor:
        y = given["x"]
        for b, a in zip(given["b"], given["a"], strict=True):
            # Four times as fast as conv1d with its single channel.
            past = pad(y, (2, 0))
            y = b[0] * past[:, 2:] + b[1] * past[:, 1:-1] + b[2] * past[:, :-2]
            y = sample_wise_lpc(y, a.expand(*y.shape, 2))
        return y

    return run


def philtorch_biquads() -> Run:
    from philtorch.lti import lfilter

    def run(given: Tensors) -> Tensor:
        y = given["x"]
        for b, a in zip(given["b"], given["a"], strict=True):
            y = lfilter(b, a, y)
        return y

    return run


def dasp_biquads() -> Run:
    from dasp_pytorch.signal import sosfilt_via_fsm

    def run(given: Tensors) -> Tensor:
        sos = torch.cat([given["b"], pad(given["a"], (1, 0), value=1.0)], -1)
        return sosfilt_via_fsm(sos.expand(given["x"].shape[0], -1, -1), given["x"])

    return run


def fft_biquads(given: Tensors) -> Tensor:
    """Frequency sampling on twice the length: what plain PyTorch offers for a recursion."""
    samples = given["x"].shape[-1]
    length = 1 << (2 * samples - 1).bit_length()
    denominator = torch.fft.rfft(pad(given["a"], (1, 0), value=1.0), length)
    response = torch.fft.rfft(given["b"], length) / denominator
    spectrum = torch.fft.rfft(given["x"], length) * response.prod(0)
    return torch.fft.irfft(spectrum, length)[..., :samples]


def compiled_fft_biquads() -> Run:
    return torch.compile(fft_biquads, dynamic=False)


def moving_biquad(hop: int) -> Case:
    """One biquad whose peak glides, coefficients per sample or per frame of `hop`."""
    rows, samples = 32, 88_200
    frames = samples if hop == 1 else -(-samples // hop) + 1

    def inputs(generator: Generator) -> Tensors:
        b, a = gliding(frames)
        moved = torch.zeros(5, 1, dtype=torch.float64)
        return {"x": noise(generator, rows, 1, samples), "b": b, "a": a, "moved": moved}

    def path(given: Tensors) -> tuple[Tensor, Tensor]:
        """The whole glide is moved: a single sample's gradient depends on the realisation."""
        return given["b"] + given["moved"][:3], given["a"] + given["moved"][3:]

    def spread(coefficients: Tensor) -> Tensor:
        """(n, frames) to (n, t)."""
        if hop == 1:
            return coefficients
        size = (frames - 1) * hop + 1
        whole = interpolate(coefficients[None], size=size, mode="linear", align_corners=True)
        return whole[0, :, :samples]

    def ours(given: Tensors) -> Tensor:
        from dspcore.ops import sosfilt

        b, a = path(given)
        sos = torch.cat([b, torch.ones_like(b[:1]), a])[None, None, None]
        return sosfilt(given["x"], sos, hop=hop if hop > 1 else None)[0]

    def torchlpc() -> Run:
        from torchlpc import sample_wise_lpc

        def run(given: Tensors) -> Tensor:
            b, a = (spread(moving).float() for moving in path(given))
            past = pad(given["x"][:, 0], (2, 0))
            y = b[0] * past[:, 2:] + b[1] * past[:, 1:-1] + b[2] * past[:, :-2]
            return sample_wise_lpc(y, a.mT.expand(*y.shape, 2))

        return run

    # Moving coefficients are another filter in another realisation: near.
    peers = (Contender("FIR + torchlpc", torchlpc, "torchlpc", agrees_db=-10.0),)
    kind = "per sample" if hop == 1 else f"per frame of {hop}"
    shape = f"one biquad, coefficients {kind}, {rows} x {samples:,}"
    return Case("sosfilt", shape, inputs, ("x", "moved"), ours, peers, 5.0 * rows * samples)


def gliding(frames: int) -> tuple[Tensor, Tensor]:
    """A peak from 500 Hz to 2 kHz at 44.1 kHz: (3, frames) and, without its 1, (2, frames)."""
    turn = 2.0 * torch.pi * torch.logspace(2.7, 3.3, frames, dtype=torch.float64) / 44_100.0
    alpha, amplitude = turn.sin() / 2.0, 1.4
    rows = [1 + alpha * amplitude, -2 * turn.cos(), 1 - alpha * amplitude]
    rows += [1 + alpha / amplitude, -2 * turn.cos(), 1 - alpha / amplitude]
    sos = torch.stack(rows)
    sos = sos / sos[3]
    return sos[:3], sos[4:]


# --- all-pole filters ---------------------------------------------------------------------------


def poles(generator: Generator, rows: int, samples: int, order: int) -> Tensor:
    """Coefficients that drift from one stable filter to another; (rows, 1, order, t)."""

    def stable() -> Tensor:
        # Reflection coefficients below 1 make a stable polynomial (Levinson's recursion).
        limit = 0.95 if order == 2 else 0.3
        polynomial = torch.ones(rows, 1, dtype=torch.float64)
        for _ in range(order):
            uniform = torch.rand(rows, 1, generator=generator, dtype=torch.float64)
            longer = pad(polynomial, (0, 1))
            polynomial = longer + limit * (2.0 * uniform - 1.0) * longer.flip(-1)
        return polynomial[:, 1:, None]

    # A mix of two stable filters is stable at order 2, and near the first at any order.
    start, end = stable(), stable()
    reach = torch.linspace(0.0, 1.0 if order == 2 else 0.01, samples, dtype=torch.float64)
    return torch.lerp(start, end, reach).float()[:, None]


def all_pole(rows: int, samples: int, order: int) -> Case:
    def inputs(generator: Generator) -> Tensors:
        x = noise(generator, rows, 1, samples)
        return {"x": x, "a": poles(generator, rows, samples, order)}

    def ours(given: Tensors) -> Tensor:
        from dspcore.ops import allpole

        return allpole(given["x"], given["a"])[0]

    peers = [
        Contender("torchlpc", torchlpc_all_pole, "torchlpc", time_before_order),
        Contender("philtorch allpole", philtorch_all_pole, "philtorch", time_before_order),
    ]
    if order == 2:
        loop = Contender(
            "PyTorch eager, loop", lambda: eager_all_pole, "torch", time_before_order, slow=True
        )
        peers.append(loop)
    shape = f"p = {order} per sample, {rows} x {samples:,}"
    work = 1.0 * rows * samples * order
    return Case("allpole", shape, inputs, ("x", "a"), ours, tuple(peers), work)


def time_before_order(given: Tensors) -> Tensors:
    """(rows, t) and (rows, t, p), contiguous, as torchlpc takes them."""
    return {"x": given["x"].squeeze(1), "a": given["a"].squeeze(1).mT.contiguous()}


def torchlpc_all_pole() -> Run:
    from torchlpc import sample_wise_lpc

    return lambda given: sample_wise_lpc(given["x"], given["a"])


def philtorch_all_pole() -> Run:
    from philtorch.lpv import allpole

    return lambda given: allpole(given["a"], given["x"])


def eager_all_pole(given: Tensors) -> Tensor:
    one = two = given["x"].new_zeros(given["x"].shape[0])
    out = []
    for x, a in zip(given["x"].unbind(1), given["a"].unbind(1), strict=True):
        one, two = x - a[:, 0] * one - a[:, 1] * two, one
        out.append(one)
    return torch.stack(out, 1)


def one_pole() -> Case:
    """The same pole at every sample of a row."""

    def inputs(generator: Generator) -> Tensors:
        pole = torch.linspace(0.9, 0.99, 32, dtype=torch.float64).float().view(32, 1)
        return {"x": noise(generator, 32, 1, 88_200), "pole": pole}

    def ours(given: Tensors) -> Tensor:
        from dspcore.ops import onepole

        return onepole(given["x"], given["pole"])[0]

    def flat(given: Tensors) -> Tensors:
        return {"x": given["x"].squeeze(1), "pole": given["pole"].squeeze(1)}

    def philtorch() -> Run:
        from philtorch.lti import linear_recurrence

        zero = torch.zeros(())
        return lambda given: linear_recurrence(
            given["pole"], zero, (1 - given["pole"][:, None]) * given["x"]
        )

    def torchlpc() -> Run:
        from torchlpc import sample_wise_lpc

        return lambda given: sample_wise_lpc(
            (1 - given["pole"][:, None]) * given["x"],
            -given["pole"][:, None, None].expand(*given["x"].shape, 1),
        )

    peers = (
        Contender("philtorch linear_recurrence", philtorch, "philtorch", flat),
        Contender("FIR + torchlpc", torchlpc, "torchlpc", flat),
    )
    return Case("onepole", "a pole per row, 32 x 88,200", inputs, ("x", "pole"), ours, peers)


def rational(rows: int, samples: int) -> Case:
    """A fourth-order filter for all rows, as numerator and denominator."""

    def inputs(generator: Generator) -> Tensors:
        b = torch.tensor([0.1, 0.2, 0.1, 0.05, 0.02], dtype=torch.float64)
        a = torch.tensor([1.0, -1.2, 0.7, -0.2, 0.05], dtype=torch.float64)
        return {"x": noise(generator, rows, 1, samples), "b": b, "a": a}

    def ours(given: Tensors) -> Tensor:
        from dspcore.ops import lfilter

        return lfilter(given["x"], given["b"], given["a"])[0]

    def flat(given: Tensors) -> Tensors:
        return {
            "x": given["x"].squeeze(1),
            "b": given["b"].float(),
            "a": given["a"][1:].float(),
        }

    def philtorch() -> Run:
        from philtorch.lti import lfilter

        return lambda given: lfilter(given["b"], given["a"], given["x"])

    def torchlpc() -> Run:
        from torchlpc import sample_wise_lpc

        def run(given: Tensors) -> Tensor:
            past = pad(given["x"], (4, 0))
            y = sum(given["b"][i] * past[:, 4 - i : 4 - i + samples] for i in range(5))
            return sample_wise_lpc(y, given["a"].expand(rows, samples, 4))

        return run

    def scipy() -> Run:
        from scipy.signal import lfilter

        return lambda given: torch.from_numpy(
            lfilter(
                given["b"].numpy().astype("float32"),
                given["a"].numpy().astype("float32"),
                given["x"].numpy(),
            )
        )

    peers = (
        Contender("scipy.lfilter", scipy, "scipy", gradient=False),
        Contender("philtorch lfilter", philtorch, "philtorch", flat, learned=("x", "b")),
        Contender("FIR + torchlpc", torchlpc, "torchlpc", flat, learned=("x", "b")),
    )
    # a[0] is an argument of ours alone, so the denominator is not learned.
    return Case("lfilter", f"order 4, {rows} x {samples:,}", inputs, ("x", "b"), ours, peers)


CASES = (
    cascade(32, 88_200, 1, ("x", "sos"), "one biquad, 32 x 88,200"),
    cascade(32, 88_200, 6, ("x", "sos"), "six biquads, 32 x 88,200"),
    cascade(1, 882_000, 6, (), "six biquads, one row of 882,000"),
    cascade(2, 512, 1, (), "one biquad, a block of 2 x 512"),
    moving_biquad(1),
    moving_biquad(256),
    one_pole(),
    rational(32, 88_200),
    all_pole(1, 48_000, 2),
    all_pole(8, 48_000, 2),
    all_pole(32, 44_100, 2),
    all_pole(16, 24_000, 22),
)
