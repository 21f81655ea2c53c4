"""Level followers and what compressors are made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from dspcore.bench.case import Case, Contender, Run, Tensors
from dspcore.bench.filters import noise
from dspcore.bench.through_jax import through_jax

ROWS, SAMPLES = 32, 88_200
# 5 ms up and 100 ms down at 44.1 kHz.
ATTACK, RELEASE = 4.5e-3, 2.3e-4


def coefficients() -> Tensors:
    rows = torch.linspace(0.5, 2.0, ROWS, dtype=torch.float64).float()[:, None]
    return {"attack": ATTACK * rows, "release": RELEASE * rows}


def bursts(generator: Generator) -> Tensor:
    """Noise whose level rises and falls four times a second, so that both branches are taken."""
    time = torch.arange(SAMPLES) / 44_100.0
    return noise(generator, ROWS, 1, SAMPLES) * (0.55 + 0.45 * torch.sin(8.0 * torch.pi * time))


def flat(given: Tensors) -> Tensors:
    """(b, 1, t) as (b, t) and (b, 1) as (b,)."""
    return {name: value.squeeze(1) for name, value in given.items()}


# --- attack and release -------------------------------------------------------------------------


def smoothing_inputs(generator: Generator) -> Tensors:
    return {"x": bursts(generator).abs(), **coefficients()}


def our_smoothing(given: Tensors) -> Tensor:
    from dspcore.ops import envelope

    return envelope(given["x"], given["attack"], given["release"])[0]


def torchcomp_smoothing() -> Run:
    from torchcomp.core import compressor_core

    # Its "attack" is taken where the input falls below the output, for it follows a gain.
    def run(given: Tensors) -> Tensor:
        start = given["x"].new_zeros(given["x"].shape[0])
        return compressor_core(given["x"], start, given["release"], given["attack"])

    return run


def eager_smoothing(given: Tensors) -> Tensor:
    level = given["x"].new_zeros(given["x"].shape[0])
    out = []
    for x in given["x"].unbind(1):
        level = level + torch.where(x > level, given["attack"], given["release"]) * (x - level)
        out.append(level)
    return torch.stack(out, 1)


# --- compressor gain ----------------------------------------------------------------------------

THRESHOLD_DB, RATIO = -18.0, 4.0


def gain_inputs(generator: Generator) -> Tensors:
    return {"x": bursts(generator).abs() + 1e-4, **coefficients()}


def static_gain(level: Tensor) -> Tensor:
    """torchcomp's hard knee: linear gain above the threshold."""
    over = (1.0 - 1.0 / RATIO) * (THRESHOLD_DB - 20.0 * torch.log10(level))
    return 10.0 ** (over.clamp(max=0.0) / 20.0)


def our_gain(given: Tensors) -> Tensor:
    from dspcore.ops import envelope

    # The gain starts from 1 and falls in the attack, so rise and fall change places.
    gain = static_gain(given["x"])
    start = gain.new_ones(gain.shape[:2])
    return envelope(gain, given["release"], given["attack"], start)[0]


def torchcomp_gain() -> Run:
    from torchcomp import compexp_gain

    def run(given: Tensors) -> Tensor:
        # An expander that never acts, for the function has no compressor alone.
        return compexp_gain(
            given["x"], THRESHOLD_DB, RATIO, -200.0, 0.999, given["attack"], given["release"]
        )

    return run


# --- whole compressor ---------------------------------------------------------------------------

DASP_ROWS, DASP_ATTACK_MS = 8, 10.0


def controls(rows: int) -> Tensors:
    spread = torch.linspace(0.0, 1.0, rows, dtype=torch.float64).float()[:, None]
    return {
        "threshold_db": -30.0 + 12.0 * spread,
        "ratio": 2.0 + 6.0 * spread,
        "knee_db": 3.0 + 6.0 * spread,
    }


def compressor_inputs(generator: Generator) -> Tensors:
    return {"x": bursts(generator), **controls(ROWS), **coefficients()}


def our_compressor(given: Tensors) -> Tensor:
    from dspcore.ops import compressor_gain

    return given["x"] * compressor_gain(**given)[0]


def torchcomp_compressor() -> Run:
    from torchcomp.core import compressor_core

    def run(given: Tensors) -> Tensor:
        threshold, ratio, knee = (given[name][:, None] for name in controls(1))
        over = 20.0 * torch.log10(given["x"].abs().clamp(min=1e-6)) - threshold
        inside = (over + knee / 2).clamp(min=0.0) ** 2 / (2.0 * knee)
        wanted = (1.0 / ratio - 1.0) * torch.where(over > knee / 2, over, inside)
        start = wanted.new_zeros(wanted.shape[0])
        gain_db = compressor_core(wanted, start, given["attack"], given["release"])
        return given["x"] * 10.0 ** (gain_db / 20.0)

    return run


def dasp_inputs(generator: Generator) -> Tensors:
    # dasp smooths with the attack alone, so both are the same here.
    smoothing = 1.0 - torch.exp(-torch.log(torch.tensor(9.0)) / (44.1 * DASP_ATTACK_MS))
    both = smoothing.expand(DASP_ROWS, 1)
    x = bursts(generator)[:DASP_ROWS]
    return {"x": x, **controls(DASP_ROWS), "attack": both, "release": both}


def dasp_compressor() -> Run:
    from dasp_pytorch.functional import compressor

    time = torch.full((DASP_ROWS,), DASP_ATTACK_MS)
    zero = torch.zeros(DASP_ROWS)

    def run(given: Tensors) -> Tensor:
        level = {name: given[name].flatten() for name in controls(1)}
        return compressor(
            given["x"], 44_100, attack_ms=time, release_ms=time, makeup_gain_db=zero, **level
        )

    return run


def faustax_compressor() -> Run:
    from faustax import Compressor

    compressor = Compressor(sample_rate=44_100)

    def process(x: Any, threshold_db: Any, ratio: Any, knee_db: Any) -> Any:
        return compressor.process(
            x,
            threshold_db=threshold_db[:, 0],
            ratio=ratio[:, 0],
            knee_db=knee_db[:, 0],
            attack_ms=DASP_ATTACK_MS,
            release_ms=DASP_ATTACK_MS,
        )

    return through_jax(process, ("x", *controls(1)))


def difffx_compressor() -> Run:
    from dspcore.bench.effects import stand_in_for_torchaudio

    stand_in_for_torchaudio()
    from diffFx_pytorch.processors.dynamics.compressor import Compressor

    compressor = Compressor(44_100, knee_type="quadratic")
    # It writes 2.2 where dasp has the logarithm of 9.
    time = torch.full((DASP_ROWS,), DASP_ATTACK_MS * 2.2 / math.log(9.0))
    times = {"attack_ms": time, "release_ms": time, "makeup_db": torch.zeros(DASP_ROWS)}

    def run(given: Tensors) -> Tensor:
        level = {name: given[name].flatten() for name in controls(1)}
        out: Tensor = compressor(given["x"], None, {**level, **times})
        return out

    return run


# --- compressors that follow the level ------------------------------------------------------------

JUCE_RATIO, JUCE_ATTACK_MS, JUCE_RELEASE_MS = 4.0, 5.0, 100.0


def level_inputs(generator: Generator) -> Tensors:
    return {"x": bursts(generator)[:DASP_ROWS]}


def our_level_compressor(given: Tensors) -> Tensor:
    """JUCE's: the followed magnitude, a hard knee, nothing smoothed after it."""
    from dspcore.ops import envelope

    x, threshold = given["x"], 10.0 ** (THRESHOLD_DB / 20.0)
    attack, release = (
        1.0 - math.exp(-2.0 * math.pi * 1_000.0 / (44_100 * ms))
        for ms in (JUCE_ATTACK_MS, JUCE_RELEASE_MS)
    )
    level = envelope(x.abs(), attack, release)[0]
    return x * (level / threshold).clamp(min=1.0) ** (1.0 / JUCE_RATIO - 1.0)


def pedalboard_compressor() -> Run:
    from pedalboard import Compressor

    def run(given: Tensors) -> Tensor:
        settings = (THRESHOLD_DB, JUCE_RATIO, JUCE_ATTACK_MS, JUCE_RELEASE_MS)
        rows = [Compressor(*settings)(x, 44_100) for x in given["x"].numpy()]
        return torch.from_numpy(np.stack(rows))

    return run


def our_energy_compressor(given: Tensors) -> Tensor:
    """That of grafx: energy, a hard knee, and the linear gain smoothed."""
    from dspcore.ops import envelope

    x = given["x"]
    over = torch.log(x * x + 1e-5) - given["log_threshold"][..., None] + 6.0
    share = torch.exp(given["log_ratio"])[..., None]
    gain = torch.exp(-over.clamp(min=0.0) * share / (1.0 + share))
    start = gain.new_ones(gain.shape[:2])
    return x * envelope(gain, given["release"], given["attack"], start)[0]


def energy_inputs(generator: Generator) -> Tensors:
    spread = torch.linspace(0.0, 1.0, DASP_ROWS)[:, None]
    settings = {"log_threshold": 1.0 + spread, "log_ratio": spread}
    smoothing = {name: value[:DASP_ROWS] for name, value in coefficients().items()}
    return {**level_inputs(generator), **settings, **smoothing}


def grafx_compressor() -> Run:
    from dspcore.bench.effects import stand_in_for_torchaudio

    stand_in_for_torchaudio()
    from grafx.processors.dynamics import Compressor

    compressor = Compressor(
        energy_smoother=None, gain_smoother="ballistics", knee="hard", flashfftconv=False
    )

    def run(given: Tensors) -> Tensor:
        both = torch.cat([given["attack"], given["release"]], 1)
        settings = (given["log_threshold"], given["log_ratio"])
        out: Tensor = compressor(given["x"], *settings, z_alpha_post=torch.logit(both))
        return out

    return run


# --- limiter gain -------------------------------------------------------------------------------

LIMIT_DB = -12.0


def our_limiter(given: Tensors) -> Tensor:
    """torchcomp's limiter: a followed peak, the gain it asks for, followed again."""
    from dspcore.ops import envelope

    peak = envelope(given["x"], given["attack"], given["release"])[0]
    wanted = 1.0 - torch.relu(1.0 - 10.0 ** (LIMIT_DB / 20.0) / peak)
    start = wanted.new_ones(wanted.shape[:2])
    return envelope(wanted, given["release"], given["attack"], start)[0]


def torchcomp_limiter() -> Run:
    from torchcomp import limiter_gain

    def run(given: Tensors) -> Tensor:
        threshold = given["x"].new_tensor(LIMIT_DB)
        return limiter_gain(given["x"], threshold, given["attack"], given["release"])

    return run


CASES = (
    Case(
        "envelope",
        "attack and release, 32 x 88,200",
        smoothing_inputs,
        ("x", "attack", "release"),
        our_smoothing,
        (
            Contender("torchcomp compressor_core", torchcomp_smoothing, "torchcomp", flat),
            Contender("PyTorch eager, loop", lambda: eager_smoothing, "torch", flat, slow=True),
        ),
    ),
    Case(
        "envelope",
        "compressor gain (hard knee in PyTorch, then envelope), 32 x 88,200",
        gain_inputs,
        ("x", "attack", "release"),
        our_gain,
        (Contender("torchcomp compexp_gain", torchcomp_gain, "torchcomp", flat),),
    ),
    Case(
        "envelope",
        "limiter gain (envelope, curve in PyTorch, envelope), 32 x 88,200",
        gain_inputs,
        ("x", "attack", "release"),
        our_limiter,
        (Contender("torchcomp limiter_gain", torchcomp_limiter, "torchcomp", flat),),
    ),
    Case(
        "compressor_gain",
        "whole compressor, 32 x 88,200",
        compressor_inputs,
        ("x", *controls(1), "attack", "release"),
        our_compressor,
        (Contender("torchcomp core, curve in PyTorch", torchcomp_compressor, "torchcomp", flat),),
    ),
    Case(
        "compressor_gain",
        "whole compressor of one time constant, 8 x 88,200",
        dasp_inputs,
        ("x", *controls(1)),
        our_compressor,
        (
            Contender("dasp compressor", dasp_compressor, "dasp-pytorch"),
            Contender("faustax Compressor (JAX)", faustax_compressor, "faustax"),
            Contender("diffFx Compressor", difffx_compressor, "difffx-pytorch"),
        ),
    ),
    Case(
        "envelope",
        f"compressor that smooths its linear gain, {DASP_ROWS} x {SAMPLES:,}",
        energy_inputs,
        ("x", "log_threshold", "log_ratio", "attack", "release"),
        our_energy_compressor,
        (Contender("grafx Compressor", grafx_compressor, "grafx"),),
    ),
    Case(
        "envelope",
        f"compressor that follows the level, {DASP_ROWS} x {SAMPLES:,}",
        level_inputs,
        ("x",),
        our_level_compressor,
        (Contender("pedalboard Compressor", pedalboard_compressor, "pedalboard", gradient=False),),
    ),
)
