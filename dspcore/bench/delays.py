"""Delay lines with feedback."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from dspcore.bench.case import Case, Contender, Run, Tensors
from dspcore.bench.filters import noise

ROWS, SAMPLES = 4, 65_536
DELAYS = (1_009, 1_153, 1_277, 1_409, 1_543, 1_663, 1_787, 1_901)
LINES = len(DELAYS)


def inputs(generator: Generator) -> Tensors:
    """Eight lines, an orthogonal feedback matrix, 1.5 s of reverberation at 48 kHz."""
    mixing = torch.linalg.qr(noise(generator, LINES, LINES).double()).Q
    decay = 10.0 ** (-3.0 * torch.tensor(DELAYS, dtype=torch.float64) / (1.5 * 48_000.0))
    feedback = (mixing * decay).float().expand(ROWS, LINES, LINES).contiguous()
    return {"x": noise(generator, ROWS, LINES, SAMPLES), "feedback": feedback}


def ours(given: Tensors) -> Tensor:
    from dspcore.ops import delay

    lengths = torch.tensor(DELAYS, dtype=given["x"].dtype).expand(ROWS, LINES)
    return delay(given["x"], lengths, given["feedback"], max_delay=max(DELAYS))[0]


def time_before_lines(given: Tensors) -> Tensors:
    """Audio as (b, t, l), contiguous, as philtorch takes it."""
    return {"x": given["x"].mT.contiguous(), "feedback": given["feedback"]}


def philtorch_network() -> Run:
    from philtorch.lti import delay_state_space

    return lambda given: delay_state_space(given["feedback"], given["x"], DELAYS).mT


def fft_network(given: Tensors) -> Tensor:
    """Frequency sampling on twice the length: (diag(z^d) - A) y = x at every bin."""
    length = 2 * SAMPLES
    turns = torch.arange(length // 2 + 1) / length
    advance = torch.exp(2j * torch.pi * (turns[:, None] * torch.tensor(DELAYS)).double())
    matrix = torch.diag_embed(advance.to(torch.complex64)) - given["feedback"][:, None]
    spectrum = torch.fft.rfft(given["x"], length)
    answer = torch.linalg.solve(matrix, spectrum.mT[..., None]).squeeze(-1)
    return torch.fft.irfft(answer.mT, length)[..., :SAMPLES]


CASES = (
    Case(
        "delay",
        "feedback network of 8 lines, 4 x 65,536",
        inputs,
        ("x", "feedback"),
        ours,
        (
            Contender(
                "philtorch delay_state_space", philtorch_network, "philtorch", time_before_lines
            ),
            # Its tail wraps around: close, never equal.
            Contender(
                "PyTorch eager, FFT", lambda: fft_network, "torch", agrees_db=-30.0, slow=True
            ),
        ),
    ),
)
