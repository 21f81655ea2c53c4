"""Whole effects, from physical settings to sound."""

from __future__ import annotations

import math
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import Generator, Tensor

from dspcore.bench.case import Case, Contender, Run, Tensors
from dspcore.bench.filters import noise
from dspcore.bench.through_jax import through_jax

ROWS, SAMPLES, RATE = 8, 88_200, 44_100
# Within the ranges of every peer.
HZ = (80.0, 700.0, 4_000.0, 10_000.0, 15_500.0, 8_000.0)


def inputs(generator: Generator) -> Tensors:
    """Gains, corners and Q of a low shelf, four peaks and a high shelf, (8, 6) each."""
    spread = torch.rand(ROWS, len(HZ), generator=generator)
    return {
        "x": noise(generator, ROWS, 1, SAMPLES),
        "gain_db": 12.0 * spread - 6.0,
        "hz": torch.tensor(HZ) * (0.8 + 0.4 * spread.flip(0)),
        "q": 0.5 + spread.flip(1),
    }


def ours(given: Tensors) -> Tensor:
    from dspcore.ops import design, sosfilt

    gain, hz, q = (given[name].double().unbind(1) for name in ("gain_db", "hz", "q"))
    kinds = [design.lowshelf, *[design.peak] * 4, design.highshelf]
    bands = [make(hz[i], q[i], gain[i], RATE) for i, make in enumerate(kinds)]
    return sosfilt(given["x"], torch.stack(bands, 1)[:, None])[0]


BANDS = ("low_shelf", "band0", "band1", "band2", "band3", "high_shelf")
FIELDS = {"gain_db": "gain_db", "hz": "cutoff_freq", "q": "q_factor"}


def by_band(gain_db: Any, hz: Any, q: Any) -> dict[str, Any]:
    """Columns (b,) of settings (b, 6) by the names that dasp and faustax give them."""
    settings = {"gain_db": gain_db, "hz": hz, "q": q}
    return {
        f"{band}_{name}": settings[field][:, i]
        for i, band in enumerate(BANDS)
        for field, name in FIELDS.items()
    }


def dasp() -> Run:
    from dasp_pytorch.functional import parametric_eq

    def run(given: Tensors) -> Tensor:
        settings = {name: given[name] for name in FIELDS}
        return parametric_eq(given["x"], RATE, **by_band(**settings))

    return run


def faustax() -> Run:
    from faustax import ParametricEQ

    eq = ParametricEQ(sample_rate=RATE)

    def process(x: Any, gain_db: Any, hz: Any, q: Any) -> Any:
        return eq.process(x, **by_band(gain_db, hz, q))

    return through_jax(process, ("x", *FIELDS))


def pedalboard() -> Run:
    import numpy as np
    from pedalboard import (  # type: ignore[attr-defined]
        HighShelfFilter,
        LowShelfFilter,
        PeakFilter,
        Pedalboard,
    )

    def run(given: Tensors) -> Tensor:
        rows = zip(*(given[name].tolist() for name in ("hz", "gain_db", "q")), strict=True)
        out = []
        for x, row in zip(given["x"].numpy(), rows, strict=True):
            kinds = [LowShelfFilter, *[PeakFilter] * 4, HighShelfFilter]
            board = Pedalboard([kind(*s) for kind, *s in zip(kinds, *row, strict=True)])
            out.append(board(x, RATE))
        return torch.from_numpy(np.stack(out))

    return run


def stand_in_for_torchaudio() -> None:
    """A module without functions where torchaudio is missing: peers import it and do without."""
    if "torchaudio" not in sys.modules and find_spec("torchaudio") is None:
        module, functional = ModuleType("torchaudio"), ModuleType("torchaudio.functional")
        module.__dict__.update(__version__="2.4.0", functional=functional)
        functional.__dict__["lfilter"] = None
        sys.modules |= {"torchaudio": module, "torchaudio.functional": functional}


def difffx() -> Run:
    stand_in_for_torchaudio()
    from diffFx_pytorch.processors.eq import ParametricEqualizer

    eq = ParametricEqualizer(sample_rate=RATE, num_peak_filters=len(HZ) - 2)
    bands = ("low_shelf", *[f"peak_{i}" for i in range(1, len(HZ) - 1)], "high_shelf")
    fields = {"gain_db": "gain_db", "hz": "frequency", "q": "q_factor"}

    def run(given: Tensors) -> Tensor:
        settings = {
            f"{band}_{field}": given[name][:, i]
            for i, band in enumerate(bands)
            for name, field in fields.items()
        }
        out: Tensor = eq(given["x"], None, settings)
        return out

    return run


def grafx() -> Run:
    """By frequency sampling, the way that needs no torchaudio.

    Two even lengths make an odd one, and then its transform back is wrong by a sample: it is given
    a sample of silence more.
    """
    stand_in_for_torchaudio()
    from grafx.processors.eq import ParametricEqualizer

    eq = ParametricEqualizer(
        len(HZ), backend="fsm", fsm_fir_len=SAMPLES + SAMPLES % 2, flashfftconv=False
    )
    eq.get_biquad_coefficients = eq.get_biquad_coefficients_with_shelving_filters

    def run(given: Tensors) -> Tensor:
        # What its activations turn into frequency, bandwidth and gain.
        share = 2.0 * given["hz"] / RATE
        w0 = torch.log(share / (1.0 - share))
        gain = given["gain_db"] * (math.log(10.0) / 40.0)
        x = torch.nn.functional.pad(given["x"], (0, 1))
        out: Tensor = eq(x, w0[:, None], -torch.log(given["q"])[:, None], gain[:, None])
        return out[..., :-1]

    return run


def torchfx() -> Run:
    from torchfx.filter import HiShelving, LoShelving, ParametricEQ
    from torchfx.filter.fused import FusedSOSCascade

    def run(given: Tensors) -> Tensor:
        rows = zip(*(given[name].tolist() for name in ("hz", "gain_db", "q")), strict=True)
        out = []
        for x, (hz, gain_db, q) in zip(given["x"], rows, strict=True):
            # Its gains count twice in dB.
            bands = [ParametricEQ(hz[i], q[i], gain_db[i] / 2, RATE) for i in range(1, len(hz) - 1)]
            low = LoShelving(hz[0], q[0], gain_db[0] / 2, "db", RATE)
            high = HiShelving(hz[-1], q[-1], gain_db[-1] / 2, "db", RATE)
            out.append(FusedSOSCascade(low, *bands, high)(x))
        return torch.stack(out)

    return run


# --- Freeverb -----------------------------------------------------------------------------------

ROOM, DAMPING = 0.6, 0.4


def stereo(generator: Generator) -> Tensors:
    return {"x": 0.1 * noise(generator, ROWS, 2, SAMPLES)}


def our_freeverb(given: Tensors) -> Tensor:
    from dspcore.effects import Freeverb

    return Freeverb(RATE, room=ROOM, damping=DAMPING, mix=1.0)(given["x"])


def pedalboard_freeverb() -> Run:
    import numpy as np
    from pedalboard import Reverb

    def run(given: Tensors) -> Tensor:
        out = []
        for x in given["x"].numpy():
            # Its wet level is multiplied by 3, as the program's.
            reverb = Reverb(room_size=ROOM, damping=DAMPING, wet_level=1.0, dry_level=0.0, width=1)
            out.append(reverb(x, RATE))
        return torch.from_numpy(np.stack(out))

    return run


def torchfx_freeverb() -> Run:
    from torchfx.effect import Reverb

    def run(given: Tensors) -> Tensor:
        rooms = [Reverb(room_size=ROOM, damping=DAMPING, mix=1.0, fs=RATE) for _ in given["x"]]
        return torch.stack([room(x) for room, x in zip(rooms, given["x"], strict=True)])

    return run


# --- echo ---------------------------------------------------------------------------------------

ECHO_S, FEEDBACK, MIX = 0.1, 0.5, 0.5


def our_echo(given: Tensors) -> Tensor:
    from dspcore.ops import delay

    x = given["x"].flatten(0, 1)[:, None]
    span = x.new_full((len(x), 1), ECHO_S * RATE, dtype=torch.float64)
    echoes, _ = delay(x, span, x.new_full((len(x), 1, 1), FEEDBACK), max_delay=ECHO_S * RATE)
    return (1 - MIX) * given["x"] + MIX * echoes.reshape(given["x"].shape)


def pedalboard_echo() -> Run:
    import numpy as np
    from pedalboard import Delay

    def run(given: Tensors) -> Tensor:
        rows = given["x"].numpy()
        return torch.from_numpy(np.stack([Delay(ECHO_S, FEEDBACK, MIX)(x, RATE) for x in rows]))

    return run


def torchfx_echo() -> Run:
    """As many echoes as there is time for; it lengthens the sound by all of them."""
    from torchfx.effect import Delay

    span = round(ECHO_S * RATE)
    echo = Delay(delay_samples=span, feedback=FEEDBACK, mix=MIX, taps=SAMPLES // span)
    return lambda given: echo(given["x"])[..., :SAMPLES]


# --- convolution --------------------------------------------------------------------------------

RESPONSE = 44_100


def sound_and_response(generator: Generator) -> Tensors:
    """A second of decaying noise for each item and channel."""
    fall = 10.0 ** (-3.0 * torch.arange(RESPONSE) / RESPONSE)
    return {**stereo(generator), "h": 0.05 * fall * noise(generator, ROWS, 2, RESPONSE)}


def our_convolution(given: Tensors) -> Tensor:
    from dspcore.ops import convolve

    return convolve(given["x"], given["h"])[0]


def eager_convolution(given: Tensors) -> Tensor:
    length = 1 << (SAMPLES + RESPONSE - 2).bit_length()
    product = torch.fft.rfft(given["x"], length) * torch.fft.rfft(given["h"], length)
    return torch.fft.irfft(product, length)[..., :SAMPLES]


def grafx_convolution() -> Run:
    stand_in_for_torchaudio()
    from grafx.processors.core.convolution import FIRConvolution

    convolution = FIRConvolution(mode="causal", flashfftconv=False)

    def run(given: Tensors) -> Tensor:
        out: Tensor = convolution(torch.nn.functional.pad(given["x"], (0, 1)), given["h"])
        return out[..., :-1]

    return run


def scipy_convolution() -> Run:
    from scipy.signal import oaconvolve

    def run(given: Tensors) -> Tensor:
        both = oaconvolve(given["x"].numpy(), given["h"].numpy(), axes=-1)
        return torch.from_numpy(both[..., :SAMPLES])

    return run


CASES = (
    Case(
        "sosfilt",
        f"parametric EQ of six bands from its settings, {ROWS} x {SAMPLES:,}",
        inputs,
        ("gain_db", "hz", "q"),
        ours,
        # Frequency sampling lets the tail of the response wrap around.
        (
            Contender("dasp parametric_eq", dasp, "dasp-pytorch", agrees_db=-40.0),
            # Its recursion and the gradients through it run in float32, direct form.
            Contender("faustax ParametricEQ (JAX)", faustax, "faustax", agrees_db=-45.0),
            Contender("pedalboard, six filters", pedalboard, "pedalboard", gradient=False),
            Contender("diffFx ParametricEqualizer", difffx, "difffx-pytorch", agrees_db=-40.0),
            Contender("grafx ParametricEqualizer", grafx, "grafx", agrees_db=-40.0),
            Contender("torchfx cascade", torchfx, "torchfx", gradient=False),
        ),
        5.0 * ROWS * SAMPLES * len(HZ),
    ),
    Case(
        "freeverb",
        f"Freeverb, {ROWS} x 2 x {SAMPLES:,}",
        stereo,
        ("x",),
        our_freeverb,
        (
            Contender(
                "pedalboard Reverb",
                pedalboard_freeverb,
                "pedalboard",
                gradient=False,
            ),
            Contender("torchfx Reverb", torchfx_freeverb, "torchfx", gradient=False),
        ),
    ),
    Case(
        "delay",
        f"echo with feedback, {ROWS} x 2 x {SAMPLES:,}",
        stereo,
        ("x",),
        our_echo,
        (
            Contender("pedalboard Delay", pedalboard_echo, "pedalboard", gradient=False),
            Contender("torchfx Delay", torchfx_echo, "torchfx", gradient=False),
        ),
    ),
    Case(
        "convolve",
        f"a response of {RESPONSE:,} for each row, {ROWS} x 2 x {SAMPLES:,}",
        sound_and_response,
        ("x", "h"),
        our_convolution,
        (
            Contender("PyTorch eager, FFT", lambda: eager_convolution, "torch"),
            Contender("grafx FIRConvolution", grafx_convolution, "grafx"),
            Contender("scipy oaconvolve", scipy_convolution, "scipy", gradient=False),
        ),
    ),
)
